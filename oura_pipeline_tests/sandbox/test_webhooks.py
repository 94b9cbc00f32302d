"""Subscriptions and signed deliveries, received by a small HTTP server."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.webhooks import pause, signature
from oura_pipeline_tests.sandbox.conftest import OPTIONS
from oura_pipeline_tests.testing.http_server import QuietHandler, serving

CLIENT = {"x-client-id": "sandbox", "x-client-secret": "sandbox-secret"}
PATH = "/v2/webhook/subscription"


@dataclass
class Receiver:
    """What listens at the callback: `statuses` are answered one after the other, then 200.

    The next handshakes wait for `holds`, one each.
    """

    url: str = ""
    handshakes: list[dict[str, str]] = field(default_factory=list)
    events: queue.Queue[tuple[dict[str, str], bytes]] = field(default_factory=queue.Queue)
    statuses: list[int] = field(default_factory=list)
    repeats_challenge: bool = True
    holds: list[threading.Event] = field(default_factory=list)

    def next(self) -> tuple[dict[str, str], bytes]:
        """Headers (lower case) and raw body of the next event."""
        return self.events.get(timeout=5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    got = Receiver()
    with serving(handling(got)) as url:
        got.url = f"{url}/hook"
        yield got


def handling(got: Receiver) -> type[QuietHandler]:
    """The handler class of one receiver."""

    class Hook(QuietHandler):
        def do_GET(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            hold = got.holds.pop(0) if got.holds else None
            got.handshakes.append(query)
            if hold is not None:
                hold.wait(5)
            challenge = query["challenge"] if got.repeats_challenge else "other"
            self.reply(200, json.dumps({"challenge": challenge}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.events.put(({k.lower(): v for k, v in self.headers.items()}, body))
            self.reply(got.statuses.pop(0) if got.statuses else 200, b"")

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Hook


@pytest.fixture
def quick() -> Iterator[Sandbox]:
    """A sandbox whose ten retries take a fifth of a second together."""
    with running(replace(OPTIONS, webhook_retry_seconds=0.2)) as sandbox:
        sandbox.http.headers.update(CLIENT)
        yield sandbox


def wish(receiver: Receiver, data_type: str = "sleep", event: str = "update") -> dict[str, str]:
    """The body that asks for a subscription."""
    return {
        "callback_url": receiver.url,
        "verification_token": "ours",
        "event_type": event,
        "data_type": data_type,
    }


def subscribe(sandbox: Sandbox, receiver: Receiver, *kind: str) -> dict[str, Any]:
    """A new subscription, as Oura shows it."""
    answer = sandbox.http.post(PATH, json=wish(receiver, *kind))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_subscription_lives_for_ninety_days_without_a_zone(
    quick: Sandbox, receiver: Receiver
) -> None:
    made = subscribe(quick, receiver)
    assert made.keys() == {"id", "callback_url", "event_type", "data_type", "expiration_time"}
    expires = datetime.fromisoformat(made["expiration_time"])
    now = datetime.fromtimestamp(quick.http.get("/_control/clock").json()["now"])
    assert expires.tzinfo is None
    assert abs(expires - now - timedelta(days=90)) < timedelta(hours=15)
    assert [shake["verification_token"] for shake in receiver.handshakes] == ["ours"]
    assert quick.http.get(PATH).json() == [made]
    assert quick.http.get(f"{PATH}/{made['id']}").json() == made


def test_a_callback_that_does_not_repeat_the_challenge_gets_none(
    quick: Sandbox, receiver: Receiver
) -> None:
    receiver.repeats_challenge = False
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 400
    nobody = {**wish(receiver), "callback_url": "http://127.0.0.1:1/hook"}
    assert quick.http.post(PATH, json=nobody).status_code == 400
    assert quick.http.get(PATH).json() == []


def test_a_second_one_of_the_same_kind_conflicts(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 409
    subscribe(quick, receiver, "sleep", "delete")


def test_update_shakes_hands_again_and_keeps_what_is_not_said(
    quick: Sandbox, receiver: Receiver
) -> None:
    made = subscribe(quick, receiver)
    changed = quick.http.put(f"{PATH}/{made['id']}", json={"verification_token": "new"})
    assert changed.json() == made
    assert receiver.handshakes[1]["verification_token"] == "new"
    assert quick.http.put(f"{PATH}/{made['id']}", json={}).status_code == 422


def test_renewal_moves_the_end(quick: Sandbox, receiver: Receiver) -> None:
    made = subscribe(quick, receiver)
    quick.forward(86400)
    renewed = quick.http.put(f"{PATH}/renew/{made['id']}").json()
    before, after = (datetime.fromisoformat(s["expiration_time"]) for s in (made, renewed))
    assert timedelta(days=1) <= after - before < timedelta(days=1, minutes=1)


def test_deletion_and_unknown_ids(quick: Sandbox, receiver: Receiver) -> None:
    made = subscribe(quick, receiver)
    assert quick.http.delete(f"{PATH}/{made['id']}").status_code == 204
    for method, path in (
        ("GET", made["id"]),
        ("DELETE", made["id"]),
        ("PUT", f"renew/{made['id']}"),
    ):
        answer = quick.http.request(method, f"{PATH}/{path}")
        assert answer.status_code == 403
        assert answer.json() == {"detail": "Webhook with specified id does not exist"}


def test_an_unknown_data_type_is_unprocessable(quick: Sandbox, receiver: Receiver) -> None:
    answer = quick.http.post(PATH, json=wish(receiver, "vO2_max"))
    [found] = answer.json()["detail"]
    assert (answer.status_code, found["type"], found["loc"]) == (
        422,
        "enum",
        ["body", "data_type"],
    )
    assert found["msg"].endswith("'vo2_max' or 'meal'")
    subscribe(quick, receiver, "vo2_max")


def test_a_persons_token_is_no_key_to_subscriptions(shared: Sandbox) -> None:
    token = shared.sign_in("runa")["access_token"]
    answer = shared.http.get(PATH, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_an_event_is_signed_over_its_raw_compact_body(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    revised = quick.revise("runa", "sleep", day="2026-10-20")
    headers, body = receiver.next()
    event = json.loads(body)
    assert {k: v for k, v in event.items() if k != "event_time"} == {
        "event_type": "update",
        "data_type": "sleep",
        "object_id": revised["id"],
        "user_id": quick.people()[0]["id"],
    }
    assert body == json.dumps(event, separators=(",", ":")).encode()
    stamp = headers["x-oura-timestamp"]
    assert headers["x-oura-signature"] == signature("sandbox-secret", stamp, body)
    assert len(stamp) == 13


def test_the_signature_is_the_one_seen_in_production() -> None:
    assert signature("test-secret", "test-timestamp", b"test-bytes") == (
        "1FA9466B814527E16CC069DB6CA11CCC0592DC388137C458CEA4D3E329A89647"
    )


def test_only_what_was_subscribed_to_is_sent(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    assert quick.event("runa", "sleep", event_type="delete") == {"deliveries": 0}
    assert quick.event("runa", "workout") == {"deliveries": 0}
    assert quick.event("runa", "sleep", object_id="x", times=2) == {"deliveries": 2}
    assert [json.loads(receiver.next()[1])["object_id"] for _ in range(2)] == ["x", "x"]


def test_a_delivery_is_tried_again_until_it_succeeds(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    receiver.statuses = [500, 404]
    quick.event("runa", "sleep")
    bodies = [receiver.next()[1] for _ in range(3)]
    assert len(set(bodies)) == 1


def test_a_delivery_is_given_up_after_ten_retries(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    receiver.statuses = [500] * 11
    quick.event("runa", "sleep")
    for _ in range(11):
        receiver.next()
    states = (quick.deliveries()[0] for _ in range(1000))
    first = next(delivery for delivery in states if delivery["state"] != "waiting")
    assert (first["statuses"], first["state"]) == ([500] * 11, "given up")


def test_gone_ends_the_subscription(quick: Sandbox, receiver: Receiver) -> None:
    subscribe(quick, receiver)
    receiver.statuses = [410]
    quick.event("runa", "sleep")
    receiver.next()
    states = (quick.deliveries()[0]["state"] for _ in range(1000))
    assert next(state for state in states if state != "waiting") == "cancelled"
    assert quick.http.get(PATH).json() == []


def test_the_retries_grow_and_fill_an_hour() -> None:
    pauses = [pause(attempt, 3600) for attempt in range(1, 11)]
    assert pauses == sorted(pauses)
    assert sum(pauses) == pytest.approx(3600)


def until(ready: Callable[[], bool]) -> None:
    """Wait, five seconds at most, for something that happens after an answer."""
    deadline = time.monotonic() + 5
    while not ready():
        assert time.monotonic() < deadline, "it did not happen within five seconds"
        time.sleep(0.01)


def test_a_call_that_died_subscribes_all_the_same_and_later(
    quick: Sandbox, receiver: Receiver
) -> None:
    """GO's experience: 504 in HTML after a minute, and the handshake minutes after that."""
    quick.fault("late", route="webhook", seconds=0.3)
    answer = quick.http.post(PATH, json=wish(receiver))
    assert (answer.status_code, answer.headers["content-type"][:9]) == (504, "text/html")
    assert (receiver.handshakes, quick.http.get(PATH).json()) == ([], [])
    until(lambda: len(quick.http.get(PATH).json()) == 1)
    assert [shake["verification_token"] for shake in receiver.handshakes] == ["ours"]
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 409


def test_a_late_handshake_that_fails_leaves_nothing(quick: Sandbox, receiver: Receiver) -> None:
    """The call is long dead, so nobody hears of it."""
    receiver.repeats_challenge = False
    quick.fault("late", route="webhook", seconds=0)
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 504
    until(lambda: len(receiver.handshakes) == 1)
    assert quick.http.get(PATH).json() == []


def test_whoever_asks_again_at_once_has_one_subscription(
    quick: Sandbox, receiver: Receiver
) -> None:
    """The second call is the one that counts; the late one finds its place taken."""
    answered = threading.Event()
    receiver.holds = [answered]
    quick.fault("late", route="webhook", seconds=0)
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 504
    until(lambda: len(receiver.handshakes) == 1)
    made = subscribe(quick, receiver)
    answered.set()
    again = quick.http.put(f"{PATH}/{made['id']}", json={"verification_token": "new"})
    assert (again.json(), quick.http.get(PATH).json()) == (made, [made])
    assert quick.http.post(PATH, json=wish(receiver)).status_code == 409


def test_a_late_change_renewal_and_deletion_are_done(quick: Sandbox, receiver: Receiver) -> None:
    """Only what needs a handshake waits for it."""
    made = subscribe(quick, receiver)
    quick.fault("late", route="webhook", seconds=0)
    change = {"verification_token": "new", "callback_url": f"{receiver.url}/there"}
    assert quick.http.put(f"{PATH}/{made['id']}", json=change).status_code == 504
    until(lambda: quick.http.get(PATH).json()[0]["callback_url"] == f"{receiver.url}/there")
    quick.forward(60)
    quick.fault("late", route="webhook")
    assert quick.http.put(f"{PATH}/renew/{made['id']}").status_code == 504
    assert quick.http.get(PATH).json()[0]["expiration_time"] > made["expiration_time"]
    quick.fault("late", route="webhook")
    assert quick.http.delete(f"{PATH}/{made['id']}").status_code == 504
    assert quick.http.get(PATH).json() == []


def test_a_wrong_call_is_refused_even_when_answers_are_late(
    quick: Sandbox, receiver: Receiver
) -> None:
    """What is wrong at first sight is said at once, with nothing to wait for."""
    quick.fault("late", route="webhook", count=2, seconds=0)
    assert quick.http.post(PATH, json={}).status_code == 422
    assert quick.http.get(PATH, headers={"x-client-secret": "no"}).status_code == 401
    assert receiver.handshakes == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [("ssl_error", 500), ("gateway_timeout", 504), ("hang", 504), ("error", 500)],
)
def test_these_faults_have_no_effect(
    quick: Sandbox, receiver: Receiver, kind: str, status: int
) -> None:
    """The callback hears nothing, and there is no subscription."""
    quick.fault(kind, route="webhook", seconds=0)
    answer = quick.http.post(PATH, json=wish(receiver))
    assert answer.status_code == status
    assert ("SSLError" in answer.text) == (kind == "ssl_error")
    assert (receiver.handshakes, quick.http.get(PATH).json()) == ([], [])


@pytest.mark.parametrize("decimals", [0, 3, 6, 9])
def test_the_end_of_a_subscription_has_any_number_of_decimals(
    quick: Sandbox, receiver: Receiver, decimals: int
) -> None:
    """Go writes up to nine; Python's `%f` reads six."""
    quick.change_options(expiration_decimals=decimals)
    written = subscribe(quick, receiver)["expiration_time"]
    whole, _, digits = written.partition(".")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", whole)
    assert re.fullmatch(rf"\d{{{decimals}}}", digits)
