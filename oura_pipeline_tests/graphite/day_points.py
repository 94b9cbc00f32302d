"""Days of points for the tests of pushing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from oura_pipeline.graphite.points import DayPoints

TODAY = datetime.now(UTC).date()
NOW = datetime.combine(TODAY, time(12), UTC)
MIDNIGHT = int(datetime.combine(TODAY, time(), UTC).timestamp())
DAY = 86400


def ago(days: int) -> date:
    """A day so many days before today."""
    return TODAY - timedelta(days=days)


def at(days_ago: int, seconds: int = 0) -> int:
    """Seconds after a midnight."""
    return MIDNIGHT - days_ago * DAY + seconds


def scores(
    days_ago: int, value: float, *, username: str = "ada", root: str = "bio.ada"
) -> DayPoints:
    """A day with one score of sleep."""
    return of(days_ago, {f"{root}.sleep.score": [(at(days_ago), value)]}, username=username)


def of(
    days_ago: int,
    points: Mapping[str, Sequence[tuple[int, float]]],
    *,
    username: str = "ada",
    document_type: str = "daily_sleep",
) -> DayPoints:
    """A day with any points."""
    return DayPoints(username, document_type, ago(days_ago), points)
