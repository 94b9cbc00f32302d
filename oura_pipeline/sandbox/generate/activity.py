"""`daily_activity`: 24 hours from 04:00 local, minute by minute."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache

from oura_pipeline.sandbox.catalog import ACTIVITY_CONTRIBUTORS
from oura_pipeline.sandbox.generate import movement, scores, studies
from oura_pipeline.sandbox.generate.blank import Document, blank_on_sparse_day
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Plan
from oura_pipeline.sandbox.times import document_time, series_time

# MET of a minute in each class: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high.
_METS = (0.1, 0.92, 1.25, 2.1, 4.2, 7.4)
# Metres and steps a second, on average over what people do in such minutes.
_SPEEDS = (0, 0, 0, 0.11, 1.1, 2.1)
_STEPS = (0, 0, 0, 0.21, 1.3, 2.1)


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
    blocks = movement.classes(life, plan)[: -(-minutes // 5)]
    mets = _mets(blocks, rng)[:minutes]
    seconds = [300 * blocks.count(level) for level in range(6)]
    seconds[blocks[-1]] -= 300 * len(blocks) - 60 * minutes
    distances = _distances(life, plan, seconds, rng)
    start = plan.at(4)
    return {
        "id": life.id("daily_activity", plan.day),
        "class_5_min": "".join(map(str, blocks)),
        **_scores(life, plan, distances, seconds),
        "average_met_minutes": round(sum(mets) / minutes, 3),
        **distances,
        **_durations(seconds),
        # One for each hour or so of sitting too long.
        "inactivity_alerts": max(seconds[2] // 3600 - 7, 0) // 2 if plan.worn else 0,
        # A value a minute makes nine tenths of the document's size, as in recorded ones.
        "met": {"interval": 60.0, "items": mets, "timestamp": series_time(start, plan.zone)},
        "day": plan.day.isoformat(),
        "timestamp": document_time(start, plan.zone),
    }


def _mets(blocks: bytes, rng: random.Random) -> list[float]:
    pools, bits = _met_pools(), rng.randbytes(len(blocks))
    return [met for block, bit in zip(blocks, bits, strict=True) for met in pools[block][bit]]


@cache
def _met_pools() -> list[list[tuple[float, ...]]]:
    # Five minutes at a time, which is several times faster than a minute at a time.
    rng = random.Random("met")  # noqa: S311  no secret
    return [
        [tuple(round(met * (0.9 + 0.25 * rng.random()), 3) for _ in range(5)) for _ in range(256)]
        for met in _METS
    ]


def _scores(life: Life, plan: Plan, distances: Document, seconds: list[int]) -> Document:
    if not plan.worn:
        return {"score": None, "contributors": dict.fromkeys(ACTIVITY_CONTRIBUTORS)}
    share = distances["active_calories"] / distances["target_calories"]
    contributors = scores.activity_contributors(life, plan, share, seconds[2])
    return {"score": scores.activity_score(contributors), "contributors": contributors}


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


def _distances(life: Life, plan: Plan, seconds: list[int], rng: random.Random) -> Document:
    # Energy follows from the MET above 1.5 and the weight; the distance is what walking would have
    # cost as much; steps are steps, of which a bicycle takes none.
    traits = life.traits
    above = sum(s / 60 * max(met - 1.5, 0) for s, met in zip(seconds, _METS, strict=True))
    moved = int(_sum(seconds, _SPEEDS))
    target = 9000 if "athlete" in life.person.habits else 8500 + 500 * round(traits.fitness)
    burnt = int(above * traits.weight / 60 * 1.05)
    worn_out = int(sum(seconds) / 86400 * 1.2 * traits.resting_calories)
    return {
        "active_calories": burnt,
        "equivalent_walking_distance": moved,
        # Negative for someone who walked further: -3500 was seen.
        "meters_to_target": target - moved,
        "steps": _steps(plan, seconds, rng),
        "target_calories": 500 if "athlete" in life.person.habits else 400,
        "target_meters": target,
        "total_calories": worn_out + burnt,
    }


def _steps(plan: Plan, seconds: list[int], rng: random.Random) -> int:
    steps = _sum(seconds, _STEPS)
    counted = plan.at(4) + sum(seconds)
    for exercise in plan.exercises:
        if exercise.end <= counted:
            usual = 60 * _STEPS[movement.level_of(exercise)]
            minutes = (exercise.end - exercise.start) / 60
            steps += minutes * (studies.SPORTS[exercise.sport][1] - usual)
    # Arms that swing, and trolleys that do not let them.
    return int(max(steps, 0) * math.exp(rng.gauss(0, 0.12)))


def _sum(seconds: list[int], rates: tuple[float, ...]) -> float:
    return sum(s * rate for s, rate in zip(seconds, rates, strict=True))
