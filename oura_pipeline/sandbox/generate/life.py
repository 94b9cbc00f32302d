"""One person's life up to now: who they are, how they are, and what they do on each day."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.bedtimes import bedtimes, night
from oura_pipeline.sandbox.generate.condition import Condition, Draws, condition_on, draw, fever_on
from oura_pipeline.sandbox.generate.hypnogram import Hypnogram
from oura_pipeline.sandbox.generate.plan import BedPeriod, Exercise, Plan, wake_day
from oura_pipeline.sandbox.generate.traits import Traits, traits_of
from oura_pipeline.sandbox.people import Person
from oura_pipeline.sandbox.times import at


@dataclass
class Life:
    """The days of one person up to `now` (Unix seconds), outlined when first asked for."""

    person: Person
    first: date
    now: int
    seed: int
    _plans: dict[date, Plan] = field(default_factory=dict)
    _draws: dict[date, Draws] = field(default_factory=dict)
    _conditions: dict[date, Condition] = field(default_factory=dict)
    # Of each five minutes of a day, and of each period in bed, for several documents.
    classes: dict[date, bytes] = field(default_factory=dict)
    sleeps: dict[tuple[date, int], Hypnogram] = field(default_factory=dict)

    @cached_property
    def today(self) -> date:
        """The person's own date now."""
        return self.person.day_of(self.now)

    @cached_property
    def days(self) -> tuple[date, ...]:
        """Every day from the first to today."""
        count = (self.today - self.first).days + 1
        return tuple(self.first + timedelta(days=n) for n in range(count))

    @cached_property
    def traits(self) -> Traits:
        """What stays the same of this person."""
        return traits_of(self.rng("traits"), self.person.habits, self.person.zone_name)

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

    def draws(self, day: date) -> Draws:
        """What chance brings to one day."""
        if day not in self._draws:
            self._draws[day] = draw(self.rng("draws", day), self.traits, day)
        return self._draws[day]

    def condition(self, day: date) -> Condition:
        """How the person is on one day, the night before it included."""
        if day not in self._conditions:
            lag = _jet_lag(self.person, day)
            self._conditions[day] = condition_on(day, self.traits, self.draws, lag)
        return self._conditions[day]

    def rng(self, purpose: str, day: date | None = None) -> random.Random:
        """Return random numbers for one purpose, on one day or always."""
        # Seeded by the day: a longer history leaves the days of a shorter one as they were, and a
        # new purpose leaves the others.
        key = f"{self.seed}/{self.person.username}/{purpose}/{day or ''}"
        return random.Random(key)  # noqa: S311  made-up health data, not a secret

    def id(self, collection: str, *parts: object) -> str:
        """Return the id of a document: the same for the same seed, person and parts."""
        name = "/".join(map(str, (self.seed, self.person.username, collection, *parts)))
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def turn(self, day: date, every: int) -> int:
        """Return which day of a repeating cycle of `every` days this is."""
        return day.toordinal() % every


def _outline(life: Life, day: date) -> Plan:
    person, rng = life.person, life.rng("plan", day)
    zone = person.zone_on(day)
    worn = not _forgotten(life, day)
    asleep = "unfinished" in person.habits and day == life.today
    periods = tuple(_bed_periods(life, day, zone, rng)) if worn else ()
    moves = worn and not asleep
    return Plan(
        day=day,
        zone=zone,
        worn=worn,
        flies=person.leaves_on(day),
        bed_periods=periods,
        exercises=tuple(_exercises(life, day, zone, periods)) if moves else (),
        session=_session(life, day, zone, rng) if moves else None,
    )


def _forgotten(life: Life, day: date) -> bool:
    """Return whether the ring lies somewhere all day."""
    if "gaps" in life.person.habits:
        # Weekends now and then, and once in six weeks a stretch like those in real accounts.
        return day.toordinal() % 14 in (11, 12) or day.toordinal() % 45 in range(20, 26)
    if "forgets" in life.person.habits:
        # A day in forty, and often the next one too.
        yesterday = day - timedelta(days=1)
        return life.rng("forgets", day).random() < 0.025 or (
            life.rng("forgets", yesterday).random() < 0.01
        )
    return False


def _jet_lag(person: Person, day: date) -> float:
    """Return the hours by which the inner clock is behind, below 0 after a flight west."""
    for ago in range(6 if "travels" in person.habits else 0):
        came = day - timedelta(days=ago)
        if person.arrives_on(came):
            here, there = (at(came, 12, person.zone_on(came - timedelta(days=n))) for n in (0, 1))
            hours, recovered = (there - here) / 3600, studies.HOURS_RECOVERED_A_DAY * ago
            return max(abs(hours) - recovered, 0) * (1 if hours > 0 else -1)
    return 0.0


def _bed_periods(life: Life, day: date, zone: ZoneInfo, rng: random.Random) -> Iterator[BedPeriod]:
    habits = life.person.habits
    if "unfinished" in habits and day == life.today:
        yield _unfinished(life, zone)
        return
    usual = night(day, life.traits, life.condition(day), life.draws(day))
    for hour, hours, kind in bedtimes(usual, habits, day, arrives=life.person.arrives_on(day)):
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


def _exercises(
    life: Life, day: date, zone: ZoneInfo, periods: tuple[BedPeriod, ...]
) -> Iterator[Exercise]:
    traits, draws, rng = life.traits, life.draws(day), life.rng("exercise", day)
    fever = fever_on(day, life.draws)
    main = 9.5 if "naps" in life.person.habits else 17.6 if traits.in_the_evening else 10.2
    hours = [(12.4, rng.uniform(10, 34), "walking", False)]
    if draws.training and fever < 0.3:
        hours.append((main, draws.training, traits.sports[draws.sport], True))
    if "athlete" in life.person.habits and day.toordinal() % 2 and fever < 0.3:
        hours.append((17.5, rng.uniform(35, 55), traits.sports[1], True))
    up = max((p.end for p in periods if p.kind == "long_sleep"), default=0) + 1200
    for hour, minutes, sport, tracked in sorted(hours):
        start = max(at(day, hour, zone) + 60 * rng.randrange(20), up)
        end = start + 60 * int(minutes)
        in_bed = any(start < period.end and period.start < end for period in periods)
        if end <= life.now and not in_bed:
            up = end + 600
            yield Exercise(start=start, end=end, sport=sport, tracked=tracked)


def _session(life: Life, day: date, zone: ZoneInfo, rng: random.Random) -> tuple[int, int] | None:
    if day.toordinal() % 3 or life.person.leaves_on(day):
        return None
    start = at(day, 19.5, zone) + rng.randrange(1800)
    end = start + rng.randrange(240, 700)
    return (start, end) if end <= life.now else None
