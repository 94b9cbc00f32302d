"""The people of the sandbox: synthetic names, real time zones, and what is awkward about each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from oura_pipeline.sandbox.catalog import names
from oura_pipeline.sandbox.times import at, local

Habit = Literal[
    "naps",
    "athlete",
    "travels",
    "gaps",
    "sparse",
    "unfinished",
    "doubled",
    "fragments",
    "newcomer",
    "forgets",
]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone with a ring."""

    # Ours: Oura knows no names.
    username: str
    # What `personal_info` and webhook events call them: how a client tells whose token it has.
    id: str
    zone_name: str
    habits: frozenset[Habit]
    away_zone_name: str = "Africa/Lagos"

    def zone_on(self, day: date) -> ZoneInfo:
        """Return where this person wakes on `day`; the night before was at the same place."""
        # By the date's ordinal, not by its distance from today: yesterday's history must be the
        # same tomorrow. So it is wherever a day of a cycle decides what happens.
        away = "travels" in self.habits and day.toordinal() % 21 in range(9, 14)
        return ZoneInfo(self.away_zone_name if away else self.zone_name)

    def leaves_on(self, day: date) -> bool:
        """Return whether this person flies to the other zone in the afternoon of `day`."""
        return self.zone_on(day) != self.zone_on(day + timedelta(days=1))

    def arrives_on(self, day: date) -> bool:
        """Return whether `day` is the first in the other zone: a short, late night."""
        return self.leaves_on(day - timedelta(days=1))

    def zone_at(self, instant: float) -> ZoneInfo:
        """Return the zone of this person's clock at `instant`."""
        if "travels" not in self.habits:
            return ZoneInfo(self.zone_name)
        # Every zone's full hour is a quarter of an hour in UTC, so a quarter has one answer.
        # Cached, because every heart-rate row needs it.
        return _zone_in_quarter(self, int(instant // 900))

    def zone_now(self, instant: float) -> ZoneInfo:
        """Return the same as `zone_at`, uncached."""
        home = ZoneInfo(self.zone_name)
        day = local(instant, home).date() - timedelta(days=1)
        zone = self.zone_on(day)
        for later in (day, day + timedelta(days=1), day + timedelta(days=2)):
            # The flight leaves at 14:00.
            if instant >= at(later, 14, self.zone_on(later)):
                zone = self.zone_on(later + timedelta(days=1))
        return zone

    def day_of(self, instant: float) -> date:
        """Return this person's own date at `instant`."""
        return local(instant, self.zone_at(instant)).date()


@lru_cache(maxsize=65536)
def _zone_in_quarter(person: Person, quarter: int) -> ZoneInfo:
    return person.zone_now(quarter * 900)


# These five carry every awkward case: naps and a change of clocks; a zone in which UTC's date is
# the next day by 14:00; flights across six hours; gaps and an offset of 5:45; missing values, a
# night that has not ended, and a zone in which 04:00 is still UTC's yesterday.
_FIRST_FIVE: tuple[tuple[str, str, frozenset[Habit]], ...] = (
    ("runa", "Europe/Berlin", frozenset({"naps"})),
    ("koa", "Pacific/Honolulu", frozenset({"athlete"})),
    ("milo", "America/Bogota", frozenset({"travels"})),
    ("asha", "Asia/Kathmandu", frozenset({"gaps"})),
    ("sione", "Pacific/Tongatapu", frozenset({"sparse", "unfinished"})),
)
# More of them, for whoever asks: each night of every third day twice under two ids; flights between
# Berlin and Tokyo; a clock that always shows UTC; sleeps of minutes, sleeps that overlap and days
# without a long one; and a ring that is three weeks old.
_AWKWARD: tuple[tuple[str, str, str, frozenset[Habit]], ...] = (
    ("enno", "Europe/Berlin", "Africa/Lagos", frozenset({"doubled"})),
    ("yuki", "Europe/Berlin", "Asia/Tokyo", frozenset({"travels"})),
    ("ulla", "UTC", "Africa/Lagos", frozenset({"naps"})),
    ("ines", "Europe/Lisbon", "Africa/Lagos", frozenset({"fragments"})),
    ("nils", "Europe/Oslo", "Africa/Lagos", frozenset({"newcomer"})),
)
_ZONES = names(
    "Europe/Helsinki America/Denver Asia/Tokyo Europe/London Australia/Adelaide America/Sao_Paulo"
    " America/New_York Europe/Lisbon Africa/Nairobi Asia/Kolkata America/St_Johns Pacific/Auckland"
    " Asia/Dubai America/Los_Angeles Asia/Singapore"
)
# Joined, they make 168 names; after that a number follows.
_STARTS = ("bel", "dor", "fen", "gal", "hes", "jor", "kel", "lum", "nor", "pel", "ros", "sol")
_ENDS = ("a", "an", "bri", "do", "en", "gard", "is", "lo", "mir", "na", "or", "ric", "ta", "um")


def synthetic_people(count: int, *, seed: int) -> list[Person]:
    """Return `count` people, for a seed the same; the first five are always the same five."""
    return [_person(index, seed) for index in range(count)]


def awkward_people(*, seed: int) -> list[Person]:
    """Return the people whose data is odd in ways that no other's is."""
    return [
        Person(
            username=username,
            id=person_id(username, seed),
            zone_name=zone,
            away_zone_name=away,
            habits=habits,
        )
        for username, zone, away, habits in _AWKWARD
    ]


def _person(index: int, seed: int) -> Person:
    if index < len(_FIRST_FIVE):
        username, zone, habits = _FIRST_FIVE[index]
    else:
        username, zone, habits = _further(index - len(_FIRST_FIVE))
    user_id = person_id(username, seed)
    return Person(username=username, id=user_id, zone_name=zone, habits=habits)


def _further(index: int) -> tuple[str, str, frozenset[Habit]]:
    turn, name = divmod(index, len(_STARTS) * len(_ENDS))
    username = _STARTS[name % len(_STARTS)] + _ENDS[name // len(_STARTS)] + (str(turn) * bool(turn))
    habits: tuple[tuple[Habit, ...], ...] = (("forgets",), ("naps",), ("gaps",), ("athlete",))
    zone = _ZONES[index % len(_ZONES)]
    return username, zone, frozenset(habits[index % len(habits)])


def person_id(username: str, seed: int) -> str:
    """Return an id in the shape of Oura's: 38 characters, no UUID."""
    digest = hashlib.sha256(f"{seed}/{username}".encode()).hexdigest()
    return f"{digest[:12]}-{digest[12:37]}"
