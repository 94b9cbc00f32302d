"""How a day was moved through: a class for each five minutes from 04:00."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import timedelta

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Exercise, Plan

BLOCKS = 288


def classes(life: Life, plan: Plan) -> bytes:
    """Return 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium or 5 high for each five minutes."""
    if plan.day not in life.classes:
        life.classes[plan.day] = bytes(_classes(life, plan) if plan.worn else BLOCKS)
    return life.classes[plan.day]


def _classes(life: Life, plan: Plan) -> list[int]:
    rng, start = life.rng("classes", plan.day), plan.at(4)
    found = _awake(life, plan, rng)
    for begin, end, level in _stretches(life, plan):
        low, high = (begin - start) // 300, -(-(end - start) // 300)
        for block in range(max(low, 0), min(high, BLOCKS)):
            found[block] = level if level != 4 or rng.random() < 0.75 else 5
    return found


def _awake(life: Life, plan: Plan, rng: random.Random) -> list[int]:
    """Return a day on one's feet, at a desk and on a sofa, each for a while."""
    condition, traits = life.condition(plan.day), life.traits
    # Tudor-Locke et al. 2004, Ann Behav Med: people walk less in winter.
    lively = math.exp(0.36 * condition.activity + traits.briskness - 0.08 * condition.winter)
    chance = rng.random
    found: list[int] = []
    while len(found) < BLOCKS:
        # From 20:00 on.
        late = len(found) >= 192
        found += [_next(chance(), lively * (0.55 if late else 1), late=late)] * int(
            1 + 4 * chance()
        )
    return found[:BLOCKS]


def _next(part: float, lively: float, *, late: bool) -> int:
    """Return what somebody does for a while, by a number from 0 to 1."""
    total = 70 + 31 * lively
    part *= total
    if part < 70:
        return 1 if part < (21 if late else 4) else 2
    part = (part - 70) / lively
    return 3 if part < 27.5 else 4 if part < 30.7 else 5


def _stretches(life: Life, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Stretches of the day with a class of their own: the charger, the flight, exercise, sleep."""
    if plan.night and life.rng("charger", plan.day).random() < 0.3:
        yield plan.night.end + 900, plan.night.end + 3000, 0
    if plan.flies:
        yield plan.at(14), plan.at(28), 0
    for exercise in plan.exercises:
        yield exercise.start, exercise.end, level_of(exercise)
    # The night after belongs to this day until 04:00.
    following = life.plan(min(plan.day + timedelta(days=1), life.today))
    for bed_period in (*plan.bed_periods, *following.bed_periods):
        yield bed_period.start, bed_period.end, 1


def level_of(exercise: Exercise) -> int:
    """Return the class of a workout; of one of class 4 parts are of class 5."""
    met = studies.SPORTS[exercise.sport][0]
    return 5 if met > 8 else 4 if met > 3 else 3
