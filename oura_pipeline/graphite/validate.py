"""Points that carbon would take badly, found before they leave.

What surprises: a bad point hurts others. One timestamp in milliseconds destroys every point of its
metric that carbon writes with it; one as old as the retention erases today's.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from oura_pipeline.catalog.metrics import DAY
from oura_pipeline.graphite.aggregate import Point
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.schemas import RETENTION_YEARS

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){1,19}")


class PointValidator:
    """The times that carbon can store: younger than the retention, at most two days ahead."""

    def __init__(self, now: datetime) -> None:
        """Prepare; `now` is an aware instant."""
        seconds = int(now.timestamp())
        self._first = seconds - RETENTION_YEARS * 365 * DAY + DAY
        self._last = seconds + 2 * DAY

    def problem(self, time: object, value: object) -> str | None:
        """Why a point must not be sent; None: it may."""
        if type(time) is not int:
            return "time that is no integer"
        if not self._first < time <= self._last:
            return "time beyond the retention" if time <= self._first else "time in the future"
        if type(value) not in (int, float) or not _finite(value):
            return "no finite number"
        return None

    def all_valid(self, points: Sequence[Point]) -> bool:
        """Whether every point may be sent; quick."""
        times = [time for time, _ in points]
        values = [value for _, value in points]
        return (
            set(map(type, times)) == {int}
            and set(map(type, values)) <= {int, float}
            and self._first < min(times)
            and max(times) <= self._last
            and all(map(_finite, values))
        )


def is_name(metric: str) -> bool:
    """Whether carbon stores a metric of this name under this very name."""
    return _NAME.fullmatch(metric) is not None


def drop_invalid(day: DayPoints, validator: PointValidator) -> tuple[DayPoints, Counter[str]]:
    """The day without the points that must not be sent, and how many those are, by reason."""
    rejected: Counter[str] = Counter()
    kept: dict[str, Sequence[Point]] = {}
    for metric, points in day.points.items():
        if not is_name(metric):
            rejected["name that Graphite cannot store"] += len(points)
        elif points and validator.all_valid(points):
            kept[metric] = points
        else:
            problems = [validator.problem(*point) for point in points]
            rejected.update(problem for problem in problems if problem)
            good = [
                point for point, problem in zip(points, problems, strict=True) if problem is None
            ]
            if good:
                kept[metric] = good
    return (replace(day, points=kept) if rejected else day), rejected


def _finite(value: object) -> bool:
    try:
        return math.isfinite(value)  # type: ignore[arg-type]  # the types were looked at
    except OverflowError:
        return False
