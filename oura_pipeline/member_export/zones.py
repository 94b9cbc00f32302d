"""The offset from UTC of times that are written without one, from other files of the export."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

_WITHOUT_OFFSET = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)")
_NEAR = timedelta(days=1)  # of a night; who travels has another one soon


class UnknownOffset(Exception):
    """A time without an offset, of a moment of which no other file tells where the person was."""


class Zones:
    """A person's offsets from UTC.

    Args:
        changes: when the phone came into another zone, and its offset there in seconds.
        told: times that other documents hold with their offset.
    """

    def __init__(
        self, changes: Iterable[tuple[datetime, int]], told: Iterable[datetime] = ()
    ) -> None:
        self._changes = sorted(changes)
        self._told = sorted((time.replace(tzinfo=None), _offset(time)) for time in told)

    def completed(self, text: str) -> str:
        """Return a time with its offset; what has one already, or is no time, stays as it is.

        Raises:
            UnknownOffset: nobody knows it.
        """
        # Most of them end like this, and they come by the million.
        has_offset = text.endswith("Z") or text[-6:-5] in ("+", "-")
        found = None if has_offset else _WITHOUT_OFFSET.fullmatch(text)
        if not found:
            return text
        try:
            clock = datetime.fromisoformat(f"{found[1]}T{found[2]}")
        except ValueError:
            return text
        offset = self._by_change(clock)
        if offset is None:
            offset = self._by_nearest(clock)
        if offset is None:
            raise UnknownOffset
        return f"{found[1]}T{found[2]}{_written(offset)}"

    def _by_change(self, clock: datetime) -> int | None:
        """Return the offset after the last change before what the clock showed."""
        for since, seconds in reversed(self._changes):
            if clock.replace(tzinfo=timezone(timedelta(seconds=seconds))) >= since:
                return seconds
        return None

    def _by_nearest(self, clock: datetime) -> int | None:
        place = bisect_left(self._told, (clock, 0))
        near = self._told[max(place - 1, 0) : place + 1]
        distances = [(abs(time - clock), offset) for time, offset in near]
        distance, offset = min(distances, default=(_NEAR * 2, 0))
        return offset if distance <= _NEAR else None


def _offset(time: datetime) -> int:
    offset = time.utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _written(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"
