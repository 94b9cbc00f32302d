"""Tokens: two endpoints, of which only one is ours, and refresh tokens that work once."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from oura_pipeline.catalog.credentials import OuraError, SignInRequired, TokenPair
from oura_pipeline.oura.errors import (
    ClientRefused,
    OuraUnavailable,
    RateLimited,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import http_client
from oura_pipeline.oura.oauth import OAuth, parse_scopes
from oura_pipeline_tests.oura.fake_oura import Reply, reply

LEGACY, PORTAL = "https://legacy.test/oauth/token", "https://portal.test/oauth-token"
LEGACY_REVOKE, PORTAL_REVOKE = (
    "https://legacy.test/oauth/revoke",
    "https://portal.test/oauth-revoke",
)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

GOOD = {"token_type": "bearer", "access_token": "a1", "refresh_token": "r1", "expires_in": 3600}
WRONG_PORTAL = reply(400, {"error": "invalid_request", "error_description": "Invalid request"})
WRONG_PORTAL_EXCHANGE = reply(401, b"")
BAD_GRANT = reply(400, {"error": "invalid_grant"})
USED_UP = reply(400, {"detail": "Token already used or revoked"})
BAD_CLIENT = reply(400, {"error": "invalid_client", "error_description": "Invalid client_id."})
BAD_CLIENT_PORTAL = reply(401, {"error": "invalid_client"})


@dataclass
class Endpoints:
    """Token endpoints that give the prepared answers, by address."""

    replies: dict[str, deque[Reply]] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    def will(self, url: str, *replies: Reply) -> None:
        """What an address answers, in this order."""
        self.replies.setdefault(url, deque()).extend(replies)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(request)
        reply = self.replies[str(request.url.copy_with(query=None))].popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    @property
    def urls(self) -> list[str]:
        """The addresses that were asked."""
        return [str(request.url) for request in self.asked]


@pytest.fixture
def endpoints() -> Endpoints:
    """Endpoints without answers."""
    return Endpoints()


@pytest.fixture
def oauth(endpoints: Endpoints) -> Iterator[OAuth]:
    """Our application before both endpoints."""
    with httpx.Client(transport=httpx.MockTransport(endpoints)) as http:
        yield _oauth(http)


def _oauth(http: httpx.Client, **changed: Any) -> OAuth:
    usual = {"token_urls": (LEGACY, PORTAL), "client_id": "our-id", "client_secret": "our-secret"}
    return OAuth(http, **{**usual, "clock": lambda: NOW, **changed})


def test_a_refresh_token_becomes_a_new_pair(oauth: OAuth, endpoints: Endpoints) -> None:
    """The client goes in the form, not in a header."""
    endpoints.will(LEGACY, reply(200, {**GOOD, "scope": "extapi:daily extapi:spo2 email"}))
    assert oauth.renew("r0") == TokenPair(
        access_token="a1",
        refresh_token="r1",
        expires_at=NOW + timedelta(hours=1),
        scopes=frozenset({"daily", "spo2", "email"}),
        token_url=LEGACY,
    )
    (request,) = endpoints.asked
    assert (
        request.method,
        request.headers["Content-Type"],
        "Authorization" in request.headers,
    ) == (
        "POST",
        "application/x-www-form-urlencoded",
        False,
    )
    assert dict(parse_qsl(request.content.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "r0",
        "client_id": "our-id",
        "client_secret": "our-secret",
    }


def test_a_code_becomes_the_first_pair(oauth: OAuth, endpoints: Endpoints) -> None:
    """With the address and the verifier of its sign-in."""
    endpoints.will(LEGACY, reply(200, GOOD))
    assert oauth.exchange("c&=+", "https://us.test/callback", "verifier").access_token == "a1"
    assert dict(parse_qsl(endpoints.asked[0].content.decode())) == {
        "grant_type": "authorization_code",
        "code": "c&=+",
        "redirect_uri": "https://us.test/callback",
        "code_verifier": "verifier",
        "client_id": "our-id",
        "client_secret": "our-secret",
    }


def test_the_endpoint_that_worked_is_tried_first(oauth: OAuth, endpoints: Endpoints) -> None:
    """Also one that the settings no longer name."""
    old = "https://old.test/token"
    endpoints.will(PORTAL, reply(200, GOOD))
    endpoints.will(old, WRONG_PORTAL)
    endpoints.will(LEGACY, WRONG_PORTAL)
    endpoints.will(PORTAL, reply(200, GOOD))
    assert oauth.renew("r0", PORTAL).token_url == PORTAL
    assert oauth.renew("r0", old).token_url == PORTAL
    assert endpoints.urls == [PORTAL, old, LEGACY, PORTAL]


@pytest.mark.parametrize(
    "refusal",
    [WRONG_PORTAL, BAD_CLIENT, BAD_CLIENT_PORTAL, BAD_GRANT, USED_UP, reply(404, b"<html>")],
)
def test_a_refusal_is_tried_at_the_next_endpoint(
    oauth: OAuth, endpoints: Endpoints, refusal: httpx.Response
) -> None:
    """As long as it is not known which one is ours."""
    endpoints.will(LEGACY, refusal)
    endpoints.will(PORTAL, reply(200, GOOD))
    assert oauth.renew("r0").token_url == PORTAL


def test_a_code_is_tried_at_the_next_endpoint(oauth: OAuth, endpoints: Endpoints) -> None:
    """The wrong portal answers 401 to a code."""
    endpoints.will(LEGACY, WRONG_PORTAL_EXCHANGE)
    endpoints.will(PORTAL, reply(200, GOOD))
    assert oauth.exchange("code", "https://us.test/callback", None).token_url == PORTAL


@pytest.mark.parametrize("refusal", [BAD_GRANT, USED_UP])
def test_a_used_up_token_at_its_own_endpoint_needs_a_sign_in(
    oauth: OAuth, endpoints: Endpoints, refusal: httpx.Response
) -> None:
    """The other endpoint is not asked: this one knows."""
    endpoints.will(PORTAL, refusal)
    with pytest.raises(SignInRequired, match="sign in again"):
        oauth.renew("r0", PORTAL)
    assert endpoints.urls == [PORTAL]


@pytest.mark.parametrize(
    ("legacy", "portal", "error"),
    [
        (BAD_GRANT, BAD_GRANT, SignInRequired),
        (BAD_GRANT, WRONG_PORTAL, SignInRequired),
        (BAD_CLIENT, BAD_GRANT, SignInRequired),
        (WRONG_PORTAL, USED_UP, SignInRequired),
        (BAD_CLIENT, BAD_CLIENT_PORTAL, ClientRefused),
        (WRONG_PORTAL, BAD_CLIENT_PORTAL, ClientRefused),
        (WRONG_PORTAL, WRONG_PORTAL, ClientRefused),
        (WRONG_PORTAL_EXCHANGE, WRONG_PORTAL_EXCHANGE, ClientRefused),
        (reply(404), BAD_CLIENT_PORTAL, ClientRefused),
        (reply(404), reply(403, b"<html>"), UnexpectedAnswer),
        (
            reply(302, b"", Location="https://elsewhere.test"),
            reply(400, b""),
            UnexpectedAnswer,
        ),
    ],
)
def test_the_endpoint_that_understands_is_believed(
    oauth: OAuth,
    endpoints: Endpoints,
    legacy: httpx.Response,
    portal: httpx.Response,
    error: type[OuraError],
) -> None:
    """A person is sent to sign in only where a token was refused, not where our client was."""
    endpoints.will(LEGACY, legacy)
    endpoints.will(PORTAL, portal)
    with pytest.raises(error) as caught:
        oauth.renew("r0")
    assert type(caught.value) is error
    assert endpoints.urls == [LEGACY, PORTAL]


SILENCES: list[Reply] = [
    reply(500),
    reply(504, b"<html>"),
    httpx.ReadTimeout("slow"),
    httpx.ConnectError("refused"),
    httpx.RemoteProtocolError("closed"),
    httpx.ReadError("reset"),
    reply(200, b"<html>maintenance</html>"),
    reply(200, b""),
    reply(429, b"", Retry_After="10"),
    reply(429, b""),
]


@pytest.mark.parametrize("silence", SILENCES)
def test_silence_is_asked_again_and_not_elsewhere(
    oauth: OAuth, endpoints: Endpoints, silence: Reply
) -> None:
    """Within the same question: one bad moment costs nobody anything."""
    endpoints.will(LEGACY, silence, silence, reply(200, GOOD))
    assert oauth.renew("r0").access_token == "a1"
    endpoints.will(LEGACY, silence, reply(200, GOOD))
    assert oauth.exchange("code").access_token == "a1"
    assert endpoints.urls == [LEGACY] * 5


@pytest.mark.parametrize("silence", SILENCES[:-2])
def test_silence_that_lasts_is_not_tried_elsewhere(
    oauth: OAuth, endpoints: Endpoints, silence: Reply
) -> None:
    """The token may be used up by now; whether to try again is the caller's decision."""
    endpoints.will(LEGACY, *[silence] * 5)
    with pytest.raises(OuraUnavailable):
        oauth.renew("r0")
    assert endpoints.urls == [LEGACY] * 5


def test_a_refusal_after_silence_is_final(oauth: OAuth, endpoints: Endpoints) -> None:
    """The answer that got lost had used up the token."""
    endpoints.will(PORTAL, httpx.ReadTimeout("slow"), USED_UP)
    with pytest.raises(SignInRequired):
        oauth.renew("r0", PORTAL)
    assert endpoints.urls == [PORTAL] * 2


def test_too_many_requests_raise(oauth: OAuth, endpoints: Endpoints) -> None:
    """At once where the pause that is asked for is too long, else after some."""
    endpoints.will(LEGACY, reply(429, b"", Retry_After="3600"), *[reply(429, b"")] * 5)
    for seconds in (3600, 60):
        with pytest.raises(RateLimited) as caught:
            oauth.renew("r0")
        assert caught.value.retry_after == seconds
    assert endpoints.urls == [LEGACY] * 6


def test_what_works_for_the_application_is_tried_first(endpoints: Endpoints) -> None:
    """For a code as well: a refusal may use it up. What the settings do not name is not asked."""
    endpoints.will(PORTAL, reply(200, GOOD), reply(200, GOOD), BAD_GRANT)
    with httpx.Client(transport=httpx.MockTransport(endpoints)) as http:
        working = iter([PORTAL, PORTAL, PORTAL])
        oauth = _oauth(http, working=lambda: next(working))
        assert oauth.exchange("code").token_url == PORTAL
        assert oauth.renew("r0").token_url == PORTAL
        with pytest.raises(SignInRequired):
            oauth.renew("r0")
        endpoints.will(LEGACY, reply(200, GOOD))
        assert _oauth(http, working=lambda: "https://old.test").exchange("c").token_url == LEGACY
    assert endpoints.urls == [PORTAL, PORTAL, PORTAL, LEGACY]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (3599.5, 3599.5),
        (2591999, 2591999),
        (None, 86400),
        ("soon", 86400),
        (True, 86400),
        ([3600], 86400),
        (float("nan"), 86400),
        (-5, 60),
        (0, 60),
        ("0", 60),
        (0.001, 60),
        (-(10**400), 86400),
        (1e30, 366 * 86400),
        (10**400, 86400),
    ],
)
def test_the_lifetime_is_the_one_that_oura_says(
    oauth: OAuth, endpoints: Endpoints, said: Any, seconds: float
) -> None:
    """A day where it says none, or nothing that is one."""
    body = json.dumps({**GOOD, "expires_in": said}).encode()
    endpoints.will(LEGACY, reply(200, body))
    assert oauth.renew("r0").expires_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "body",
    [
        {"refresh_token": "r1"},
        {"access_token": 7},
        {"error": "x"},
        {"access_token": "€", "refresh_token": "r1"},
        {"access_token": "a1\r\nX: y", "refresh_token": "r1"},
    ],
)
def test_an_answer_without_tokens_is_not_understood(
    oauth: OAuth, endpoints: Endpoints, body: dict[str, Any]
) -> None:
    """Though it says 200."""
    endpoints.will(LEGACY, reply(200, body))
    with pytest.raises(UnexpectedAnswer, match="without tokens"):
        oauth.renew("r0")


def test_a_refresh_token_that_is_not_replaced_is_kept(oauth: OAuth, endpoints: Endpoints) -> None:
    """A code without one is not understood."""
    body = {"access_token": "a1"}
    endpoints.will(LEGACY, reply(200, body), reply(200, body))
    assert oauth.renew("r0").refresh_token == "r0"
    with pytest.raises(UnexpectedAnswer, match="without tokens"):
        oauth.exchange("code", None, None)


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        (None, None),
        (7, None),
        ("", set()),
        (" ", set()),
        ([], set()),
        ("daily", {"daily"}),
        ("extapi:daily  heart_health", {"daily", "heart_health"}),
        ("daily,extapi:spo2", {"daily", "spo2"}),
        (["extapi:daily", "tag"], {"daily", "tag"}),
        ("extapi:daily spo2Daily", {"daily", "spo2"}),
    ],
)
def test_scopes_lose_their_prefix_and_silence_is_not_none(
    said: object, scopes: set[str] | None
) -> None:
    """Not said is something else than nothing granted."""
    assert parse_scopes(said) == scopes


def _form(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.content.decode()))


CLIENT = {"client_id": "our-id", "client_secret": "our-secret"}


def test_the_new_portal_revokes_as_the_standard_says(oauth: OAuth, endpoints: Endpoints) -> None:
    """RFC 7009: each token in a form, with our credentials, and no token in an address."""
    endpoints.will(PORTAL_REVOKE, reply(200, b""), reply(200, b""))
    oauth.revoke("a1", "r1", PORTAL)
    access, refresh = endpoints.asked
    assert endpoints.urls == [PORTAL_REVOKE] * 2
    assert _form(access) == {"token": "a1", "token_type_hint": "access_token", **CLIENT}
    assert _form(refresh) == {"token": "r1", "token_type_hint": "refresh_token", **CLIENT}
    assert {(r.method, r.headers["Content-Type"]) for r in endpoints.asked} == {
        ("POST", "application/x-www-form-urlencoded")
    }


def test_the_old_portal_revokes_as_its_page_says(oauth: OAuth, endpoints: Endpoints) -> None:
    """The access token in the address, and what the standard wants beside it."""
    endpoints.will(LEGACY_REVOKE, reply(200, {}))
    oauth.revoke("a1", "r1", LEGACY)
    (request,) = endpoints.asked
    assert (request.method, str(request.url)) == ("POST", f"{LEGACY_REVOKE}?access_token=a1")
    assert _form(request) == {"token": "r1", "token_type_hint": "refresh_token", **CLIENT}
    assert request.headers["Authorization"] == "Bearer r1"


def test_the_old_portal_may_want_get(oauth: OAuth, endpoints: Endpoints) -> None:
    """Oura does not say which method it is."""
    endpoints.will(LEGACY_REVOKE, reply(405), reply(200, b""))
    oauth.revoke("a1", "r1", LEGACY)
    assert [request.method for request in endpoints.asked] == ["POST", "GET"]
    assert endpoints.urls == [f"{LEGACY_REVOKE}?access_token=a1"] * 2


REFUSALS = [
    (BAD_CLIENT_PORTAL, ClientRefused),
    (BAD_CLIENT, ClientRefused),
    (reply(400, {"error": "unauthorized_client"}), ClientRefused),
    (reply(401, {"error": "invalid_token"}), SignInRequired),
    (reply(401, b""), SignInRequired),
    (reply(401, {"detail": "no a1, no r1"}), SignInRequired),
    (reply(400, {"error": "invalid_grant"}), SignInRequired),
    (reply(400, {"detail": "no a1, no r1"}), UnexpectedAnswer),
    (reply(403, b"<html>"), UnexpectedAnswer),
    (reply(404), UnexpectedAnswer),
    (reply(302, b"", Location="https://elsewhere.test"), UnexpectedAnswer),
    (reply(200, b"<html>Welcome</html>"), UnexpectedAnswer),
    (reply(200, b"", Content_Type="text/html; charset=utf-8"), UnexpectedAnswer),
    (reply(200, {"error": "server_error"}), UnexpectedAnswer),
]


@pytest.mark.parametrize("token_url", [LEGACY, PORTAL])
@pytest.mark.parametrize(("answer", "error"), REFUSALS)
def test_only_success_is_success(
    oauth: OAuth, endpoints: Endpoints, answer: httpx.Response, error: type, token_url: str
) -> None:
    """Whatever else is answered, the consent is not given back, and no token is in the message."""
    endpoints.will(LEGACY_REVOKE, answer, answer)
    endpoints.will(PORTAL_REVOKE, answer)
    with pytest.raises(error) as caught:
        oauth.revoke("a1", "r1", token_url)
    assert type(caught.value) is error
    assert "a1" not in str(caught.value)
    assert "r1" not in str(caught.value)


@pytest.mark.parametrize(
    ("silence", "error"),
    [
        (reply(503), OuraUnavailable),
        (reply(429, b"", Retry_After="3600"), RateLimited),
        (httpx.ReadTimeout("slow"), OuraUnavailable),
        (httpx.ConnectError("refused"), OuraUnavailable),
    ],
)
def test_silence_is_no_success(
    oauth: OAuth, endpoints: Endpoints, silence: Reply, error: type[OuraError]
) -> None:
    """Nor asked again: somebody waits for the page, and there is a job that does."""
    endpoints.will(PORTAL_REVOKE, silence)
    with pytest.raises(error):
        oauth.revoke("a1", "r1", PORTAL)


def test_nobody_revokes_at_a_portal_that_may_be_the_wrong_one(
    oauth: OAuth, endpoints: Endpoints
) -> None:
    """Where a token is unknown, it counts as revoked. The application's own portal is the one."""
    with pytest.raises(SignInRequired, match="not known which portal"):
        oauth.revoke("a1", "r1")
    assert endpoints.asked == []
    with httpx.Client(transport=httpx.MockTransport(endpoints)) as http:
        endpoints.will(PORTAL_REVOKE, reply(200), reply(200))
        _oauth(http, working=lambda: PORTAL).revoke("a1", "r1")
        endpoints.will(LEGACY_REVOKE, reply(200))
        _oauth(http, token_urls=(LEGACY,)).revoke("a1", "r1")


def test_tokens_of_a_portal_that_the_settings_no_longer_name_are_revoked_there(
    endpoints: Endpoints,
) -> None:
    endpoints.will(PORTAL_REVOKE, reply(200), reply(200))
    with httpx.Client(transport=httpx.MockTransport(endpoints)) as http:
        _oauth(http, token_urls=(LEGACY,)).revoke("a1", "r1", PORTAL)


def test_tokens_are_shown_nowhere(endpoints: Endpoints, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, not in an error, not in the HTTP library's log."""
    caplog.set_level(logging.DEBUG)
    seen: list[Any] = []
    refusals = [
        reply(400, {"error": "invalid_grant", "error_description": f"{said} of our-secret"})
        for said in ("r-secret", "c-secret")
    ]
    pair = {"access_token": "a-secret", "refresh_token": "r-secret"}
    endpoints.will(LEGACY, reply(200, pair), *refusals)
    endpoints.will(PORTAL, BAD_CLIENT, BAD_CLIENT)
    endpoints.will(LEGACY_REVOKE, reply(200))
    with httpx.Client(transport=httpx.MockTransport(endpoints)) as http:
        oauth = _oauth(http)
        seen.append(oauth.renew("r-secret"))
        with pytest.raises(SignInRequired) as renewing:
            oauth.renew("r-secret")
        with pytest.raises(SignInRequired) as exchanging:
            oauth.exchange("c-secret")
        oauth.revoke("a-secret", "r-secret", LEGACY)
    seen.extend([renewing.value, exchanging.value])
    assert "secret" not in repr(seen)
    assert "secret" not in caplog.text
    assert f"POST {LEGACY_REVOKE} " in caplog.text


def test_the_shared_client_says_who_it_is_and_follows_no_redirect() -> None:
    """And waits a bounded time."""
    with http_client(connect_seconds=1, read_seconds=2) as http:
        assert http.headers["User-Agent"].startswith("oura_pipeline/0")
        assert not http.follow_redirects
        assert http.timeout == httpx.Timeout(2, connect=1, pool=None)


def test_a_scope_that_no_database_could_keep_is_none() -> None:
    """Scopes are short names; whatever else stands among them was not granted."""
    assert parse_scopes("daily \ud800 spo2\0 t\u00e4g") == {"daily"}
