"""What Graphite should hold of some days, in arrays small enough for millions of points.

What surprises: a day with a point in the future cannot be read completely, because graphite-web
ends every answer at the present; such a day waits.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from oura_pipeline.graphite.aggregate import Point
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.validate import PointValidator, drop_invalid
from oura_pipeline.ledger import Push, PushLedger, PushState

_POINTS_AT_ONCE = 2_000_000
_DAYS_AT_ONCE = 20_000


@dataclass
class ExpectedPoints:
    """The points of one metric, and to which day of the chunk each belongs.

    Attributes:
        times: UTC seconds since 1970.
        values: what should be read at each time.
        owners: the number of the day of each.
    """

    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    owners: array[int] = field(default_factory=lambda: array("L"))

    def add(self, points: Sequence[Point], owner: int) -> None:
        """Add the points of a day."""
        self.times.extend([time for time, _ in points])
        self.values.extend([value for _, value in points])
        self.owners.extend([owner] * len(points))

    def only(self, wanted: Sequence[int]) -> ExpectedPoints:
        """Some of the points, by their positions."""
        return ExpectedPoints(
            array("q", [self.times[i] for i in wanted]),
            array("d", [self.values[i] for i in wanted]),
            array("L", [self.owners[i] for i in wanted]),
        )

    def in_order(self) -> ExpectedPoints:
        """The points by time."""
        if all(a <= b for a, b in zip(self.times, self.times[1:], strict=False)):
            return self
        return self.only(sorted(range(len(self.times)), key=self.times.__getitem__))


ExpectedMetrics = dict[str, ExpectedPoints]


@dataclass
class Chunk:
    """Days that are read back together.

    Attributes:
        rows: the ledger's row of each day.
        metrics: what is expected.
        readable: whether all points of each day are of the past.
        waiting: how many days are not.
        clean: the days that were read back twice.
        left: the points that never arrived.
    """

    rows: list[Push] = field(default_factory=list)
    metrics: ExpectedMetrics = field(default_factory=lambda: defaultdict(ExpectedPoints))
    readable: list[bool] = field(default_factory=list)
    points: int = 0
    waiting: int = 0
    clean: set[int] = field(default_factory=set)
    left: ExpectedMetrics = field(default_factory=dict)

    def add(self, day: DayPoints, row: Push, now: int) -> None:
        """Add a day; `now` in UTC seconds."""
        owner = len(self.rows)
        readable = True
        for metric, points in day.points.items():
            past = points if points[-1][0] <= now else [one for one in points if one[0] <= now]
            readable = readable and len(past) == len(points)
            if past:
                self.metrics[metric].add(past, owner)
        self.rows.append(row)
        self.readable.append(readable)
        self.points += day.count
        self.waiting += not readable


def chunks(days: Iterable[DayPoints], ledger: PushLedger, now: datetime) -> Iterator[Chunk]:
    """The days that were sent as they are and are not confirmed, some at once."""
    chunk, seconds = Chunk(), int(now.timestamp())
    validator = PointValidator(now)
    for day, row in _sent((drop_invalid(day, validator)[0] for day in days), ledger):
        chunk.add(day, row, seconds)
        if chunk.points >= _POINTS_AT_ONCE or len(chunk.rows) >= _DAYS_AT_ONCE:
            yield chunk
            chunk = Chunk()
    if chunk.rows:
        yield chunk


def _sent(days: Iterable[DayPoints], ledger: PushLedger) -> Iterator[tuple[DayPoints, Push]]:
    """The days that were sent as they are and are not confirmed."""
    person: tuple[str, str] | None = None
    rows: dict[date, Push] = {}
    for day in days:
        if (day.username, day.document_type) != person:
            person = (day.username, day.document_type)
            rows = {
                row.day: row
                for row in ledger.find(
                    day.document_type, usernames=[day.username], states=[PushState.SENT]
                )
            }
        row = rows.get(day.day)
        if row is not None and day.count and row.digest == day.digest:
            yield day, row


def owners(metrics: ExpectedMetrics) -> set[int]:
    """The days to which any of the points belongs."""
    return {owner for one in metrics.values() for owner in one.owners}


def select_days(metrics: ExpectedMetrics, days: set[int]) -> ExpectedMetrics:
    """The points of some days."""
    rest: ExpectedMetrics = {}
    for name, one in metrics.items():
        wanted = [i for i, owner in enumerate(one.owners) if owner in days]
        if wanted:
            rest[name] = one if len(wanted) == len(one.owners) else one.only(wanted)
    return rest
