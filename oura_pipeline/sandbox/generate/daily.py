"""The once-a-day documents except activity.

A day without a night has no sleep or readiness document. Stress and resilience are kept in the
background and exist for every worn day; today's stress is 0/0 without a summary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from oura_pipeline.sandbox.generate.blank import blank, is_blank_day
from oura_pipeline.sandbox.generate.life import Life, Plan
from oura_pipeline.sandbox.generate.sleep import readiness_contributors
from oura_pipeline.sandbox.times import document_time, local, midnight

Document = dict[str, Any]


def daily_readiness(life: Life) -> Iterator[Document]:
    """How ready; `temperature_*` in degrees Celsius."""
    for plan, rng in _days(life, "daily_readiness", after_a_night=True):
        document: Document = {
            "id": life.id("daily_readiness", plan.day),
            "contributors": readiness_contributors(rng),
            "day": plan.day.isoformat(),
            "score": rng.randrange(52, 97),
            "temperature_deviation": round(rng.gauss(0, 0.25), 2),
            "temperature_trend_deviation": round(rng.gauss(0, 0.12), 2),
            "timestamp": _stamp(life, plan),
        }
        if rng.random() < 0.04:
            document["temperature_trend_deviation"] = None
        yield _blank_on_sparse_day(life, "daily_readiness", plan, document)


def daily_sleep(life: Life) -> Iterator[Document]:
    """The sleep score; contributors are scores too, not durations."""
    for plan, rng in _days(life, "daily_sleep", after_a_night=True):
        document: Document = {
            "id": life.id("daily_sleep", plan.day),
            "contributors": {name: rng.randrange(40, 101) for name in _SLEEP_SCORES},
            "day": plan.day.isoformat(),
            "score": rng.randrange(55, 95),
            "timestamp": _stamp(life, plan),
        }
        yield _blank_on_sparse_day(life, "daily_sleep", plan, document)


_SLEEP_SCORES = (
    "deep_sleep",
    "efficiency",
    "latency",
    "rem_sleep",
    "restfulness",
    "timing",
    "total_sleep",
)


def daily_spo2(life: Life) -> Iterator[Document]:
    """Oxygen in the blood in percent, with all three ways in which Oura says "not measured"."""
    for plan, rng in _days(life, "daily_spo2", after_a_night=True):
        percent: Document | None = {"average": round(rng.uniform(94, 99), 3)}
        disturbances: int | None = rng.randrange(0, 18)
        empty = _SPO2_EMPTY.get(life.turn(plan.day, 14)) if "gaps" in life.person.habits else None
        if empty:
            percent, disturbances = empty[0], None
        document: Document = {
            "id": life.id("daily_spo2", plan.day),
            "breathing_disturbance_index": disturbances,
            "day": plan.day.isoformat(),
            "spo2_percentage": percent,
        }
        yield _blank_on_sparse_day(life, "daily_spo2", plan, document)


_SPO2_EMPTY: dict[int, tuple[Document | None]] = {
    1: ({"average": None},),
    5: (None,),
    9: ({"average": 0.0},),
}


def daily_stress(life: Life) -> Iterator[Document]:
    """Seconds of high stress and high recovery, always in quarters of an hour."""
    for plan, rng in _days(life, "daily_stress"):
        running = plan.day == life.today
        stress = 0 if running else 900 * rng.randrange(0, 14)
        recovery = 0 if running else 900 * rng.randrange(0, 14)
        document: Document = {
            "id": life.id("daily_stress", plan.day),
            "day": plan.day.isoformat(),
            "stress_high": stress,
            "recovery_high": recovery,
            "day_summary": None if running else _summary(stress, recovery),
        }
        yield _blank_on_sparse_day(life, "daily_stress", plan, document)


def _summary(stress: int, recovery: int) -> str:
    if stress > recovery + 2700:
        return "stressful"
    return "restored" if recovery > stress + 2700 else "normal"


def daily_resilience(life: Life) -> Iterator[Document]:
    """A level and three scores with one decimal, 0 to 100."""
    levels = ("limited", "adequate", "solid", "strong", "exceptional")
    for plan, rng in _days(life, "daily_resilience", after_a_night=True):
        scores = [round(rng.uniform(5, 100), 1) for _ in range(3)]
        yield {
            "id": life.id("daily_resilience", plan.day),
            "day": plan.day.isoformat(),
            "contributors": {
                "sleep_recovery": scores[0],
                "daytime_recovery": scores[1],
                "stress": scores[2],
            },
            "level": levels[min(int(sum(scores) / 60), 4)],
        }


def daily_cardiovascular_age(life: Life) -> Iterator[Document]:
    """Age of the vessels in years and pulse wave velocity in m/s."""
    for plan, rng in _days(life, "daily_cardiovascular_age", after_a_night=True):
        document: Document = {
            "id": life.id("daily_cardiovascular_age", plan.day),
            "day": plan.day.isoformat(),
            "pulse_wave_velocity": round(rng.uniform(6, 8), 3),
            "vascular_age": rng.randrange(28, 46),
        }
        yield _blank_on_sparse_day(life, "daily_cardiovascular_age", plan, document)


def sleep_time(life: Life) -> Iterator[Document]:
    """Advice about bedtime; a window (seconds from midnight) is the exception."""
    for plan, rng in _days(life, "sleep_time", after_a_night=True):
        found = life.turn(plan.day, 4) == 0
        window = {"day_tz": _offset(plan), "end_offset": -900, "start_offset": -5400}
        document: Document = {
            "id": life.id("sleep_time", plan.day),
            "day": plan.day.isoformat(),
            "optimal_bedtime": window if found else None,
            "recommendation": "follow_optimal_bedtime" if found else rng.choice(_ADVICE),
            "status": "optimal_found" if found else rng.choice(_STATUSES),
        }
        yield _blank_on_sparse_day(life, "sleep_time", plan, document)


_ADVICE = ("improve_efficiency", "earlier_bedtime", "later_bedtime", "earlier_wake_up_time")
_STATUSES = ("not_enough_nights", "bad_sleep_quality", "only_recommended_found")


def vo2_max(life: Life) -> Iterator[Document]:
    """Oxygen uptake in ml/kg/min, measured every fifth day."""
    for plan, rng in _days(life, "vO2_max"):
        if life.turn(plan.day, 5) == 0:
            yield {
                "id": life.id("vO2_max", plan.day),
                "day": plan.day.isoformat(),
                "timestamp": _stamp(life, plan),
                "vo2_max": rng.randrange(34, 56),
            }


def _days(
    life: Life, purpose: str, *, after_a_night: bool = False
) -> Iterator[tuple[Plan, random.Random]]:
    for plan in life.worn():
        if plan.night or not after_a_night:
            yield plan, life.rng(purpose, plan.day)


def _stamp(life: Life, plan: Plan) -> str:
    """A `timestamp` as Oura writes it: mostly midnight UTC, for some midnight where they are.

    A traveller's is midnight UTC in the local offset, whose date is the day before in the west.
    """
    if "travels" in life.person.habits:
        return document_time(midnight(plan.day), plan.zone)
    if "athlete" in life.person.habits:
        return document_time(plan.at(0), plan.zone)
    return f"{plan.day}T00:00:00+00:00"


def _offset(plan: Plan) -> int:
    return int((local(plan.at(12), plan.zone).utcoffset() or timedelta()).total_seconds())


def _blank_on_sparse_day(life: Life, collection: str, plan: Plan, document: Document) -> Document:
    """`document`, or its blank on the sparse person's day."""
    if is_blank_day(life.person.habits, plan.day.toordinal()):
        return blank(collection, document)
    return document
