"""`daily_activity`: 24 hours from 04:00 local, minute by minute.

Today's document ends now. Seconds per class add up to the minutes the day has had, and someone who
walked further than asked has a negative `meters_to_target`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from oura_pipeline.sandbox.generate.blank import blank, is_blank_day
from oura_pipeline.sandbox.generate.life import Life, Plan
from oura_pipeline.sandbox.times import document_time, series_time

Document = dict[str, Any]

# MET of a minute in each class: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high.
_METS = (0.1, 0.92, 1.25, 2.1, 4.2, 7.4)


def daily_activity(life: Life) -> Iterator[Document]:
    """Every day whose 04:00 has passed, and of an unworn stretch only every other day."""
    for plan in life.plans():
        minutes = min(1440, (life.now - plan.at(4)) // 60)
        if minutes <= 0 or (not plan.worn and plan.day.toordinal() % 2):
            continue
        document = _document(life, plan, minutes)
        if is_blank_day(life.person.habits, plan.day.toordinal()):
            blank("daily_activity", document)
        yield document


def _document(life: Life, plan: Plan, minutes: int) -> Document:
    rng = life.rng("daily_activity", plan.day)
    blocks = _classes(life, plan, -(-minutes // 5), rng)
    mets = [round(_METS[blocks[m // 5]] * (0.9 + 0.25 * rng.random()), 3) for m in range(minutes)]
    seconds = [0] * 6
    for minute in range(minutes):
        seconds[blocks[minute // 5]] += 60
    start = plan.at(4)
    return {
        "id": life.id("daily_activity", plan.day),
        "class_5_min": "".join(map(str, blocks)),
        **_scores(rng, plan.worn),
        "average_met_minutes": round(sum(mets) / minutes, 3),
        **_distances(seconds, rng, athlete="athlete" in life.person.habits),
        **_durations(seconds),
        "inactivity_alerts": rng.randrange(0, 5) if plan.worn else 0,
        "met": {"interval": 60.0, "items": mets, "timestamp": series_time(start, plan.zone)},
        "day": plan.day.isoformat(),
        "timestamp": document_time(start, plan.zone),
    }


def _scores(rng: random.Random, worn: bool) -> Document:
    names = (
        "meet_daily_targets",
        "move_every_hour",
        "recovery_time",
        "stay_active",
        "training_frequency",
        "training_volume",
    )
    return {
        "score": rng.randrange(50, 99) if worn else None,
        "contributors": {name: rng.randrange(30, 101) if worn else None for name in names},
    }


def _durations(seconds: list[int]) -> Document:
    """Seconds, and MET-minutes above rest, of each class."""
    above = [int(s / 60 * max(met - 1, 0)) for s, met in zip(seconds, _METS, strict=True)]
    return {
        "non_wear_time": seconds[0],
        "resting_time": seconds[1],
        "sedentary_time": seconds[2],
        "sedentary_met_minutes": above[2],
        "low_activity_time": seconds[3],
        "low_activity_met_minutes": above[3],
        "medium_activity_time": seconds[4],
        "medium_activity_met_minutes": above[4],
        "high_activity_time": seconds[5],
        "high_activity_met_minutes": above[5],
    }


def _distances(seconds: list[int], rng: random.Random, *, athlete: bool) -> Document:
    """Steps, metres and kilocalories that follow from the time spent moving."""
    moved = seconds[3] * 0.25 + seconds[4] * 1.3 + seconds[5] * 2.4
    target = 9000 if athlete else 14000
    burnt = int(moved / 14) + rng.randrange(40)
    worn_out = int(sum(seconds) / 86400 * 1750)
    return {
        "active_calories": burnt,
        "equivalent_walking_distance": int(moved),
        "meters_to_target": target - int(moved),
        "steps": int(moved * 1.25),
        "target_calories": 500 if athlete else 400,
        "target_meters": target,
        "total_calories": worn_out + burnt,
    }


def _classes(life: Life, plan: Plan, blocks: int, rng: random.Random) -> list[int]:
    """The class of each five minutes from 04:00."""
    start = plan.at(4)
    if not plan.worn:
        return [0] * blocks
    classes = rng.choices((2, 3, 4, 0), (60, 34, 5, 1), k=blocks)
    for begin, end, level in _stretches(life, plan):
        low, high = (begin - start) // 300, -(-(end - start) // 300)
        for block in range(max(low, 0), min(high, blocks)):
            classes[block] = level if level < 4 else rng.choice((4, 5))
    return classes


def _stretches(life: Life, plan: Plan) -> Iterator[tuple[int, int, int]]:
    """Stretches of the day with a class of their own: the flight, exercise, sleep."""
    if plan.flies:
        yield plan.at(14), plan.at(28), 0
    for exercise in plan.exercises:
        yield exercise.start, exercise.end, 4
    following = life.plan(life.days[-1] if plan.day == life.today else _next(life, plan))
    for bed_period in (*plan.bed_periods, *following.bed_periods):
        yield bed_period.start, bed_period.end, 1


def _next(life: Life, plan: Plan) -> Any:
    return life.days[life.days.index(plan.day) + 1]
