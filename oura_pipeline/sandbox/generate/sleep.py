"""`sleep` documents: nights, naps, false detections and what the person removed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from oura_pipeline.sandbox.generate import hearts, hypnogram, scores
from oura_pipeline.sandbox.generate.blank import Document, blank
from oura_pipeline.sandbox.generate.hearts import Beats
from oura_pipeline.sandbox.generate.hypnogram import Hypnogram
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import BedPeriod, Plan
from oura_pipeline.sandbox.times import document_time, series_time

_REASONS = ("foreground_sleep_analysis", "bedtime_edit", "background_sleep_analysis", None)


def sleep(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        for number, bed_period in enumerate(plan.bed_periods):
            document = _document(life, plan, bed_period, number)
            yield blank("sleep", document) if bed_period.blank else document
            if "doubled" in life.person.habits and life.turn(plan.day, 3) == 1:
                yield doubled(document, life.id("sleep", plan.day, number, "again"))


def doubled(document: Document, other_id: str) -> Document:
    """Return the same sleep under another id, as Oura was seen to send it a second time."""
    # The same bedtimes, totals a minute apart, and a heart rate that means "not measured".
    minute = min(60, document["light_sleep_duration"] or 0)
    return {
        **document,
        "id": other_id,
        "awake_time": (document["awake_time"] or 0) + minute,
        "light_sleep_duration": (document["light_sleep_duration"] or 0) - minute,
        "lowest_heart_rate": 255,
        "total_sleep_duration": (document["total_sleep_duration"] or 0) - minute,
    }


def slept(life: Life, plan: Plan, number: int) -> Hypnogram:
    """Return the phases of one of a day's periods in bed, for whatever follows from them."""
    if (plan.day, number) not in life.sleeps:
        bed_period = plan.bed_periods[number]
        rng = life.rng(f"hypnogram{number}", plan.day)
        seconds, condition = bed_period.end - bed_period.start, life.condition(plan.day)
        is_night = bed_period.kind == "long_sleep"
        life.sleeps[plan.day, number] = (
            hypnogram.night(seconds, life.traits, condition, rng)
            if is_night
            else hypnogram.nap(seconds, rng)
        )
    return life.sleeps[plan.day, number]


def beats(life: Life, plan: Plan, number: int) -> Beats:
    """Return heart rate and variability of a period in bed, without what the ring missed."""
    is_nap = plan.bed_periods[number].kind != "long_sleep"
    rng, phases = life.rng(f"beats{number}", plan.day), slept(life, plan, number)
    return hearts.asleep(phases, life.condition(plan.day), rng, is_nap=is_nap)


class Readiness(NamedTuple):
    """What a sleep says about the day after it."""

    contributors: Document
    score: int
    temperature: float
    trend: float


def readiness(life: Life, plan: Plan, number: int, phases: Hypnogram) -> Readiness:
    """Return the readiness after a period in bed, the same in `sleep` and `daily_readiness`."""
    bed_period, condition = plan.bed_periods[number], life.condition(plan.day)
    rng = life.rng(f"readiness{number}", plan.day)
    of_sleep = scores.sleep_score(scores.sleep_contributors(life, bed_period, phases))
    # Contributors go down to 0 on naps, where the description has them start at 1.
    is_night = bed_period.kind == "long_sleep"
    contributors = scores.readiness_contributors(
        life,
        plan,
        of_sleep if is_night else 0,
        alcohol=condition.alcohol,
        lowest=1 if is_night else 0,
    )
    # Null in 486 of 2141 recorded days: it needs weeks of nights.
    if rng.random() < 0.2:
        contributors["hrv_balance"] = None
    last_days = [life.condition(plan.day - timedelta(days=ago)).temperature for ago in range(4)]
    return Readiness(
        contributors,
        scores.readiness_score(contributors),
        condition.temperature + rng.gauss(0, 0.03),
        sum(last_days) / len(last_days) + rng.gauss(0, 0.02),
    )


def _document(life: Life, plan: Plan, bed_period: BedPeriod, number: int) -> Document:
    rng = life.rng(f"sleep{number}", plan.day)
    seconds = bed_period.end - bed_period.start
    phases = slept(life, plan, number)
    spans = phases.spans
    # The sums hold to the second, as in all recorded nights: total = deep + light + REM, and time
    # in bed = total + awake.
    total = spans["1"] + spans["2"] + spans["3"]
    finished = bed_period.finished
    movement = hypnogram.movement(phases, rng)
    breath = life.traits.breath + 1.2 * life.condition(plan.day).fever + rng.gauss(0, 0.25)
    return {
        "id": life.id("sleep", plan.day, number),
        "average_breath": round(breath, 3),
        **_hearts(bed_period, plan, beats(life, plan, number), rng),
        "awake_time": spans["4"],
        # Null for a night that goes on, although Oura's description requires it.
        "bedtime_end": document_time(bed_period.end, plan.zone) if finished else None,
        "bedtime_start": document_time(bed_period.start, plan.zone),
        "day": bed_period.day.isoformat(),
        "deep_sleep_duration": spans["1"],
        "efficiency": round(100 * total / seconds),
        "latency": phases.latency,
        "light_sleep_duration": spans["2"],
        "low_battery_alert": rng.random() < 0.04,
        "movement_30_sec": movement,
        "period": number,
        "readiness": _readiness(readiness(life, plan, number, phases)),
        "readiness_score_delta": _delta(bed_period, rng),
        "rem_sleep_duration": spans["3"],
        # Half minutes that were not still.
        "restless_periods": len(movement) - movement.count("1"),
        "sleep_algorithm_version": rng.choice(("v2", "v2", "v2", "v1")),
        "sleep_analysis_reason": rng.choice(_REASONS),
        "sleep_phase_30_sec": phases.half_minutes,
        "sleep_phase_5_min": phases.phases,
        "sleep_score_delta": _delta(bed_period, rng),
        "time_in_bed": seconds,
        "total_sleep_duration": total,
        "type": bed_period.kind,
        # "Deprecated, returns null", says the description.
        "ring_id": None,
        # Transitional: in some documents, and to be removed.
        "app_sleep_phase_5_min": phases.phases if rng.random() < 0.5 else None,
    }


def _hearts(bed_period: BedPeriod, plan: Plan, beats: Beats, rng: random.Random) -> Document:
    """Return heart rate (bpm) and its variability (ms), every 300 s."""
    count = len(beats.rates)
    # A short period has neither series, only their summary: 15 of 48 recorded ones.
    if bed_period.end - bed_period.start < 2400:
        measured = beats.rates or [66 + 10 * rng.random()]
        resting = round(sum(measured) / len(measured), 3)
        none: Document = {"average_heart_rate": resting, "lowest_heart_rate": int(resting) - 6}
        return {**none, "average_hrv": None, "heart_rate": None, "hrv": None}
    stamp = series_time(bed_period.start, plan.zone)
    # The ring loses contact now and then; ends are always uncertain.
    missing = {0, count - 1, *(rng.randrange(count) for _ in range(count // 20))}
    rates = [None if n in missing else rate for n, rate in enumerate(beats.rates)]
    known = [rate for rate in rates if rate is not None]
    ms = [None if n in missing else value for n, value in enumerate(beats.variabilities)]
    return {
        "average_heart_rate": round(sum(known) / len(known), 3),
        "average_hrv": round(sum(v for v in ms if v is not None) / len(known)),
        "heart_rate": {"interval": 300.0, "items": rates, "timestamp": stamp},
        "hrv": {"interval": 300.0, "items": ms, "timestamp": stamp},
        "lowest_heart_rate": int(min(known)),
    }


def _delta(bed_period: BedPeriod, rng: random.Random) -> int | None:
    """Return how much a period changed the day's score."""
    # A nap adds to it; what was rejected or removed does not count.
    if bed_period.kind == "long_sleep":
        return 0
    return rng.randrange(1, 8) if bed_period.kind in ("sleep", "late_nap") else None


def _readiness(found: Readiness) -> Document:
    return {
        "contributors": found.contributors,
        "score": found.score,
        "temperature_deviation": round(found.temperature, 3),
        "temperature_trend_deviation": round(found.trend, 3),
    }
