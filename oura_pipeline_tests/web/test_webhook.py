"""The webhook over real HTTP: what is acknowledged is on the disk, and nothing else is."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from oura_pipeline.accounts.inbox import EventCount, Receipt, ReceivedEvent
from oura_pipeline.oura.http import tls
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.sandbox.running import SandboxOptions, running
from oura_pipeline.web.metrics import RequestMetrics
from oura_pipeline.web.server import listen, socket_url
from oura_pipeline.web.webhook import MAX_WAITING, BatchWriter, RateLimitedLog, Webhook
from oura_pipeline_tests.accounts.homes import at_once, incoming
from oura_pipeline_tests.web.site_client import (
    EVENT,
    SECRET,
    add_person,
    deliver,
    deliver_many,
    event_body,
    numbered_event,
    open_accounts_in,
    signed_headers,
    site_client,
)

VERIFY = {"verification_token": verification_token(SECRET), "challenge": "a3f1"}
LIMIT = 64 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with Ada, and Cyd who has left."""
    with open_accounts_in(tmp_path) as accounts:
        add_person(accounts, "ada")
        add_person(accounts, "cyd")
        accounts.removal.retire("cyd")
    return tmp_path


@pytest.fixture
def client(home: Path) -> Iterator[httpx.Client]:
    """A client of a site in that folder."""
    with site_client(home) as client:
        yield client


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a site where nothing is ever kept."""
    home = tmp_path_factory.mktemp("untouched")
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
    with site_client(home) as client:
        yield client
    assert bodies(home) == []


def refused(client: httpx.Client, reason: str) -> float:
    """How many deliveries were refused for that reason."""
    start = f'oura_webhook_refused_total{{reason="{reason}"}} '
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


def bodies(home: Path) -> list[bytes]:
    """What is in the inbox."""
    with open_accounts_in(home) as accounts:
        return [row.body for row in accounts.inbox.waiting(100_000)]


class SlowWrite:
    """A write that waits until a test allows it, and notes the size of each batch."""

    def __init__(self) -> None:
        self.started, self.allowed = threading.Event(), threading.Event()
        self.batches: list[int] = []

    def __call__(self, events: Sequence[ReceivedEvent]) -> None:
        self.started.set()
        assert self.allowed.wait(30)
        self.batches.append(len(events))


@contextmanager
def webhook_server(
    write: Callable[[Sequence[ReceivedEvent]], object], timeout: float = 8.0
) -> Iterator[tuple[str, uvicorn.Server]]:
    """A server of nothing but the webhook, with an inbox of the test's."""
    log = RateLimitedLog()
    webhook = Webhook(
        secret=SECRET,
        writer=BatchWriter(write, log),
        metrics=RequestMetrics(),
        log=log,
        timeout=timeout,
    )
    app = Starlette(routes=[Route("/webhook", webhook)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield socket_url(listener), server
        finally:
            server.should_exit = True
            thread.join(15)


def post(url: str, body: bytes) -> int:
    """A delivery over a connection of its own."""
    return httpx.post(
        f"{url}/webhook",
        content=body,
        headers=signed_headers(body),
        timeout=30,
        trust_env=False,
        verify=tls(),
    ).status_code


def wait_until(true: Callable[[], bool]) -> None:
    """Return once it is true; it must be within ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_the_challenge_is_repeated_to_whoever_knows_the_token(untouched: httpx.Client) -> None:
    """Oura creates no subscription without."""
    answer = untouched.get("/webhook", params=VERIFY | {"challenge": 'q"1é'})
    assert (answer.status_code, answer.json()) == (200, {"challenge": 'q"1é'})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (VERIFY | {"verification_token": "wrong"}, 401),
        (VERIFY | {"verification_token": "\ufffdé"}, 401),
        (VERIFY | {"verification_token": ""}, 401),
        ({"challenge": "a3f1"}, 401),
        ({}, 401),
        (VERIFY | {"challenge": ""}, 400),
        (VERIFY | {"challenge": "x" * 513}, 400),
        ({"verification_token": VERIFY["verification_token"]}, 400),
    ],
)
def test_a_wrong_token_gets_no_challenge(
    untouched: httpx.Client, query: dict[str, str], status: int
) -> None:
    """Nor does a challenge that is none."""
    answer = untouched.get("/webhook", params=query)
    assert (answer.status_code, "challenge" in answer.json()) == (status, False)


def test_without_a_client_secret_nothing_is_confirmed_and_nothing_kept(home: Path) -> None:
    """The empty secret is everybody's."""
    with site_client(home, oura_client_secret="") as client:
        assert client.get("/webhook", params=VERIFY).status_code == 401
        assert client.get("/webhook?verification_token=&challenge=x").status_code == 401
        assert deliver(client, event_body(), secret="") == 401
    assert bodies(home) == []


def test_an_acknowledged_event_is_in_the_inbox_byte_by_byte(
    client: httpx.Client, home: Path
) -> None:
    """Spaces and fields that we do not know included."""
    body = b"  " + event_body(trace="x") + b"\n"
    assert deliver(client, body) == 200
    with open_accounts_in(home) as accounts:
        [kept] = accounts.inbox.waiting()
    assert (kept.body, kept.oura_id) == (body, "id-ada")


def test_unusable_events_are_acknowledged_too(client: httpx.Client, home: Path) -> None:
    """Oura would try ten times more and change nothing; every receipt is counted."""
    deliveries = [
        event_body(),
        event_body(),
        event_body(user_id="id-nobody"),
        event_body(user_id="id-cyd"),
        event_body(data_type="daily_dreams"),
        event_body(data_type="vo2_max"),
    ]
    assert [deliver(client, body) for body in deliveries] == [200] * 6
    assert bodies(home) == [deliveries[0], deliveries[5]]
    with open_accounts_in(home) as accounts:
        counted = {(row.receipt, row.data_type): row.count for row in accounts.inbox.counts()}
        assert isinstance(accounts.inbox.counts()[0], EventCount)
    assert counted == {
        (Receipt.KEPT, "daily_sleep"): 1,
        (Receipt.KEPT, "vo2_max"): 1,
        (Receipt.REPEATED, "daily_sleep"): 1,
        (Receipt.UNKNOWN_PERSON, "daily_sleep"): 2,
        (Receipt.UNKNOWN_TYPE, "daily_dreams"): 1,
    }


def test_a_repetition_under_the_first_signature_is_acknowledged(
    client: httpx.Client, home: Path
) -> None:
    """As Oura may repeat it, for about an hour."""
    body = event_body()
    signed = signed_headers(body, age=3600)
    statuses = [client.post("/webhook", content=body, headers=signed).status_code for _ in range(3)]
    assert (statuses, bodies(home)) == ([200] * 3, [body])


@pytest.mark.parametrize(
    ("sent", "signed", "status", "reason"),
    [
        (event_body(), signed_headers(event_body(), secret="another"), 401, "forged"),
        (event_body(user_id="id-eve"), signed_headers(event_body()), 401, "forged"),
        (event_body() + b" ", signed_headers(event_body()), 401, "forged"),
        (event_body(), signed_headers(event_body(), age=2 * 3600), 401, "stale"),
        (event_body(), signed_headers(event_body(), age=-24 * 3600), 401, "stale"),
        (event_body(), {}, 401, "unsigned"),
        (event_body(), {"x-oura-signature": "A" * 64}, 401, "unsigned"),
        (event_body(), {"x-oura-timestamp": "1", "x-oura-signature": b"\xe9"}, 401, "unsigned"),
        (b"", signed_headers(b""), 400, "malformed"),
        (b"{}", signed_headers(b"{}"), 400, "malformed"),
        (event_body(user_id=7), signed_headers(event_body(user_id=7)), 400, "malformed"),
    ],
)
def test_a_refused_delivery_is_only_counted(
    untouched: httpx.Client, sent: bytes, signed: dict[str, Any], status: int, reason: str
) -> None:
    """Whatever is wrong with it; 410 would end the subscription."""
    before = refused(untouched, reason)
    answer = untouched.post("/webhook", content=sent, headers=signed)
    assert (answer.status_code, answer.json()) == (status, {"detail": reason})
    assert refused(untouched, reason) == before + 1


def test_a_body_may_have_sixty_four_kilobytes(client: httpx.Client, home: Path) -> None:
    """One byte more is too large, announced or not."""
    fits = event_body(padding="")[:-2]
    fits += b"x" * (LIMIT - len(fits) - 2) + b'"}'
    assert deliver(client, fits) == 200
    assert deliver(client, fits + b" ") == 413
    chunked = client.post(
        "/webhook", content=iter([fits, b" "]), headers=signed_headers(fits + b" ")
    )
    assert chunked.status_code == 413
    assert bodies(home) == [fits]


def test_other_methods_are_refused(untouched: httpx.Client) -> None:
    """The address is for Oura only."""
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        answer = untouched.request(method, "/webhook")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_oura_tries_again_when_the_database_fails(client: httpx.Client, home: Path) -> None:
    """503, and 200 once it works; nothing is lost in between."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as database:
        database.execute("ALTER TABLE webhook_inbox RENAME TO away")
        assert deliver(client, event_body()) == 503
        database.execute("ALTER TABLE away RENAME TO webhook_inbox")
    assert deliver(client, event_body()) == 200
    assert bodies(home) == [event_body()]


def test_a_delivery_is_answered_before_oura_gives_up() -> None:
    """Also while somebody else holds the database; what was written late is a repetition later."""
    slow = SlowWrite()
    with webhook_server(slow, timeout=0.2) as (url, _), ThreadPoolExecutor(2) as threads:
        first = threads.submit(post, url, event_body())
        assert slow.started.wait(10)
        second = threads.submit(post, url, event_body(object_id="second"))
        assert [first.result(), second.result()] == [503, 503]
        slow.allowed.set()
        assert post(url, event_body()) == 200
    assert slow.batches == [1, 1]  # the second was answered already, and is not written


async def write_together(slow: SlowWrite, count: int) -> list[bool]:
    """One delivery whose commit takes until so many others wait, and those."""
    writer, loop = BatchWriter(slow, RateLimitedLog()), asyncio.get_running_loop()
    first = asyncio.create_task(writer.write(incoming(b"first")))
    await loop.run_in_executor(None, slow.started.wait, 10)
    others = [asyncio.create_task(writer.write(incoming(b"%d" % n))) for n in range(count)]
    await asyncio.sleep(0)  # every one of them begins
    slow.allowed.set()
    return list(await asyncio.gather(first, *others))


def test_deliveries_that_come_during_a_commit_share_the_next_one() -> None:
    """A commit waits for the disk; it is paid once for all who wait, up to 500."""
    slow = SlowWrite()
    assert asyncio.run(write_together(slow, 620)) == [True] * 621
    assert slow.batches == [1, 500, 120]


def test_a_full_queue_sends_deliveries_back_to_oura() -> None:
    """Memory is no place for them: Oura keeps them for an hour."""
    slow = SlowWrite()
    kept = asyncio.run(write_together(slow, MAX_WAITING + 3))
    assert (kept.count(False), kept[-3:], sum(slow.batches)) == (3, [False] * 3, MAX_WAITING + 1)


def test_a_stopping_server_finishes_its_deliveries() -> None:
    """Whoever waits for an answer gets it."""
    slow = SlowWrite()
    with ThreadPoolExecutor(1) as threads:
        with webhook_server(slow) as (url, server):
            waiting = threads.submit(post, url, event_body())
            assert slow.started.wait(10)
            server.should_exit = True
            slow.allowed.set()
        assert (waiting.result(), slow.batches) == (200, [1])


def test_what_is_refused_is_logged_without_content_and_not_often(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger can neither fill the disk nor write into the log."""
    caplog.set_level(logging.WARNING)
    for number in range(50):
        body = event_body(object_id=f"object-{number}")
        assert deliver(client, body, secret="wrong") == 401
        assert deliver(client, body[:-1]) == 400
        client.get("/webhook?verification_token=stranger&challenge=strange")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert [
        line for line in said if any(part in line for part in ("ada", "object", "strange"))
    ] == []


def test_a_rate_limited_log_says_how_much_it_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute and reason."""
    now = [0.0]
    log = RateLimitedLog(clock=lambda: now[0])
    for at, reason in [(0, "a"), (1, "a"), (2, "b"), (59, "a"), (60, "a"), (61, "a"), (200, "a")]:
        now[0] = at
        log.warn(reason, f"{reason} at {at}")
    assert [record.getMessage() for record in caplog.records] == [
        "a at 0",
        "b at 2",
        "a at 60 (2 more before)",
        "a at 200 (1 more before)",
    ]


def test_no_event_of_a_thousand_is_lost_or_stored_twice(client: httpx.Client, home: Path) -> None:
    """Two processes deliver at once, and then one of them again."""
    assert at_once(2, deliver_many, str(client.base_url), 500) == [{200: 500}] * 2
    assert deliver_many(str(client.base_url), 200, 0) == {200: 200}
    expected = {numbered_event(part, number) for part in range(2) for number in range(500)}
    kept = bodies(home)
    assert (len(kept), set(kept)) == (1000, expected)


def test_the_sandbox_subscribes_and_delivers(home: Path) -> None:
    """The whole way: handshake, event, signature, inbox, acknowledgement."""
    with running(SandboxOptions(days=3)) as sandbox, open_accounts_in(home) as accounts:
        runa = next(person for person in sandbox.people() if person["username"] == "runa")
        add_person(accounts, "runa", oura_id=runa["id"])
        secret = sandbox.options.client_secret
        wish = {"verification_token": verification_token(secret), "event_type": "update"}
        client_headers = {"x-client-id": sandbox.options.client_id, "x-client-secret": secret}
        with site_client(home, oura_client_secret=secret) as client:
            wish |= {"callback_url": str(client.base_url.join("/webhook")), "data_type": "sleep"}
            made = sandbox.http.post("/v2/webhook/subscription", json=wish, headers=client_headers)
            assert made.status_code == 201
            assert sandbox.event("runa", "sleep", object_id="a-night") == {"deliveries": 1}
            wait_until(lambda: sandbox.deliveries()[0]["state"] != "waiting")
        [delivery] = sandbox.deliveries()
        assert (delivery["statuses"], delivery["state"]) == ([200], "delivered")
        [kept] = accounts.inbox.waiting()
        assert kept.oura_id == runa["id"]
        assert b'"object_id":"a-night"' in kept.body
    assert EVENT.keys() == {"event_type", "data_type", "object_id", "event_time", "user_id"}
