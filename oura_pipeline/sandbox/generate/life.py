"""One person's life in outline: when they slept, moved and took the ring off."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from oura_pipeline.sandbox.people import Person
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


@dataclass
class Life:
    """The days of one person up to `now` (Unix seconds), outlined when first asked for."""

    person: Person
    first: date
    now: int
    seed: int
    _plans: dict[date, Plan] = field(default_factory=dict)

    @cached_property
    def today(self) -> date:
        """The person's own date now."""
        return self.person.day_of(self.now)

    @cached_property
    def days(self) -> tuple[date, ...]:
        """Every day from the first to today."""
        count = (self.today - self.first).days + 1
        return tuple(self.first + timedelta(days=n) for n in range(count))

    def plans(self) -> Iterator[Plan]:
        """The outline of every day, oldest first."""
        return map(self.plan, self.days)

    def worn(self) -> Iterator[Plan]:
        """The days on which the ring was on a finger."""
        return (plan for plan in self.plans() if plan.worn)

    def plan(self, day: date) -> Plan:
        """The outline of one day."""
        if day not in self._plans:
            self._plans[day] = _outline(self, day)
        return self._plans[day]

    def rng(self, purpose: str, day: date) -> random.Random:
        """Return random numbers for one purpose on one day."""
        # Seeded by the day: a longer history leaves the days of a shorter one as they were, and a
        # new purpose leaves the others.
        key = f"{self.seed}/{self.person.username}/{purpose}/{day}"
        return random.Random(key)  # noqa: S311  made-up health data, not a secret

    def id(self, collection: str, *parts: object) -> str:
        """Return the id of a document: the same for the same seed, person and parts."""
        name = "/".join(map(str, (self.seed, self.person.username, collection, *parts)))
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def turn(self, day: date, every: int) -> int:
        """Return which day of a repeating cycle of `every` days this is."""
        return day.toordinal() % every


def wake_day(end: int, zone: ZoneInfo) -> date:
    """Return the day a period in bed counts to."""
    # Oura's sleep days run from 18:00 to 18:00, so what ends after 18:00 is tomorrow's.
    return local(end + 6 * 3600, zone).date()


def _outline(life: Life, day: date) -> Plan:
    person, rng = life.person, life.rng("plan", day)
    zone = person.zone_on(day)
    worn = not ("gaps" in person.habits and _gap(day))
    asleep = "unfinished" in person.habits and day == life.today
    return Plan(
        day=day,
        zone=zone,
        worn=worn,
        flies=person.leaves_on(day),
        bed_periods=tuple(_bed_periods(life, day, zone, rng)) if worn else (),
        exercises=tuple(_exercises(life, day, zone, rng)) if worn and not asleep else (),
        session=_session(life, day, zone, rng) if worn and not asleep else None,
    )


def _gap(day: date) -> bool:
    # Weekends now and then, and once in six weeks a stretch like those in real accounts.
    return day.toordinal() % 14 in (11, 12) or day.toordinal() % 45 in range(20, 26)


def _bed_periods(life: Life, day: date, zone: ZoneInfo, rng: random.Random) -> Iterator[BedPeriod]:
    habits = life.person.habits
    if "unfinished" in habits and day == life.today:
        yield _unfinished(life, zone)
        return
    for hour, hours, kind in sorted(_bedtimes(life, day, rng)):
        start = at(day, hour, zone) + rng.randrange(60)
        end = start + int(hours * 3600) + rng.randrange(300)
        # Oura shows a period when it is over.
        if end <= life.now:
            yield BedPeriod(start=start, end=end, kind=kind, day=wake_day(end, zone))
    if "sparse" in habits and life.turn(day, 14) == 3 and at(day, 16, zone) <= life.now:
        # A nap just long enough for its series to exist before they are blanked.
        start = at(day, 15, zone)
        yield BedPeriod(start=start, end=start + 2405, kind="sleep", day=day, blank=True)


def _unfinished(life: Life, zone: ZoneInfo) -> BedPeriod:
    # The one exception that was reported: a night in progress, without an end.
    start = life.now - 3 * 3600 - 137
    return BedPeriod(start=start, end=life.now, kind="long_sleep", day=life.today, finished=False)


def _bedtimes(life: Life, day: date, rng: random.Random) -> list[tuple[float, float, str]]:
    """Return (hour relative to the day's midnight, hours in bed, type) of each period."""
    night = [(rng.uniform(-2.2, 0.9), rng.uniform(6.2, 8.6), "long_sleep")]
    if life.person.arrives_on(day):
        night = [(4.5, 3.8, "long_sleep")]
    if "fragments" in life.person.habits:
        naps = _FRAGMENTS.get(life.turn(day, 7), {})
    elif "naps" in life.person.habits:
        naps = _NAPS.get(life.turn(day, 14), {})
    else:
        return night
    return naps.get("instead", night) + naps.get("also", [])


# What the person who naps does on which day of a fortnight. Six documents on one day, the first of
# them a false detection at 17:39 of the day before, were seen in a real account.
_NAPS: dict[int, dict[str, list[tuple[float, float, str]]]] = {
    0: {"also": [(14.2, 0.9, "sleep")]},
    2: {"instead": [(-2.5, 3.8, "long_sleep"), (2.3, 4.2, "long_sleep")]},
    4: {
        "instead": [
            (-6.35, 1.76, "rest"),
            (-2.08, 0.52, "sleep"),
            (-0.17, 7.35, "long_sleep"),
            (11.73, 0.3, "sleep"),
            (14.43, 0.63, "sleep"),
            (16.35, 0.33, "sleep"),
        ]
    },
    6: {"also": [(15.0, 0.8, "rest")]},
    8: {"also": [(13.0, 0.7, "deleted")]},
    10: {"also": [(-5.7, 0.85, "late_nap")]},
    12: {"also": [(13.4, 1.1, "sleep")]},
}


# Of the periods in bed that are no main sleep, more than half were seen to last 1 to 13 minutes,
# and some days to have no long sleep at all.
_FRAGMENTS: dict[int, dict[str, list[tuple[float, float, str]]]] = {
    0: {"also": [(13.2, 0.1, "sleep")]},
    1: {"instead": [(-0.8, 2.6, "sleep"), (3.1, 1.4, "sleep")]},
    2: {"also": [(3.2, 2.5, "sleep")]},
    3: {"instead": [(-1.0, 7.2, "long_sleep"), (-0.6, 7.6, "long_sleep")]},
    4: {"also": [(15.0, 0.02, "sleep"), (17.1, 0.2, "sleep")]},
    5: {"instead": [(-1.0, 7.0, "deleted"), (-0.9, 6.8, "long_sleep"), (12.0, 0.5, "rest")]},
}


def _exercises(life: Life, day: date, zone: ZoneInfo, rng: random.Random) -> Iterator[Exercise]:
    main = 9.5 if "naps" in life.person.habits else 10.2
    hours = [(main, rng.uniform(66, 84), True), (12.4, rng.uniform(10, 34), False)]
    if "athlete" in life.person.habits and day.toordinal() % 2:
        hours.append((17.5, rng.uniform(35, 55), True))
    for hour, minutes, tracked in hours:
        start = at(day, hour, zone) + 60 * rng.randrange(20)
        end = start + 60 * int(minutes)
        if end <= life.now:
            yield Exercise(start=start, end=end, tracked=tracked)


def _session(life: Life, day: date, zone: ZoneInfo, rng: random.Random) -> tuple[int, int] | None:
    if day.toordinal() % 3 or life.person.leaves_on(day):
        return None
    start = at(day, 19.5, zone) + rng.randrange(1800)
    end = start + rng.randrange(240, 700)
    return (start, end) if end <= life.now else None
