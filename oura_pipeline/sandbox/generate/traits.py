"""What stays the same of a person: body, inner clock, and how they like to live."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.people import Habit

_SPORTS = tuple(sport for sport in studies.SPORTS if sport != "walking")
# A sandbox's people live in these; enough for their winters to be in the right months.
_SOUTHERN = ("Australia/", "America/Sao_Paulo", "Pacific/Auckland", "Pacific/Tongatapu")


@dataclass(frozen=True, kw_only=True)
class Traits:
    """One person as they usually are. Hours are hours of the day."""

    female: bool
    age: int
    weight: float
    height: float
    southern: bool
    # How far above the others, in standard deviations.
    fitness: float
    # Asleep: ms RMSSD and bpm. Awake and still the heart rate is higher by the dip.
    hrv: float
    heart_rate: float
    dip: float
    breath: float
    oxygen: float
    disturbances: float
    hours_in_bed: float
    mid_sleep: float
    alarm: float
    deep_share: float
    rem_share: float
    awake_minutes: float
    latency_minutes: float
    # Shares of days, minutes and g/kg.
    trains: float
    training_minutes: float
    sports: tuple[str, str]
    in_the_evening: bool
    drinks: float
    dose: float
    late_meals: float
    briskness: float
    # Days and a day of the cycle to begin with; none without a cycle.
    cycle: tuple[float, float] | None

    @property
    def highest_heart_rate(self) -> float:
        return studies.HIGHEST_HEART + studies.HIGHEST_HEART_A_YEAR * self.age

    @property
    def awake_heart_rate(self) -> float:
        """The heart rate of sitting still, bpm."""
        return self.heart_rate / (1 - self.dip)

    @property
    def resting_calories(self) -> float:
        """The energy of a day at rest, kcal."""
        # Mifflin et al. 1990, Am J Clin Nutr.
        of_sex = -161 if self.female else 5
        return 10 * self.weight + 625 * self.height - 5 * self.age + of_sex


def traits_of(rng: random.Random, habits: frozenset[Habit], zone_name: str) -> Traits:
    """Draw a person."""
    female, age = rng.random() < 0.5, rng.randrange(24, 64)
    decades = (age - 30) / 10
    height = rng.gauss(1.66 if female else 1.79, 0.065)
    fitness = rng.uniform(1.2, 2) if "athlete" in habits else rng.gauss(0, 0.8)
    variability = rng.gauss(0, 1)
    return Traits(
        female=female,
        age=age,
        height=round(height, 2),
        weight=round(max(rng.gauss(24.5 - fitness, 2.5), 18.5) * height**2, 1),
        southern=zone_name.startswith(_SOUTHERN),
        fitness=fitness,
        **_heart(rng, age, female=female, fitness=fitness, variability=variability),
        **_sleep(rng, decades),
        **_ways(rng, fitness, habits),
        cycle=_cycle(rng) if female and age < 50 and rng.random() < 0.8 else None,
    )


def _heart(
    rng: random.Random, age: int, *, female: bool, fitness: float, variability: float
) -> dict[str, Any]:
    usual = _rmssd(age) * 2.718 ** (
        studies.RMSSD_SPREAD * variability + studies.RMSSD_OF_FITNESS * fitness
    )
    heart = (
        studies.HEART_ASLEEP
        + studies.HEART_OF_WOMEN * female
        + studies.HEART_OF_FITNESS * fitness
        # Who has a slow heart has a variable one.
        - 2 * variability
        + rng.gauss(0, studies.HEART_SPREAD)
    )
    return {
        "hrv": min(max(usual, 14), 130),
        "heart_rate": min(max(heart, 42), 72),
        "dip": min(max(rng.gauss(studies.DIP, studies.DIP_SPREAD), 0.095), 0.145),
        "breath": rng.gauss(14.8, 1.1),
        "oxygen": rng.uniform(96, 98.2),
        "disturbances": rng.uniform(2, 11),
    }


def _rmssd(age: int) -> float:
    """Return the RMSSD of an age, between those of the decades."""
    table = studies.RMSSD_BY_AGE
    for (younger, high), (older, low) in pairwise(table):
        if age <= older:
            return high + (low - high) * (max(age, younger) - younger) / (older - younger)
    return table[-1][1]


def _sleep(rng: random.Random, decades: float) -> dict[str, Any]:
    asleep = rng.gauss(
        studies.SLEEP_HOURS + studies.SLEEP_HOURS_A_DECADE * decades, studies.SLEEP_HOURS_SPREAD
    )
    mid = rng.gauss(
        studies.MID_SLEEP + studies.MID_SLEEP_A_DECADE * decades, studies.MID_SLEEP_SPREAD
    )
    awake = studies.AWAKE_MINUTES + studies.AWAKE_MINUTES_A_DECADE * decades
    latency = rng.uniform(6, 18)
    awake = max(awake * rng.uniform(0.7, 1.3), 12)
    return {
        "hours_in_bed": max(asleep, 6.4) + (awake + latency) / 60,
        "mid_sleep": min(max(mid, 2.9), 5.8),
        "alarm": min(max(rng.gauss(7.1, 0.5), 5.8), 8.2),
        "deep_share": max(studies.DEEP_SHARE + studies.DEEP_SHARE_A_DECADE * decades, 0.1)
        * rng.uniform(0.85, 1.15),
        "rem_share": studies.REM_SHARE * rng.uniform(0.87, 1.13),
        "awake_minutes": awake,
        "latency_minutes": latency,
    }


def _ways(rng: random.Random, fitness: float, habits: frozenset[Habit]) -> dict[str, Any]:
    # One in five drinks nothing.
    drinks = 0.0 if rng.random() < 0.2 else rng.uniform(0.08, 0.3)
    first, second = rng.sample(_SPORTS, k=2)
    # Who naps, flies or lies in bed at noon trains in the morning.
    return {
        "trains": min(max(0.68 + 0.13 * fitness, 0.35), 0.92),
        "training_minutes": min(max(58 + 9 * fitness + rng.gauss(0, 8), 35), 80),
        "sports": (first, second),
        "in_the_evening": habits <= {"gaps", "forgets"} and rng.random() < 0.5,
        "drinks": drinks,
        "dose": rng.uniform(0.25, 0.6),
        "late_meals": rng.uniform(0.04, 0.16),
        "briskness": rng.gauss(0.12 * fitness, 0.25),
    }


def _cycle(rng: random.Random) -> tuple[float, float]:
    length = min(max(rng.gauss(studies.CYCLE_DAYS, 2), 25), 35)
    return length, rng.uniform(0, length)
