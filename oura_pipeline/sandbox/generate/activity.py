"""`daily_activity`: 24 hours from 04:00 local, minute by minute."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

from oura_pipeline.sandbox.catalog import ACTIVITY_CONTRIBUTORS
from oura_pipeline.sandbox.generate.blank import Document, blank_on_sparse_day
from oura_pipeline.sandbox.generate.life import Life, Plan
from oura_pipeline.sandbox.times import document_time, series_time

# MET of a minute in each class: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high.
_METS = (0.1, 0.92, 1.25, 2.1, 4.2, 7.4)


def daily_activity(life: Life) -> Iterator[Document]:
    for plan in life.plans():
        # Today's document ends now and grows all day, as Oura's does.
        minutes = min(1440, (life.now - plan.at(4)) // 60)
        # Of days without the ring some have a document and some have none: both were seen.
        if minutes <= 0 or (not plan.worn and plan.day.toordinal() % 2):
            continue
        document = _document(life, plan, minutes)
        yield blank_on_sparse_day(life, plan, "daily_activity", document)


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
        # A value a minute makes nine tenths of the document's size, as in recorded ones.
        "met": {"interval": 60.0, "items": mets, "timestamp": series_time(start, plan.zone)},
        "day": plan.day.isoformat(),
        "timestamp": document_time(start, plan.zone),
    }


def _scores(rng: random.Random, worn: bool) -> Document:
    names = ACTIVITY_CONTRIBUTORS
    return {
        "score": rng.randrange(50, 99) if worn else None,
        "contributors": {name: rng.randrange(30, 101) if worn else None for name in names},
    }


def _durations(seconds: list[int]) -> Document:
    # Seconds in a class add up to the minutes that the day has had; MET minutes are those above
    # rest, as Oura counts them.
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
    # All of it follows from the time spent moving, so that no two fields contradict each other.
    moved = seconds[3] * 0.25 + seconds[4] * 1.3 + seconds[5] * 2.4
    target = 9000 if athlete else 14000
    burnt = int(moved / 14) + rng.randrange(40)
    worn_out = int(sum(seconds) / 86400 * 1750)
    return {
        "active_calories": burnt,
        "equivalent_walking_distance": int(moved),
        # Negative for someone who walked further: -3500 was seen.
        "meters_to_target": target - int(moved),
        "steps": int(moved * 1.25),
        "target_calories": 500 if athlete else 400,
        "target_meters": target,
        "total_calories": worn_out + burnt,
    }


def _classes(life: Life, plan: Plan, blocks: int, rng: random.Random) -> list[int]:
    """Return the class of each five minutes from 04:00."""
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
    # The night after belongs to this day until 04:00.
    following = life.plan(min(plan.day + timedelta(days=1), life.today))
    for bed_period in (*plan.bed_periods, *following.bed_periods):
        yield bed_period.start, bed_period.end, 1
