"""Find points that carbon would not store, or that would damage others, before they are sent."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from oura_pipeline.catalog.metrics import DAY
from oura_pipeline.graphite.aggregate import Point, Points
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.schemas import RETENTION_YEARS

# Measured with carbon 1.1.10: a space ends the name, `/` and `..` lead to other folders, `;` begins
# tags, and names with an ö are stored but not found by /render.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){1,19}")


class PointValidator:
    """Tells points that carbon can store: younger than the retention, at most two days ahead."""

    def __init__(self, now: datetime) -> None:
        """Prepare; `now` is an aware instant."""
        seconds = int(now.timestamp())
        # A whisper file is a ring: a point exactly as old as the retention has the slot of today
        # and erases what is in it. So the oldest day stays free.
        self._first = seconds - RETENTION_YEARS * 365 * DAY + DAY
        # Days in eastern zones begin before UTC's do. Anything later is a mistake, and a time in
        # milliseconds an expensive one: carbon loses all points of the metric that it writes in
        # the same go (100 good points and a bad one: none was stored).
        self._last = seconds + 2 * DAY

    def problem(self, time: object, value: object) -> str | None:
        """Return why a point must not be sent; None: it may."""
        if type(time) is not int:
            return "time that is no integer"
        if not self._first < time <= self._last:
            return "time beyond the retention" if time <= self._first else "time in the future"
        # Carbon drops a NaN, but stores an infinity, which no strict JSON reader can read back.
        if type(value) not in (int, float) or not _all_finite([value]):
            return "no finite number"
        return None

    def all_valid(self, points: Sequence[Point]) -> bool:
        """Return whether every point may be sent; many times as fast as point by point."""
        if len(points) == 1:
            return self.problem(*points[0]) is None
        columns = Points.of(points)
        return (
            set(map(type, columns.times)) == {int}
            and set(map(type, columns.values)) <= {int, float}
            and self._first < min(columns.times)
            and max(columns.times) <= self._last
            and _all_finite(columns.values)
        )


@lru_cache(maxsize=10_000)
def is_name(metric: str) -> bool:
    """Return whether carbon stores a metric of this name under exactly this name."""
    return _NAME.fullmatch(metric) is not None


def drop_invalid(day: DayPoints, validator: PointValidator) -> tuple[DayPoints, Counter[str]]:
    """Return the day without the points that must not be sent, and their number by reason."""
    dropped: Counter[str] = Counter()
    kept: dict[str, Sequence[Point]] = {}
    for metric, points in day.points.items():
        if not is_name(metric):
            dropped["name that Graphite cannot store"] += len(points)
        elif points and validator.all_valid(points):
            kept[metric] = points
        else:
            problems = [validator.problem(*point) for point in points]
            dropped.update(problem for problem in problems if problem)
            good = [
                point for point, problem in zip(points, problems, strict=True) if problem is None
            ]
            if good:
                kept[metric] = good
    # The same object where possible: it may have computed its digest and index already.
    return (replace(day, points=kept) if dropped else day), dropped


def _all_finite(values: Iterable[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer that no double can hold
        return False
