"""Instants as whole Unix seconds, and the three ways in which Oura writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def at(day: date, hour: float, zone: ZoneInfo) -> int:
    """Return the instant when `zone`'s clock shows `hour`, which may be below 0 or above 24."""
    # Added on the wall, not to the instant: the hours of a day with a change of clocks stay where
    # people live them. A time that is skipped or repeated is read with its first offset.
    wall = datetime(day.year, day.month, day.day) + timedelta(hours=hour)
    return int(wall.replace(microsecond=0, tzinfo=zone).timestamp())


def local(instant: float, zone: ZoneInfo) -> datetime:
    """Return `instant` as an aware date-time of `zone`."""
    return datetime.fromtimestamp(instant, zone)


def document_time(instant: int, zone: ZoneInfo) -> str:
    # As in `bedtime_start`: 2026-03-29T01:12:07+01:00, without milliseconds.
    return local(instant, zone).isoformat()


def series_time(instant: int, zone: ZoneInfo) -> str:
    # As in `heart_rate.timestamp`: 2026-03-29T01:12:07.000+01:00, always with milliseconds.
    return local(instant, zone).isoformat(timespec="milliseconds")


def utc_time(instant: float) -> str:
    # As in a heart-rate row: 2026-03-29T00:12:07+00:00, wherever the person is.
    return datetime.fromtimestamp(int(instant), UTC).isoformat()


def midnight(day: date) -> int:
    """Return the instant of `day`'s midnight in UTC."""
    return (day.toordinal() - _EPOCH) * 86400


def parse_instant(text: str) -> float:
    """Return the instant of a document's date-time; one without zone is read as UTC."""
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_EPOCH = date(1970, 1, 1).toordinal()
