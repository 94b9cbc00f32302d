"""Group the times of metrics into queries that graphite-web answers quickly."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import sub

from oura_pipeline.catalog.metrics import DAY

# Graphite-web reads every slot between the first and the last time, filled or not. A sparse metric
# (a session every few days, a slot every five seconds) is therefore split at its long gaps.
_MAX_GAP_SLOTS = 20_000
_MAX_STRETCH_POINTS = 50_000
_MAX_QUERY_METRICS = 100
_MAX_QUERY_POINTS = 100_000


@dataclass(frozen=True)
class Stretch:
    """A part of a metric without long gaps.

    Attributes:
        metric: the full name.
        begin: the position of its first point among the times of the metric.
        end: the position after its last point.
        first: its first time, UTC seconds.
        last: its last time.
        step: seconds between two slots.
    """

    metric: str
    begin: int
    end: int
    first: int
    last: int
    step: int

    @property
    def seconds(self) -> int:
        """Return the time from its first to its last point."""
        return self.last - self.first


@dataclass
class RenderQuery:
    """Stretches of different metrics that are read together.

    Attributes:
        stretches: what is read.
        first: the first time of all of them, UTC seconds.
        last: the last time.
        points: how many points they have.
    """

    stretches: list[Stretch] = field(default_factory=list)
    first: int = 0
    last: int = 0
    points: int = 0

    def fits(self, stretch: Stretch) -> bool:
        """Return whether reading the stretch as well costs less than a query of its own."""
        if not self.stretches:
            return True
        first, last = min(self.first, stretch.first), max(self.last, stretch.last)
        shortest = min(stretch.seconds, *(other.seconds for other in self.stretches))
        return (
            len(self.stretches) < _MAX_QUERY_METRICS
            and self.points + stretch.end - stretch.begin <= _MAX_QUERY_POINTS
            and last - first <= 2 * shortest + _MAX_GAP_SLOTS * stretch.step
            and all(stretch.metric != other.metric for other in self.stretches)
        )

    def add(self, stretch: Stretch) -> None:
        """Read the stretch as well."""
        self.first = min(self.first, stretch.first) if self.stretches else stretch.first
        self.last = max(self.last, stretch.last) if self.stretches else stretch.last
        self.points += stretch.end - stretch.begin
        self.stretches.append(stretch)


def render_queries(times: Mapping[str, array[int]]) -> Iterator[RenderQuery]:
    """Yield queries that together cover all times (UTC seconds, ascending) of all metrics."""
    stretches = [part for metric, some in times.items() for part in _stretches(metric, some)]
    # Stretches of one interval that begin together nearly always fit into one query.
    stretches.sort(key=lambda stretch: (stretch.step, stretch.first, stretch.metric))
    query = RenderQuery()
    for stretch in stretches:
        if not query.fits(stretch):
            yield query
            query = RenderQuery()
        query.add(stretch)
    if query.stretches:
        yield query


def _stretches(metric: str, times: array[int]) -> Iterator[Stretch]:
    gaps = array("q", map(sub, islice(times, 1, None), times))
    step = math.gcd(*gaps) or DAY
    begin = 0
    for end in _ends(gaps, step):
        while begin < end:
            until = min(end, begin + _MAX_STRETCH_POINTS)
            yield Stretch(metric, begin, until, times[begin], times[until - 1], step)
            begin = until


def _ends(gaps: array[int], step: int) -> Iterable[int]:
    """Return where stretches end: before each long gap, and at the end."""
    if not gaps or max(gaps) <= _MAX_GAP_SLOTS * step:
        return [len(gaps) + 1]
    return [*(i + 1 for i, gap in enumerate(gaps) if gap > _MAX_GAP_SLOTS * step), len(gaps) + 1]
