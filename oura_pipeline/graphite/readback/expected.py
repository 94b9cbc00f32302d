"""The points that Graphite should have of days that were sent, in arrays: they can be millions."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from oura_pipeline.graphite.aggregate import Point, Points
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.validate import PointValidator, drop_invalid
from oura_pipeline.ledger import Push, PushLedger, PushState

_POINTS_PER_CHUNK = 2_000_000
_DAYS_PER_CHUNK = 20_000


@dataclass
class ExpectedPoints:
    """The points of one metric, and to which day of the chunk each belongs.

    Attributes:
        times: UTC seconds since 1970.
        values: the value at each time.
        days: the number of the day to which each point belongs.
    """

    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    days: array[int] = field(default_factory=lambda: array("L"))

    def add(self, points: Sequence[Point], day: int) -> None:
        """Add the points of a day."""
        columns = Points.of(points)
        self.times.extend(columns.times)
        self.values.extend(columns.values)
        self.days.extend([day] * len(points))

    def select(self, positions: Sequence[int]) -> ExpectedPoints:
        """Return the points at these positions."""
        return ExpectedPoints(
            array("q", [self.times[i] for i in positions]),
            array("d", [self.values[i] for i in positions]),
            array("L", [self.days[i] for i in positions]),
        )

    def sorted(self) -> ExpectedPoints:
        """Return the points by time."""
        if all(a <= b for a, b in zip(self.times, self.times[1:], strict=False)):
            return self
        return self.select(sorted(range(len(self.times)), key=self.times.__getitem__))


ExpectedMetrics = dict[str, ExpectedPoints]


@dataclass
class Chunk:
    """Days that are read back together; a day's number is its position.

    Attributes:
        rows: the ledger's row of each day.
        metrics: the points that are expected.
        readable: whether each day can be read completely.
        points: how many points the days have.
        waiting: how many days cannot be read completely.
        clean: the numbers of the days that were read back twice.
        missing: the points that never arrived.
    """

    rows: list[Push] = field(default_factory=list)
    metrics: ExpectedMetrics = field(default_factory=lambda: defaultdict(ExpectedPoints))
    readable: list[bool] = field(default_factory=list)
    points: int = 0
    waiting: int = 0
    clean: set[int] = field(default_factory=set)
    missing: ExpectedMetrics = field(default_factory=dict)

    def add(self, day: DayPoints, row: Push, now: int) -> None:
        """Add a day; `now` in UTC seconds."""
        number = len(self.rows)
        readable = True
        for metric, points in day.points.items():
            # Graphite-web ends every answer at the present: later points cannot be read yet.
            past = points if points[-1][0] <= now else [one for one in points if one[0] <= now]
            readable = readable and len(past) == len(points)
            if past:
                self.metrics[metric].add(past, number)
        self.rows.append(row)
        self.readable.append(readable)
        self.points += day.count
        self.waiting += not readable


def chunks(days: Iterable[DayPoints], ledger: PushLedger, now: datetime) -> Iterator[Chunk]:
    """Yield, in chunks, the days whose points were sent as they are now and are not confirmed."""
    chunk, seconds = Chunk(), int(now.timestamp())
    validator = PointValidator(now)
    for day, row in _with_rows((drop_invalid(day, validator)[0] for day in days), ledger):
        chunk.add(day, row, seconds)
        if chunk.points >= _POINTS_PER_CHUNK or len(chunk.rows) >= _DAYS_PER_CHUNK:
            yield chunk
            chunk = Chunk()
    if chunk.rows:
        yield chunk


def _with_rows(days: Iterable[DayPoints], ledger: PushLedger) -> Iterator[tuple[DayPoints, Push]]:
    person: tuple[str, str] | None = None
    rows: dict[date, Push] = {}
    for day in days:
        if (day.username, day.document_type) != person:
            person = (day.username, day.document_type)
            sent = ledger.find(day.document_type, usernames=[day.username], states=[PushState.SENT])
            rows = {row.day: row for row in sent}
        row = rows.get(day.day)
        if row is not None and day.count and row.digest == day.digest:
            yield day, row


def days_in(metrics: ExpectedMetrics) -> set[int]:
    """Return the numbers of the days to which any of the points belongs."""
    return {day for points in metrics.values() for day in points.days}


def select_days(metrics: ExpectedMetrics, days: set[int]) -> ExpectedMetrics:
    """Return the points of the days with these numbers."""
    selected: ExpectedMetrics = {}
    for name, points in metrics.items():
        positions = [i for i, day in enumerate(points.days) if day in days]
        if positions:
            whole = len(positions) == len(points.days)
            selected[name] = points if whole else points.select(positions)
    return selected
