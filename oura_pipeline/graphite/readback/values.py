"""Asks Graphite whether it heard: reads every value back, twice, and sends again what is missing.

What surprises: the first reading proves little. A value can come from carbon's memory and be gone
after a crash; only what is read again some seconds later, once carbon has written, counts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from oura_pipeline.graphite.carbon import Sender
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.push import send
from oura_pipeline.graphite.readback.expected import (
    Chunk,
    ExpectedMetrics,
    chunks,
    owners,
    select_days,
)
from oura_pipeline.graphite.readback.queries import render_queries
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.graphite.readback.report import MissingDay, ReadbackReport
from oura_pipeline.ledger import Push, PushLedger, PushState

_POLL = 0.25  # seconds
_NAMED = 3


def confirm(
    days: Iterable[DayPoints],
    *,
    render: RenderClient,
    sender: Sender,
    ledger: PushLedger,
    pause: float = 5,
    rounds: int = 4,
    now: datetime,
) -> ReadbackReport:
    """Read back the days that were sent, and mark them as delivered, or as missing.

    Args:
        days: days that were pushed; those that are not in the state `sent` are left alone.
        render: reads values back.
        sender: sends again what is missing.
        ledger: where pushes are remembered.
        pause: seconds between the two readings.
        rounds: how often something is sent again before it counts as missing.
        now: the present, aware; later points cannot be read yet.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer; the days stay `sent`.
    """
    render.unreadable = set()
    arrival = ReadbackReport(unreadable=render.unreadable)
    for chunk in chunks(days, ledger, now):
        arrival.waiting += chunk.waiting
        _Reading(chunk, render, sender, arrival).run(pause, rounds)
        _mark(chunk, ledger, now, arrival)
    return arrival


class _Reading:
    def __init__(
        self, chunk: Chunk, render: RenderClient, sender: Sender, arrival: ReadbackReport
    ) -> None:
        self._chunk, self._render, self._sender = chunk, render, sender
        self._arrival = arrival

    def run(self, pause: float, rounds: int) -> None:
        open_days = set(range(len(self._chunk.rows)))
        wanted = {name: one.in_order() for name, one in self._chunk.metrics.items()}
        for attempt in range(rounds + 1):
            if attempt:
                self._send_again(self._chunk.left)
            first = self._settled(wanted, min(5, max(1.5, pause)))
            time.sleep(pause)
            second = self._missing(wanted)
            self._chunk.left = first | second
            clean = open_days - owners(first) - owners(second)
            self._chunk.clean |= clean
            open_days -= clean
            wanted = select_days(wanted, open_days)
            if not open_days:
                return

    def _settled(self, wanted: ExpectedMetrics, seconds: float) -> ExpectedMetrics:
        """What is missing once carbon had some seconds to make files and write."""
        missing = self._missing(wanted)
        deadline = time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            time.sleep(_POLL)
            missing = self._missing(missing)
        return missing

    def _missing(self, wanted: ExpectedMetrics) -> ExpectedMetrics:
        """The points that cannot be read, or read differently."""
        missing: dict[str, list[int]] = defaultdict(list)
        for query in render_queries({name: one.times for name, one in wanted.items()}):
            names = [piece.metric for piece in query.pieces]
            answer = self._render.values(names, query.first, query.last)
            for piece in query.pieces:
                got, one = answer.get(piece.metric, {}), wanted[piece.metric]
                missing[piece.metric] += [
                    i
                    for i in range(piece.begin, piece.end)
                    if got.get(one.times[i]) != one.values[i]
                ]
        return {name: wanted[name].only(sorted(some)) for name, some in missing.items() if some}

    def _send_again(self, missing: ExpectedMetrics) -> None:
        if missing:
            send(
                self._sender,
                [
                    (name, list(zip(one.times, one.values, strict=True)))
                    for name, one in missing.items()
                ],
            )
            self._arrival.sent_again += sum(len(one.times) for one in missing.values())


def _mark(chunk: Chunk, ledger: PushLedger, now: datetime, arrival: ReadbackReport) -> None:
    """Mark what arrived, unless someone pushed other points meanwhile; list what did not."""
    arrived = [chunk.rows[i] for i in sorted(chunk.clean) if chunk.readable[i]]
    mark_delivered(arrived, ledger, now, arrival)
    lost: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, one in chunk.left.items():
        for owner in one.owners:
            lost[owner][name] += 1
    missing = _still_so([chunk.rows[owner] for owner in sorted(lost)], ledger)
    ledger.record([replace(row, state=PushState.MISSING, at=now) for row in missing])
    for owner in sorted(lost):
        row, metrics = chunk.rows[owner], lost[owner]
        arrival.missing.append(
            MissingDay(
                username=row.username,
                document_type=row.document_type,
                day=row.day,
                points=sum(metrics.values()),
                of=row.points,
                metrics=tuple(sorted(metrics)[:_NAMED]),
            )
        )


def mark_delivered(
    rows: Sequence[Push], ledger: PushLedger, now: datetime, arrival: ReadbackReport
) -> None:
    """Mark days as delivered, unless someone pushed other points meanwhile."""
    unchanged = _still_so(rows, ledger)
    ledger.record([replace(row, state=PushState.DELIVERED, at=now) for row in unchanged])
    arrival.delivered += len(unchanged)
    arrival.points += sum(row.points for row in unchanged)


def _still_so(rows: Sequence[Push], ledger: PushLedger) -> list[Push]:
    same: list[Push] = []
    people: dict[tuple[str, str], list[Push]] = defaultdict(list)
    for row in rows:
        people[row.username, row.document_type].append(row)
    for (username, document_type), some in people.items():
        current = {
            row.day: row
            for row in ledger.find(
                document_type,
                usernames=[username],
                first_day=min(row.day for row in some),
                last_day=max(row.day for row in some),
            )
        }
        same += [row for row in some if current.get(row.day) == row]
    return same
