"""Webhook subscriptions before a server that plays every awkward answer, and before the sandbox."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.oura.errors import (
    AlreadySubscribed,
    ClientRefused,
    GarbledAnswer,
    OuraUnavailable,
    RateLimited,
    SubscriptionGone,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import http_client
from oura_pipeline.oura.subscriptions import OuraSubscription, Subscriptions
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import running
from oura_pipeline_tests.testing.http_server import QuietHandler, serving
from oura_pipeline_tests.testing.webhook_receiver import webhook_receiver

SECRET = "the-client-secret"
TOKEN = "the-verification-token"
CALLBACK = "https://pipeline.example/webhook"
ROW = {
    "id": "11d2",
    "callback_url": CALLBACK,
    "event_type": "update",
    "data_type": "daily_sleep",
    "expiration_time": "2026-08-30T10:20:30.123456",
}
ONE = OuraSubscription(
    id="11d2",
    data_type="daily_sleep",
    event_type="update",
    callback_url=CALLBACK,
    expires_at=datetime(2026, 8, 30, 10, 20, 30, 123456, tzinfo=UTC),
)
GATEWAY = b"<!DOCTYPE HTML><html><h1>504 Gateway Timeout ERROR</h1></html>"


@dataclass(frozen=True)
class Reply:
    """What the server says next; `wait`: only once this happens."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


@dataclass
class PlayedOura:
    """A server that says what it is told to, and remembers what it heard."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def says(self, status: int, body: Any = None, **headers: str) -> None:
        """Say this next."""
        self.replies.append(
            Reply(status, body, {k.replace("_", "-"): v for k, v in headers.items()})
        )


@pytest.fixture
def oura() -> Iterator[PlayedOura]:
    """A server of this test."""
    with played() as made:
        yield made


@contextmanager
def played() -> Iterator[PlayedOura]:
    made = PlayedOura()

    class Answers(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.heard.append((self.command, self.path, json.loads(body) if body else None))
            made.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = made.replies.pop(0)
            if reply.wait:
                reply.wait.wait(30)
            said = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            said = b"" if reply.body is None else said
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_DELETE = answer

    with serving(Answers) as made.url:
        yield made


@pytest.fixture
def ours(oura: PlayedOura) -> Iterator[Subscriptions]:
    """Our application before that server."""
    with http_client() as http:
        yield Subscriptions(http, api_url=oura.url, client_id="our-id", client_secret=SECRET)


def create(ours: Subscriptions) -> OuraSubscription:
    return ours.create(
        data_type="daily_sleep",
        event_type="update",
        callback_url=CALLBACK,
        verification_token=TOKEN,
    )


CALLS: dict[str, Callable[[Subscriptions], object]] = {
    "list": lambda ours: ours.list(),
    "create": create,
    "renew": lambda ours: ours.renew("11d2"),
    "update": lambda ours: ours.update("11d2", verification_token=TOKEN, callback_url=CALLBACK),
    "delete": lambda ours: ours.delete("11d2"),
}


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("list", ("GET", "/v2/webhook/subscription", None)),
        (
            "create",
            (
                "POST",
                "/v2/webhook/subscription",
                {
                    "callback_url": CALLBACK,
                    "verification_token": TOKEN,
                    "event_type": "update",
                    "data_type": "daily_sleep",
                },
            ),
        ),
        ("renew", ("PUT", "/v2/webhook/subscription/renew/11d2", None)),
        (
            "update",
            (
                "PUT",
                "/v2/webhook/subscription/11d2",
                {"verification_token": TOKEN, "callback_url": CALLBACK},
            ),
        ),
        ("delete", ("DELETE", "/v2/webhook/subscription/11d2", None)),
    ],
)
def test_the_client_is_known_by_id_and_secret(
    name: str, heard: tuple[str, str, Any], oura: PlayedOura, ours: Subscriptions
) -> None:
    """Method, path and body as Oura has them; nobody's token, and no `Authorization` at all."""
    oura.says(200, [ROW] if name == "list" else ROW)
    CALLS[name](ours)
    assert oura.heard == [heard]
    sent = {key: oura.headers[0].get(key) for key in ("x-client-id", "x-client-secret")}
    assert sent == {"x-client-id": "our-id", "x-client-secret": SECRET}
    assert "authorization" not in oura.headers[0]


@pytest.mark.parametrize("status", [200, 201])
def test_made_is_made_with_either_status(
    status: int, oura: PlayedOura, ours: Subscriptions
) -> None:
    """Oura documents 201 and has answered 200."""
    oura.says(status, ROW)
    assert create(ours) == ONE


def test_fields_and_types_that_nobody_knows_are_no_trouble(
    oura: PlayedOura, ours: Subscriptions
) -> None:
    """And an id that comes twice is one subscription."""
    meal = {**ROW, "id": "22", "data_type": "meal", "shard": {"number": 7}}
    oura.says(200, [ROW, meal, ROW])
    other = OuraSubscription(
        id="22",
        data_type="meal",
        event_type="update",
        callback_url=CALLBACK,
        expires_at=ONE.expires_at,
    )
    assert ours.list() == (ONE, other)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-08-30T10:20:30", datetime(2026, 8, 30, 10, 20, 30, tzinfo=UTC)),
        ("2026-08-30T10:20:30.1", datetime(2026, 8, 30, 10, 20, 30, 100000, tzinfo=UTC)),
        ("2026-08-30T10:20:30.123456789", datetime(2026, 8, 30, 10, 20, 30, 123456, tzinfo=UTC)),
        ("2026-08-30T10:20:30.123456789Z", datetime(2026, 8, 30, 10, 20, 30, 123456, tzinfo=UTC)),
        ("2026-08-30T12:20:30+02:00", datetime(2026, 8, 30, 10, 20, 30, tzinfo=UTC)),
        ("0001-01-01T00:00:00+02:00", None),
        ("soon", None),
        ("", None),
        (1788085230, None),
        (None, None),
    ],
)
def test_the_end_is_utc_unless_it_says_otherwise(
    said: object, expected: datetime | None, oura: PlayedOura, ours: Subscriptions
) -> None:
    """Up to nine decimals; what cannot be read is not known."""
    oura.says(200, [{**ROW, "expiration_time": said}])
    assert [row.expires_at for row in ours.list()] == [expected]


def test_an_end_that_is_left_out_is_not_known(oura: PlayedOura, ours: Subscriptions) -> None:
    oura.says(200, [{name: value for name, value in ROW.items() if name != "expiration_time"}])
    assert [row.expires_at for row in ours.list()] == [None]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [ROW]},
        None,
        b"null",
        GATEWAY,
        b'[{"id":"11',
        [ROW, "another"],
        *(
            [{**ROW, name: value}]
            for name in ("id", "data_type", "event_type")
            for value in (None, "", 3)
        ),
    ],
)
def test_a_list_that_is_not_understood_is_no_list(
    body: Any, oura: PlayedOura, ours: Subscriptions
) -> None:
    """An empty one would have everything made anew, a half-read one would have the rest ended."""
    oura.says(200, body)
    with pytest.raises(UnexpectedAnswer):
        ours.list()


REFUSALS: list[tuple[str, int, Any, type[OuraError]]] = [
    ("create", 400, {"detail": "Callback URL did not answer."}, UnexpectedAnswer),
    ("create", 401, {"detail": "Invalid client."}, ClientRefused),
    ("list", 401, None, ClientRefused),
    ("list", 403, {"detail": "Forbidden"}, ClientRefused),
    ("renew", 401, None, ClientRefused),
    ("create", 409, {"detail": "Subscription already exists."}, AlreadySubscribed),
    ("update", 409, None, AlreadySubscribed),
    ("create", 422, {"detail": [{"loc": ["body", "data_type"], "msg": "No."}]}, UnexpectedAnswer),
    ("create", 500, {"detail": "SSLError"}, OuraUnavailable),
    ("create", 504, GATEWAY, OuraUnavailable),
    ("list", 504, GATEWAY, OuraUnavailable),
    ("renew", 502, None, OuraUnavailable),
    ("delete", 503, None, OuraUnavailable),
    ("renew", 403, {"detail": "Webhook with specified id does not exist"}, SubscriptionGone),
    ("renew", 403, None, SubscriptionGone),
    ("update", 404, None, SubscriptionGone),
    ("create", 301, None, UnexpectedAnswer),
    ("create", 201, GATEWAY, GarbledAnswer),
]


@pytest.mark.parametrize(("name", "status", "body", "expected"), REFUSALS)
def test_every_refusal_is_named_for_what_happened(
    name: str,
    status: int,
    body: Any,
    expected: type[OuraError],
    oura: PlayedOura,
    ours: Subscriptions,
) -> None:
    """In one line."""
    oura.says(status, body)
    with pytest.raises(expected) as caught:
        CALLS[name](ours)
    assert type(caught.value) is expected
    assert "\n" not in str(caught.value)


def test_a_refusal_says_what_oura_says_and_what_to_look_at(
    oura: PlayedOura, ours: Subscriptions
) -> None:
    """The certificate chain is what 500 and SSLError are about."""
    oura.says(500, {"detail": "SSLError"})
    oura.says(422, {"detail": [{"loc": ["body", "data_type"], "msg": "Input should be 'tag'"}]})
    with pytest.raises(OuraUnavailable, match=r"\(500: SSLError\).*certificate.*OURA_PUBLIC_URL"):
        create(ours)
    with pytest.raises(UnexpectedAnswer, match=r"422: body.data_type: Input should be 'tag'"):
        create(ours)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 500])
def test_no_secret_is_ever_shown(
    status: int, oura: PlayedOura, ours: Subscriptions, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever Oura repeats of it."""
    caplog.set_level(logging.DEBUG)
    oura.says(status, {"detail": f"{SECRET} or {TOKEN} is wrong"})
    with pytest.raises(OuraError) as caught:
        create(ours)
    shown = f"{caught.value!r} {caught.value} {ours!r} {caplog.text}"
    assert "is wrong" in shown
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry_After": "17"}, 17.0), ({}, 60.0)], ids=["said", "not said"]
)
def test_too_many_requests_say_for_how_long(
    headers: dict[str, str], seconds: float, oura: PlayedOura, ours: Subscriptions
) -> None:
    oura.says(429, None, **headers)
    with pytest.raises(RateLimited) as caught:
        ours.list()
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [(204, None), (403, {"detail": "Webhook with specified id does not exist"}), (404, None)],
)
def test_what_is_gone_is_gone(
    status: int, body: Any, oura: PlayedOura, ours: Subscriptions
) -> None:
    """Ending what has ended is no failure."""
    oura.says(status, body)
    ours.delete("11d2")
    assert oura.heard == [("DELETE", "/v2/webhook/subscription/11d2", None)]


def test_an_id_stays_an_id(oura: PlayedOura, ours: Subscriptions) -> None:
    """Whatever stands in it, it does not become a path."""
    oura.says(204)
    ours.delete("../../x?y")
    assert oura.heard == [("DELETE", "/v2/webhook/subscription/..%2F..%2Fx%3Fy", None)]


def test_oura_may_never_answer(oura: PlayedOura) -> None:
    """Then it is away after so many seconds; whether there is one now is not known."""
    ended = threading.Event()
    oura.replies.append(Reply(201, ROW, wait=ended))
    with http_client() as http:
        ours = Subscriptions(
            http, api_url=oura.url, client_id="our-id", client_secret=SECRET, seconds=0.2
        )
        with pytest.raises(OuraUnavailable, match="read timeout"):
            create(ours)
        ended.set()


def test_a_subscription_lives_at_the_sandbox() -> None:
    """Made with a handshake, listed, renewed, pointed elsewhere, refused a second time, ended."""
    options = SandboxOptions(people=1, days=1)
    token = verification_token(options.client_secret)
    with running(options) as sandbox, webhook_receiver(token) as there, http_client() as http:
        ours = Subscriptions(
            http,
            api_url=sandbox.url,
            client_id=options.client_id,
            client_secret=options.client_secret,
        )
        wish = {"data_type": "tag", "event_type": "create", "verification_token": token}
        made = ours.create(callback_url=there.url, **wish)
        assert ours.list() == (made,)
        with pytest.raises(AlreadySubscribed):
            ours.create(callback_url=there.url, **wish)
        sandbox.forward(86400)
        renewed = ours.renew(made.id)
        assert made.expires_at
        assert renewed.expires_at
        assert 0.99 < (renewed.expires_at - made.expires_at).total_seconds() / 86400 < 1.01
        moved = ours.update(made.id, verification_token=token, callback_url=there.url + "/b")
        assert (moved.id, moved.callback_url) == (made.id, there.url + "/b")
        assert ours.list() == (moved,)
        with pytest.raises(UnexpectedAnswer):
            ours.update(made.id, verification_token="another", callback_url=there.url)
        ours.delete(made.id)
        ours.delete(made.id)
        assert ours.list() == ()
        with pytest.raises(SubscriptionGone):
            ours.renew(made.id)
    assert [shake.token for shake in there.handshakes] == [token, token, "another"]
