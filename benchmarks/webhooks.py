"""J: webhook events acknowledged while a sync runs.

The site runs in a process of its own and the load in another. The load is open-loop: deliveries
leave when the schedule says so, however slow the answers are, and a delivery's time counts from
when it should have left. Afterwards what was acknowledged is compared with what is in the accounts
database.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.worlds import LAST, PYTHON, cloud, signed_in, sync_command
from oura_pipeline.oura.webhooks import signature
from oura_pipeline_tests.testing.paths import ROOT

DATA_TYPES = ("sleep", "daily_sleep", "daily_activity", "daily_readiness", "workout", "session")
SERVER = "from oura_pipeline.web.server import serve; serve(port=0)"
RATE = 1500  # events a second
CONNECTIONS = 100  # kept open, as a proxy does


@dataclass
class Answers:
    """What came back: status and seconds since the scheduled time, by number of the delivery."""

    took: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, number: int, status: int, seconds: float) -> None:
        """One answer."""
        self.statuses[number], self.seconds[number] = status, seconds


def acknowledged(results: Results, scale: Scale, scratch: Path) -> None:
    """Offer events while days are synced, again and again; compare what was kept."""
    with cloud(people=5, days=scale.days) as made, signed_in(scratch, made) as world:
        people = [person["id"] for person in made.sandbox.people()]
        with world.accounts() as accounts:
            for person in made.sandbox.people():
                accounts.people.identify(person["username"], person["id"])
        bodies = [body(number, people) for number in range(RATE * scale.events)]
        secret = made.sandbox.options.client_secret
        first = LAST - timedelta(days=scale.days - 1)
        with site() as url, syncing(sync_command(first, LAST)):
            answers = in_a_process(url, bodies, secret)
        lost = compare(scratch, bodies, answers)
    waits = sorted(answers.seconds.values())
    print("J   answers:", dict(Counter(answers.statuses.values())))
    kept = sum(status == 200 for status in answers.statuses.values())
    took = max(waits[-1], answers.took)
    results.figure("J", "events acknowledged", "a second", kept / took, at_least=0.99 * RATE)
    p99 = 1000 * waits[int(len(waits) * 0.99)]
    results.figure("J", "99 of 100 acknowledged within", "ms", p99, at_most=50)
    results.figure("J", "acknowledged, and not kept", "", lost, at_most=0)


@contextmanager
def syncing(command: Sequence[str | Path]) -> Iterator[None]:
    """A sync under way."""
    with subprocess.Popen(
        list(command), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            yield
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)


@contextmanager
def site() -> Iterator[str]:
    """The site in a process of its own: its address."""
    command = [PYTHON, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().split()[1]
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


def body(number: int, people: Sequence[str]) -> bytes:
    """One event as Oura writes it."""
    event = {
        "event_type": "update",
        "data_type": DATA_TYPES[number % len(DATA_TYPES)],
        "object_id": f"{number:08d}-0000-4000-8000-000000000000",
        "event_time": datetime.now(UTC).isoformat(),
        "user_id": people[number % len(people)],
    }
    return json.dumps(event, separators=(",", ":")).encode()


def in_a_process(url: str, bodies: Sequence[bytes], secret: str) -> Answers:
    """The answers to events that another process sends."""
    here, there = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=load, args=(there, url, bodies, secret))
    child.start()
    answers: Answers = here.recv()
    child.join()
    return answers


def load(answers_to: Pipe, url: str, bodies: Sequence[bytes], secret: str) -> None:
    """Send all, as the schedule says, and tell the answers."""
    gc.disable()
    answers_to.send(asyncio.run(_send_all(url, bodies, secret)))


def request(body: bytes, secret: str) -> bytes:
    """The bytes of an HTTP request; signed now, as Oura does."""
    stamp = str(int(time.time() * 1000))
    head = (
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"x-oura-timestamp: {stamp}\r\nx-oura-signature: {signature(secret, stamp, body)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One kept-open connection with at most one request under way."""

    def __init__(self, free: asyncio.Queue[Connection], answers: Answers) -> None:
        self._free, self._answers = free, answers
        self._buffer = b""
        self._number, self._due = 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._free.put_nowait(self)

    def ask(self, number: int, due: float, sent: bytes) -> None:
        """Send a request."""
        self._number, self._due = number, due
        self._transport.write(sent)

    def data_received(self, data: bytes) -> None:
        """Take the answer, when all of it is there."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self._buffer = b""
        self._answers.add(self._number, int(head[9:12]), time.perf_counter() - self._due)
        self._free.put_nowait(self)


async def _send_all(url: str, bodies: Sequence[bytes], secret: str) -> Answers:
    loop, place, answers = asyncio.get_running_loop(), urlsplit(url), Answers()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(free, answers), place.hostname, place.port)
    began = time.perf_counter() + 0.1
    for number, sent in enumerate(bodies):
        due = began + number / RATE
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        (await free.get()).ask(number, due, request(sent, secret))
    deadline = time.perf_counter() + 15
    while len(answers.statuses) < len(bodies) and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    answers.took = time.perf_counter() - began
    return answers


def compare(home: Path, bodies: Sequence[bytes], answers: Answers) -> int:
    """How many acknowledged events are not in the inbox once, or are there and nobody sent them."""
    with sqlite3.connect(home / "accounts.sqlite") as database:
        rows = Counter(row[0] for row in database.execute("SELECT body FROM webhook_inbox"))
    acknowledged = {bodies[n] for n, status in answers.statuses.items() if status == 200}
    twice = sum(count > 1 for count in rows.values())
    return len(acknowledged - rows.keys()) + len(rows.keys() - set(bodies)) + twice
