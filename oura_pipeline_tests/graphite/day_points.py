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
    """Return the day so many days before today."""
    return TODAY - timedelta(days=days)


def instant(days_ago: int, seconds: int = 0) -> int:
    """Return a time some seconds after a midnight, UTC seconds since 1970."""
    return MIDNIGHT - days_ago * DAY + seconds


def scores(
    days_ago: int, value: float, *, username: str = "ada", root: str = "bio.ada"
) -> DayPoints:
    """Return a day with one sleep score."""
    return day_with(
        days_ago, {f"{root}.sleep.score": [(instant(days_ago), value)]}, username=username
    )


def day_with(
    days_ago: int,
    points: Mapping[str, Sequence[tuple[int, float]]],
    *,
    username: str = "ada",
    document_type: str = "daily_sleep",
) -> DayPoints:
    """Return a day with these points."""
    return DayPoints(username, document_type, ago(days_ago), points)
