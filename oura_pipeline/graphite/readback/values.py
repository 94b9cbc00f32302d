"""Read every value back, twice, and send again what is missing."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from oura_pipeline.graphite.carbon import Sender
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.push import send
from oura_pipeline.graphite.readback.diagnosis import diagnose
from oura_pipeline.graphite.readback.expected import (
    Chunk,
    ExpectedMetrics,
    chunks,
    days_in,
    select_days,
)
from oura_pipeline.graphite.readback.queries import render_queries
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.graphite.readback.report import MissingDay, ReadbackReport
from oura_pipeline.ledger import Push, PushLedger, PushState
from oura_pipeline.process import interrupts

_POLL_SECONDS = 0.25
_NAMED_METRICS = 3


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
        ledger: remembers what was pushed.
        pause: seconds between the two readings.
        rounds: how often something is sent again before it counts as missing.
        now: the present, aware; later points cannot be read yet.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer; the days stay `sent`.
    """
    render.unreadable = set()
    report = ReadbackReport(unreadable=render.unreadable)
    missing: dict[str, Sequence[int]] = {}
    for chunk in chunks(days, ledger, now):
        report.waiting += chunk.waiting
        _ChunkReader(chunk, render, sender, report).run(pause, rounds)
        _record(chunk, ledger, now, report)
        missing |= {name: points.times for name, points in chunk.missing.items()}
    if missing:
        report.findings = diagnose(render, missing, now=int(time.time()))
    return report


class _ChunkReader:
    def __init__(
        self, chunk: Chunk, render: RenderClient, sender: Sender, report: ReadbackReport
    ) -> None:
        self._chunk, self._render, self._sender = chunk, render, sender
        self._report = report

    def run(self, pause: float, rounds: int) -> None:
        open_days = set(range(len(self._chunk.rows)))
        expected = {name: points.sorted() for name, points in self._chunk.metrics.items()}
        at_least, at_most = self._render.settle_seconds
        for attempt in range(rounds + 1):
            if attempt:
                self._send_again(self._chunk.missing)
            first = self._missing_after(expected, min(at_most, max(at_least, pause)))
            # The first reading can come from carbon's memory, which a crash empties. What is still
            # there some seconds later has been written: carbon writes every second.
            interrupts.sleep(pause)
            second = self._missing(expected)
            self._chunk.missing = first | second
            clean = open_days - days_in(first) - days_in(second)
            self._chunk.clean |= clean
            open_days -= clean
            expected = select_days(expected, open_days)
            if not open_days:
                return

    def _missing_after(self, expected: ExpectedMetrics, seconds: float) -> ExpectedMetrics:
        """Return what is missing once carbon had some seconds to create files and write."""
        missing = self._missing(expected)
        deadline = time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            interrupts.sleep(_POLL_SECONDS)
            missing = self._missing(missing)
        return missing

    def _missing(self, expected: ExpectedMetrics) -> ExpectedMetrics:
        """Return the points that cannot be read, or have another value."""
        missing: dict[str, list[int]] = defaultdict(list)
        for query in render_queries({name: points.times for name, points in expected.items()}):
            names = [stretch.metric for stretch in query.stretches]
            answer = self._render.values(names, query.first, query.last)
            for stretch in query.stretches:
                stored, points = answer.get(stretch.metric, {}), expected[stretch.metric]
                missing[stretch.metric] += [
                    i
                    for i in range(stretch.begin, stretch.end)
                    if not self._render.holds(stored.get(points.times[i]), points.values[i])
                ]
        return {
            name: expected[name].select(sorted(positions))
            for name, positions in missing.items()
            if positions
        }

    def _send_again(self, missing: ExpectedMetrics) -> None:
        if missing:
            metrics = {
                name: list(zip(points.times, points.values, strict=True))
                for name, points in missing.items()
            }
            send(self._sender, metrics.items())
            self._report.sent_again += sum(len(points.times) for points in missing.values())


def _record(chunk: Chunk, ledger: PushLedger, now: datetime, report: ReadbackReport) -> None:
    arrived = [chunk.rows[day] for day in sorted(chunk.clean) if chunk.readable[day]]
    mark_delivered(arrived, ledger, now, report)
    lost: dict[int, Counter[str]] = defaultdict(Counter)
    for name, points in chunk.missing.items():
        for day in points.days:
            lost[day][name] += 1
    rows = _unchanged([chunk.rows[day] for day in sorted(lost)], ledger)
    ledger.record([replace(row, state=PushState.MISSING, at=now) for row in rows])
    report.missing += [_missing_day(chunk.rows[day], lost[day]) for day in sorted(lost)]


def _missing_day(row: Push, metrics: Counter[str]) -> MissingDay:
    return MissingDay(
        username=row.username,
        document_type=row.document_type,
        day=row.day,
        points=metrics.total(),
        of=row.points,
        metrics=tuple(sorted(metrics)[:_NAMED_METRICS]),
    )


def mark_delivered(
    rows: Sequence[Push], ledger: PushLedger, now: datetime, report: ReadbackReport
) -> None:
    """Mark days as delivered, unless other points were pushed in the meantime."""
    unchanged = _unchanged(rows, ledger)
    ledger.record_delivered(unchanged, now)
    report.delivered += len(unchanged)
    report.points += sum(row.points for row in unchanged)


def _unchanged(rows: Sequence[Push], ledger: PushLedger) -> list[Push]:
    """Return the rows that are in the ledger as they were when the reading began."""
    unchanged: list[Push] = []
    people: dict[tuple[str, str], list[Push]] = defaultdict(list)
    for row in rows:
        people[row.username, row.document_type].append(row)
    for (username, document_type), theirs in people.items():
        first_day, last_day = min(row.day for row in theirs), max(row.day for row in theirs)
        current = set(
            ledger.find(document_type, usernames=[username], first_day=first_day, last_day=last_day)
        )
        unchanged += [row for row in theirs if row in current]
    return unchanged
