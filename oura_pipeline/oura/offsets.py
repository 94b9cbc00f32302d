"""Where a person was, as far as time zones tell: offsets from UTC that documents carried.

What surprises: heart-rate rows say only UTC, so their local day is a guess by the nearest document
that did carry an offset, before or after.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

Observation = tuple[datetime, timedelta]


class OffsetTimeline:
    """Observations `(instant, offset from UTC)` of one person, in the order of time.

    Of two observations at the same instant the first one that was learned stays.
    """

    def __init__(self, observations: Iterable[Observation] = ()) -> None:
        self._offsets: dict[float, timedelta] = {}
        self._instants: list[float] = []
        self.observe(observations)

    @property
    def observations(self) -> list[Observation]:
        """All of them, the instants in UTC, ascending."""
        return [
            (datetime.fromtimestamp(instant, UTC), self._offsets[instant])
            for instant in self._instants
        ]

    def observe(self, observations: Iterable[Observation]) -> None:
        """Learn more of them.

        Raises:
            ValueError: an instant has no zone.
        """
        for instant, offset in observations:
            self._offsets.setdefault(_seconds(instant), offset)
        if len(self._offsets) != len(self._instants):
            self._instants = sorted(self._offsets)

    def nearest(self, instant: datetime) -> timedelta:
        """The offset of the nearest observation, the earlier of two; zero when there is none."""
        if not self._instants:
            return timedelta()
        seconds = _seconds(instant)
        after = bisect_left(self._instants, seconds)
        before = self._instants[max(after - 1, 0)]
        later = self._instants[min(after, len(self._instants) - 1)]
        return self._offsets[before if seconds - before <= later - seconds else later]

    def local_day(self, instant: datetime) -> date:
        """The date of an instant where the person was."""
        return (instant.astimezone(UTC) + self.nearest(instant)).date()


def _seconds(instant: datetime) -> float:
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a zone: {instant}")
    return instant.timestamp()
