"""Heart rate and its variability, asleep and awake."""

from __future__ import annotations

import random
from typing import NamedTuple

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.condition import Condition
from oura_pipeline.sandbox.generate.hypnogram import Hypnogram


class Beats(NamedTuple):
    """Heart rate (bpm) and variability (ms) of every five minutes."""

    rates: list[float]
    variabilities: list[float]


# Boudreau et al. 2013, Sleep: the heart is slower in deep sleep than in REM, and its variability
# lowest there. By phase, bpm to add and a factor for the variability.
_RATE = {"1": -1.0, "2": -0.3, "3": 1.4, "4": 5.5}
_VARIABILITY = {"1": 1.06, "2": 1.03, "3": 0.9, "4": 0.86}


def asleep(
    hypnogram: Hypnogram, condition: Condition, rng: random.Random, *, is_nap: bool
) -> Beats:
    """Return the series of a sleep, which carries on from one value to the next."""
    chance, count = rng.random, hypnogram.seconds // 300
    level = condition.heart_rate + 4 * is_nap
    alcohol = studies.ALCOHOL_HEART * condition.alcohol
    late_meal = studies.LATE_MEAL_HEART * condition.late_meal
    lower = studies.ALCOHOL_RMSSD * condition.alcohol
    usual = condition.hrv * (0.88 if is_nap else 1)
    rates, variabilities = [], []
    wander = swing = 0.0
    for number, phase in zip(range(count), hypnogram.phases, strict=False):
        part = number / count
        wander = 0.75 * wander + 3.1 * (chance() - 0.5)
        swing = 0.6 * swing + 0.55 * (chance() - 0.5)
        # Down to a lowest point in the last third, and up before waking.
        course = 3.5 - 13 * part + 9 * part * part
        # What was drunk and eaten wears off.
        left = 1.1 - 0.85 * part
        rate = level + course + _RATE[phase] + (alcohol + 1.2 * late_meal) * left + wander
        variability = usual * (0.92 + 0.16 * part) * _VARIABILITY[phase] * (1 - lower * left)
        rates.append(round(max(rate, 36), 3))
        variabilities.append(round(max(variability * (1 + swing), 6), 3))
    return Beats(rates, variabilities)
