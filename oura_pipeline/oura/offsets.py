"""A person's offsets from UTC over time, as far as documents contained them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

Observation = tuple[datetime, timedelta]


class OffsetTimeline:
    """Observations `(instant, offset from UTC)` of one person, in the order of time.

    Oura's heart rate comes with UTC only, so its local day is that of the nearest observation.
    """

    def __init__(self, observations: Iterable[Observation] = ()) -> None:
        self._offsets: dict[float, timedelta] = {}
        self._instants: list[float] = []
        self.observe(observations)

    @property
    def observations(self) -> list[Observation]:
        """All observations, the instants in UTC, ascending."""
        return [
            (datetime.fromtimestamp(instant, UTC), self._offsets[instant])
            for instant in self._instants
        ]

    def observe(self, observations: Iterable[Observation]) -> None:
        """Add observations; of two at the same instant the first one stays.

        Raises:
            ValueError: an instant has no time zone.
        """
        for instant, offset in observations:
            self._offsets.setdefault(_seconds(instant), offset)
        if len(self._offsets) != len(self._instants):
            self._instants = sorted(self._offsets)

    def nearest(self, instant: datetime) -> timedelta:
        """Return the offset of the nearest observation, the earlier of two; zero without any."""
        if not self._instants:
            return timedelta()
        seconds = _seconds(instant)
        after = bisect_left(self._instants, seconds)
        before = self._instants[max(after - 1, 0)]
        later = self._instants[min(after, len(self._instants) - 1)]
        return self._offsets[before if seconds - before <= later - seconds else later]

    def local_day(self, instant: datetime) -> date:
        """Return the local date of an instant, where the person was."""
        return (instant.astimezone(UTC) + self.nearest(instant)).date()


def _seconds(instant: datetime) -> float:
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {instant}")
    return instant.timestamp()
