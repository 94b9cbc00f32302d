"""The once-a-day documents except activity."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from oura_pipeline.sandbox.generate import scores, studies
from oura_pipeline.sandbox.generate.blank import Document, blank_on_sparse_day
from oura_pipeline.sandbox.generate.condition import Draws
from oura_pipeline.sandbox.generate.hypnogram import Hypnogram
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Plan
from oura_pipeline.sandbox.generate.sleep import readiness, slept
from oura_pipeline.sandbox.times import document_time, local, midnight


def daily_readiness(life: Life) -> Iterator[Document]:
    for plan, rng, start in _days(life, "daily_readiness", after_a_night=True):
        number, phases = _night(life, plan)
        found = readiness(life, plan, number, phases)
        document: Document = {
            **start,
            "contributors": found.contributors,
            "score": found.score,
            "temperature_deviation": round(found.temperature, 2),
            "temperature_trend_deviation": round(found.trend, 2),
            "timestamp": _stamp(life, plan),
        }
        # Null in 86 of 2141 recorded days.
        if rng.random() < 0.04:
            document["temperature_trend_deviation"] = None
        yield blank_on_sparse_day(life, plan, "daily_readiness", document)


def daily_sleep(life: Life) -> Iterator[Document]:
    for plan, _rng, start in _days(life, "daily_sleep", after_a_night=True):
        number, phases = _night(life, plan)
        contributors = scores.sleep_contributors(life, plan.bed_periods[number], phases)
        document = {
            **start,
            "contributors": contributors,
            "score": scores.sleep_score(contributors),
            "timestamp": _stamp(life, plan),
        }
        yield blank_on_sparse_day(life, plan, "daily_sleep", document)


def daily_spo2(life: Life) -> Iterator[Document]:
    for plan, rng, start in _days(life, "daily_spo2", after_a_night=True):
        traits, condition = life.traits, life.condition(plan.day)
        average = min(traits.oxygen + rng.gauss(0, 0.4) - 0.5 * condition.fever, 99.6)
        percent: Document | None = {"average": round(average, 3)}
        often = traits.disturbances * rng.uniform(0.6, 1.4) * (1 + 0.5 * condition.alcohol)
        disturbances: int | None = round(often)
        empty = _SPO2_EMPTY.get(life.turn(plan.day, 14)) if "gaps" in life.person.habits else None
        if empty:
            percent, disturbances = empty[0], None
        document = {
            **start,
            "breathing_disturbance_index": disturbances,
            "spo2_percentage": percent,
        }
        yield blank_on_sparse_day(life, plan, "daily_spo2", document)


# The three ways in which Oura was seen to say "not measured", by day of the fortnight.
_SPO2_EMPTY: dict[int, tuple[Document | None]] = {
    1: ({"average": None},),
    5: (None,),
    9: ({"average": 0.0},),
}


def daily_stress(life: Life) -> Iterator[Document]:
    for plan, rng, start in _days(life, "daily_stress"):
        # Today's is 0 and 0 without a summary until the day is over.
        running = plan.day == life.today
        # Seconds, and always multiples of 900.
        strain = life.condition(plan.day).strain - 0.6 * (plan.day.weekday() >= 5)
        stress = 0 if running else _quarters(7 + 3 * strain, rng)
        recovery = 0 if running else _quarters(6 - 2.5 * strain, rng)
        document = {
            **start,
            "stress_high": stress,
            "recovery_high": recovery,
            "day_summary": None if running else _summary(stress, recovery),
        }
        yield blank_on_sparse_day(life, plan, "daily_stress", document)


def _quarters(mean: float, rng: random.Random) -> int:
    return 900 * max(round(rng.gauss(mean, 2)), 0)


def _summary(stress: int, recovery: int) -> str:
    if stress > recovery + 2700:
        return "stressful"
    return "restored" if recovery > stress + 2700 else "normal"


def daily_resilience(life: Life) -> Iterator[Document]:
    levels = ("limited", "adequate", "solid", "strong", "exceptional")
    for plan, rng, start in _days(life, "daily_resilience", after_a_night=True):
        # Of the last two weeks, so it changes slowly.
        fortnight = [life.condition(plan.day - timedelta(days=ago)) for ago in range(0, 14, 2)]
        strain = sum(condition.strain for condition in fortnight) / len(fortnight)
        debt = sum(condition.debt for condition in fortnight) / len(fortnight)
        fit = 60 + 10 * life.traits.fitness
        # The one document whose contributors are no whole numbers.
        found = (fit + 12 - 30 * debt, fit - 18 * strain, fit - 6 - 25 * strain)
        marks = [round(min(max(mark + rng.gauss(0, 1.5), 5), 100), 1) for mark in found]
        yield {
            **start,
            "contributors": {
                "sleep_recovery": marks[0],
                "daytime_recovery": marks[1],
                "stress": marks[2],
            },
            "level": levels[min(int(sum(marks) / 60), 4)],
        }


def daily_cardiovascular_age(life: Life) -> Iterator[Document]:
    for plan, _rng, start in _days(life, "daily_cardiovascular_age", after_a_night=True):
        strain = _of_a_month(life, plan.day, lambda draws: draws.strain)
        years = life.traits.age - 3 * life.traits.fitness + studies.VASCULAR_YEARS * strain
        document = {
            **start,
            # In m/s, and only since version 1.34 of the description.
            "pulse_wave_velocity": round(4.6 + 0.065 * years, 3),
            "vascular_age": round(years),
        }
        yield blank_on_sparse_day(life, plan, "daily_cardiovascular_age", document)


def sleep_time(life: Life) -> Iterator[Document]:
    for plan, rng, start in _days(life, "sleep_time", after_a_night=True):
        # A window is the exception: 19 of 19 recorded documents had none.
        found = life.turn(plan.day, 4) == 0
        # Seconds from midnight, negative in the evening.
        best = round(4 * (life.traits.alarm - life.traits.hours_in_bed)) * 900
        window = {
            "day_tz": _offset(plan),
            "end_offset": best + 1800,
            "start_offset": best - 2700,
        }
        document = {
            **start,
            "optimal_bedtime": window if found else None,
            "recommendation": "follow_optimal_bedtime" if found else rng.choice(_ADVICE),
            "status": "optimal_found" if found else rng.choice(_STATUSES),
        }
        yield blank_on_sparse_day(life, plan, "sleep_time", document)


_ADVICE = ("improve_efficiency", "earlier_bedtime", "later_bedtime", "earlier_wake_up_time")
_STATUSES = ("not_enough_nights", "bad_sleep_quality", "only_recommended_found")


def vo2_max(life: Life) -> Iterator[Document]:
    # Rarely estimated; no genuine recording shows how often. A whole number in ml/kg/min.
    traits = life.traits
    twenties = studies.VO2_MAX_OF_WOMEN if traits.female else studies.VO2_MAX_OF_MEN
    usual = twenties + studies.VO2_MAX_A_DECADE * (traits.age - 25) / 10
    usual += studies.VO2_MAX_SPREAD * traits.fitness
    for plan, _rng, start in _days(life, "vO2_max"):
        if life.turn(plan.day, 5) == 0:
            trained = _of_a_month(life, plan.day, lambda draws: draws.training)
            gained = studies.VO2_MAX_OF_TRAINING * (
                trained / (traits.trains * traits.training_minutes) - 1
            )
            yield {
                **start,
                "timestamp": _stamp(life, plan),
                "vo2_max": max(round(usual + gained), 15),
            }


def _of_a_month(life: Life, day: date, drawn: Callable[[Draws], float]) -> float:
    """Return the mean of the days before this one; a day counts more and more, and then less."""
    # So that none moves it by much when it comes or goes.
    weights = {ago: min(ago, studies.SLOW_DAYS - ago) for ago in range(1, studies.SLOW_DAYS)}
    days = ((weight, day - timedelta(days=ago)) for ago, weight in weights.items())
    return sum(weight * drawn(life.draws(one)) for weight, one in days) / sum(weights.values())


def _days(
    life: Life, collection: str, *, after_a_night: bool = False
) -> Iterator[tuple[Plan, random.Random, Document]]:
    """Yield each worn day with its random numbers and the fields that all documents have."""
    # A score of the night needs a night; stress is measured on every worn day.
    for plan in life.worn():
        if plan.night or not after_a_night:
            start = {"id": life.id(collection, plan.day), "day": plan.day.isoformat()}
            yield plan, life.rng(collection, plan.day), start


def _night(life: Life, plan: Plan) -> tuple[int, Hypnogram]:
    """Return which of its periods in bed a day's scores are of, and its phases."""
    assert plan.night
    number = plan.bed_periods.index(plan.night)
    return number, slept(life, plan, number)


def _stamp(life: Life, plan: Plan) -> str:
    # Three forms, all recorded, so that nobody takes a day from a timestamp. A traveller's is
    # midnight UTC in the local offset, in the west a date too low; older documents have local
    # midnight; most recent ones midnight UTC wherever the person is.
    if "travels" in life.person.habits:
        return document_time(midnight(plan.day), plan.zone)
    if "athlete" in life.person.habits:
        return document_time(plan.at(0), plan.zone)
    return f"{plan.day}T00:00:00+00:00"


def _offset(plan: Plan) -> int:
    return int((local(plan.at(12), plan.zone).utcoffset() or timedelta()).total_seconds())
