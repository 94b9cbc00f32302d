"""How many webhook events a second the site keeps, and how long Oura waits for its answer.

The site runs in a process of its own and the load in another. The load is open-loop: deliveries
leave when the schedule says so, however slow the answers are, and a delivery's time counts from
when it should have left. Afterwards come deliveries that must be refused and ones that Oura
repeats, and what was acknowledged is compared with what is in the accounts database.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.oura.webhooks import signature
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

SECRET = "benchmark-secret"
DATA_TYPES = ("sleep", "daily_sleep", "daily_activity", "daily_readiness", "workout", "session")
SERVER = "from oura_pipeline.web.server import serve; serve(port=0)"


@dataclass
class Answers:
    """What came back: status and seconds since the scheduled time, by number of the delivery."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, number: int, status: int, seconds: float) -> None:
        """One answer."""
        self.statuses[number], self.seconds[number] = status, seconds


def main() -> None:
    """Start, load, forge, repeat, compare, tell."""
    parser = argparse.ArgumentParser(description="Webhook events a second.")
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--connections", type=int, default=100, help="kept open, as a proxy does")
    parser.add_argument("--people", type=int, default=10)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="webhooks-") as home:
        set_up(Path(home), chosen.people)
        with site() as (url, process):
            bodies = [body(number, chosen.people) for number in range(chosen.rate * chosen.seconds)]
            answers = in_a_process(url, bodies, chosen.rate, chosen.connections)
            tell(answers, len(bodies) / chosen.rate)
            print(f"the site used {cpu_seconds(process) / len(bodies) * 1000:.2f} ms CPU an event")
            refused = in_a_process(url, strangers(bodies), 200, 10)
            print("refused:", dict(Counter(refused.statuses.values())))
            again = in_a_process(url, bodies[:1000], 500, 10)
            print("repeated:", dict(Counter(again.statuses.values())))
        compare(Path(home), bodies, answers)


def set_up(home: Path, people: int) -> None:
    """A data folder with people in it, and the environment that points at it."""
    values = {"OURA_PIPELINE_HOME": str(home), "OURA_CLIENT_ID": "benchmark"}
    os.environ.update(values | {"OURA_CLIENT_SECRET": SECRET})
    with open_accounts(load_settings()) as accounts:
        for number in range(people):
            accounts.people.add(
                f"person{number}", SignIn(refresh_token="-", oura_id=f"oura-id-{number}")
            )


@contextmanager
def site() -> Iterator[tuple[str, int]]:
    """The site in its own process: its address and the process's number."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().split()[1], child.pid
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)


def body(number: int, people: int) -> bytes:
    """One event as Oura writes it."""
    event = {
        "event_type": "update",
        "data_type": DATA_TYPES[number % len(DATA_TYPES)],
        "object_id": f"{number:08d}-0000-4000-8000-000000000000",
        "event_time": datetime.now(UTC).isoformat(),
        "user_id": f"oura-id-{number % people}",
    }
    return json.dumps(event, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Forged:
    """A delivery whose signature is not that of its body, or not of now."""

    secret: str
    stamp: float
    signed: bytes
    sent: bytes


def strangers(bodies: Sequence[bytes]) -> list[Forged]:
    """Forged, stale, with a changed body, and with another person's id: 100 of each."""
    now, made = time.time(), []
    for real in bodies[:100]:
        made.append(Forged("another secret", now, real, real))
        made.append(Forged(SECRET, now - 7200, real, real))
        made.append(Forged(SECRET, now, real, real.replace(b"update", b"delete")))
        made.append(Forged(SECRET, now, real, real.replace(b"oura-id-", b"oura-id-1")))
    return made


def in_a_process(
    url: str, deliveries: Sequence[bytes] | Sequence[Forged], rate: int, connections: int
) -> Answers:
    """The answers to deliveries that another process sends."""
    here, there = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=load, args=(there, url, deliveries, rate, connections))
    child.start()
    answers: Answers = here.recv()
    child.join()
    return answers


def load(answers_to: object, url: str, deliveries: Sequence[object], rate: int, count: int) -> None:
    """Send all, as the schedule says, and tell the answers."""
    gc.disable()
    answers = asyncio.run(_send_all(url, deliveries, rate, count))
    answers_to.send(answers)  # type: ignore[attr-defined]


def request(delivery: object) -> bytes:
    """The bytes of an HTTP request; signed now, as Oura does."""
    if isinstance(delivery, Forged):
        secret, stamp, signed, sent = (
            delivery.secret,
            delivery.stamp,
            delivery.signed,
            delivery.sent,
        )
    else:
        assert isinstance(delivery, bytes)
        secret, stamp, signed, sent = SECRET, time.time(), delivery, delivery
    text = str(int(stamp * 1000))
    head = (
        "POST /webhook HTTP/1.1\r\nHost: site\r\nContent-Type: application/json\r\n"
        f"x-oura-timestamp: {text}\r\nx-oura-signature: {signature(secret, text, signed)}\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


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


async def _send_all(url: str, deliveries: Sequence[object], rate: int, count: int) -> Answers:
    loop, place, answers = asyncio.get_running_loop(), urlsplit(url), Answers()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(count):
        await loop.create_connection(lambda: Connection(free, answers), place.hostname, place.port)
    began = time.perf_counter() + 0.1
    for number, delivery in enumerate(deliveries):
        due = began + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        (await free.get()).ask(number, due, request(delivery))
    deadline = time.perf_counter() + 15
    while len(answers.statuses) < len(deliveries) and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    return answers


def tell(answers: Answers, seconds: float) -> None:
    """Count and quantiles, in milliseconds."""
    waits = sorted(answers.seconds.values())
    p50, p99 = (waits[int(len(waits) * part)] * 1000 for part in (0.5, 0.99))
    print(
        f"answered {len(waits)} in {seconds:.0f} s: {dict(Counter(answers.statuses.values()))}, "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {waits[-1] * 1000:.1f} ms"
    )


def cpu_seconds(process: int) -> float:
    """What a process has used of the processor since it began, its start included."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(home: Path, bodies: Sequence[bytes], answers: Answers) -> None:
    """Every acknowledged event is in the inbox, once, and nothing else is."""
    with sqlite3.connect(home / "accounts.sqlite") as database:
        rows = Counter(row[0] for row in database.execute("SELECT body FROM webhook_inbox"))
    acknowledged = {bodies[n] for n, status in answers.statuses.items() if status == 200}
    lost, foreign = acknowledged - rows.keys(), rows.keys() - set(bodies)
    twice = sum(count > 1 for count in rows.values())
    print(f"inbox {rows.total()} events: lost {len(lost)}, twice {twice}, foreign {len(foreign)}")
    if lost or twice or foreign:
        raise SystemExit("the inbox is not what was acknowledged")


if __name__ == "__main__":
    main()
