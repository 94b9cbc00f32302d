"""The outline of a day: when somebody slept, moved and took the ring off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from oura_pipeline.sandbox.times import at, local


@dataclass(frozen=True, kw_only=True)
class BedPeriod:
    """One period in bed."""

    start: int
    end: int
    # Oura's `type`.
    kind: str
    # Oura's: the date of waking, from 18:00 on the next one.
    day: date
    finished: bool = True
    blank: bool = False


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One workout."""

    start: int
    end: int
    sport: str
    # A tracked one left a heart-rate row every five seconds.
    tracked: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One day of one person; instants are Unix seconds."""

    # Every document is derived from this outline, so a burst in the heart rate lies inside a
    # workout and no step is taken in bed.

    day: date
    zone: ZoneInfo
    worn: bool
    flies: bool
    bed_periods: tuple[BedPeriod, ...]
    exercises: tuple[Exercise, ...]
    session: tuple[int, int] | None

    def at(self, hour: float) -> int:
        """Return the instant of a wall-clock hour of this day."""
        return at(self.day, hour, self.zone)

    @property
    def night(self) -> BedPeriod | None:
        """The first long sleep that has ended, if there was one."""
        return next((s for s in self.bed_periods if s.kind == "long_sleep" and s.finished), None)


def wake_day(end: int, zone: ZoneInfo) -> date:
    """Return the day a period in bed counts to."""
    # Oura's sleep days run from 18:00 to 18:00, so what ends after 18:00 is tomorrow's.
    return local(end + 6 * 3600, zone).date()
