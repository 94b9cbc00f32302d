"""Scores and their contributors, after what was measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from oura_pipeline.sandbox.generate.hypnogram import Hypnogram
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import BedPeriod, Plan
from oura_pipeline.sandbox.times import local

Scores = dict[str, Any]

# Oura publishes no formulas; these weights only let each contributor count.
_OF_SLEEP = {
    "total_sleep": 26,
    "deep_sleep": 12,
    "rem_sleep": 13,
    "efficiency": 14,
    "restfulness": 18,
    "latency": 8,
    "timing": 9,
}
_OF_READINESS = {
    "hrv_balance": 18,
    "resting_heart_rate": 20,
    "previous_night": 15,
    "recovery_index": 10,
    "body_temperature": 12,
    "sleep_balance": 8,
    "sleep_regularity": 5,
    "activity_balance": 6,
    "previous_day_activity": 6,
}
_OF_ACTIVITY = {
    "meet_daily_targets": 25,
    "move_every_hour": 12,
    "recovery_time": 13,
    "stay_active": 20,
    "training_frequency": 15,
    "training_volume": 15,
}


def sleep_contributors(life: Life, period: BedPeriod, hypnogram: Hypnogram) -> Scores:
    """Return the seven scores of a sleep. They sound like durations and are none."""
    spans, traits = hypnogram.spans, life.traits
    total = spans["1"] + spans["2"] + spans["3"]
    # The need differs less than the sleep: nobody's score is what they are used to.
    need = 7.6 - 0.01 * (traits.age - 40)
    middle = local((period.start + period.end) / 2, life.person.zone_on(period.day))
    hour = (middle.hour + middle.minute / 60 + 12) % 24 - 12
    return {
        "deep_sleep": scaled(spans["1"] / 60, 10, 95),
        "efficiency": scaled(total / hypnogram.seconds, 0.62, 0.95),
        # Falling asleep at once is a sign of too little sleep.
        "latency": scaled(abs(hypnogram.latency / 60 - 12), 45, 3),
        "rem_sleep": scaled(spans["3"] / 60, 15, 110),
        "restfulness": scaled((spans["4"] - hypnogram.latency) / 60, 95, 8),
        "timing": scaled(abs(hour - 3.2), 4.5, 0.6),
        "total_sleep": scaled(total / 3600, 0.55 * need, 1.02 * need),
    }


def readiness_contributors(
    life: Life, plan: Plan, slept: int, *, alcohol: float, lowest: int = 1
) -> Scores:
    """Return the nine scores of a readiness after a sleep of the score `slept`."""
    traits, condition = life.traits, life.condition(plan.day)
    before = life.condition(plan.day - timedelta(days=1))
    balance = condition.hrv / traits.hrv * (1 - 0.2 * alcohol)
    hours = [life.draws(plan.day - timedelta(days=ago)).hours for ago in range(7)]
    return {
        "activity_balance": scaled(abs(condition.load - 1), 1.3, 0.1, lowest),
        "body_temperature": scaled(abs(condition.temperature), 1.1, 0.08, lowest),
        "hrv_balance": scaled(balance, 0.6, 1.12, lowest),
        "previous_day_activity": scaled(abs(before.activity - 0.2), 2.8, 0.2, lowest),
        "previous_night": max(slept, lowest),
        # How long before waking the heart was slowest.
        "recovery_index": scaled(
            0.7 * alcohol + 0.3 * condition.late_meal + 0.15 * abs(condition.strain), 1, 0, lowest
        ),
        "resting_heart_rate": scaled(
            condition.heart_rate + 6 * alcohol - traits.heart_rate, 11, -1, lowest
        ),
        "sleep_balance": scaled(sum(hours) / 7, -1.4, 0.4, lowest),
        "sleep_regularity": scaled(max(hours) - min(hours), 4.5, 1.2, lowest),
    }


def activity_contributors(life: Life, plan: Plan, active: float, still: float) -> Scores:
    """Return the six scores of a day with a share of its target and seconds of sitting."""
    week = [life.draws(plan.day - timedelta(days=ago)).training for ago in range(7)]
    load = life.condition(plan.day).load
    return {
        "meet_daily_targets": scaled(active, 0.2, 1),
        "move_every_hour": scaled(still / 3600, 14, 7),
        "recovery_time": scaled(load, 2.2, 1),
        "stay_active": scaled(still / 3600, 13, 6),
        "training_frequency": scaled(sum(map(bool, week)), 0, 4),
        "training_volume": scaled(sum(week), 0, 240),
    }


def sleep_score(contributors: Scores) -> int:
    return _weighted(contributors, _OF_SLEEP)


def readiness_score(contributors: Scores) -> int:
    return _weighted(contributors, _OF_READINESS)


def activity_score(contributors: Scores) -> int:
    return _weighted(contributors, _OF_ACTIVITY)


def scaled(value: float, worst: float, best: float, lowest: int = 1) -> int:
    """Return a score of `lowest` at the worst value and 100 at the best."""
    share = (value - worst) / (best - worst)
    return round(lowest + (100 - lowest) * min(max(share, 0), 1))


def _weighted(contributors: Scores, weights: dict[str, int]) -> int:
    """Return the mean of the known contributors."""
    known = {name: score for name, score in contributors.items() if score is not None}
    total: float = sum(score * weights[name] for name, score in known.items())
    return round(total / sum(weights[name] for name in known))
