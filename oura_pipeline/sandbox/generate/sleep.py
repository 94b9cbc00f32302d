"""`sleep` documents: nights, naps, false detections and what the person removed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from oura_pipeline.sandbox.catalog import READINESS_CONTRIBUTORS
from oura_pipeline.sandbox.generate.blank import Document, blank
from oura_pipeline.sandbox.generate.life import BedPeriod, Life, Plan
from oura_pipeline.sandbox.times import document_time, series_time

# One cycle of sleep in five-minute phases: light, deep, light, REM, awake.
_CYCLE = "2222211111222223334"
_REASONS = ("foreground_sleep_analysis", "bedtime_edit", "background_sleep_analysis", None)


def sleep(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        for period, bed_period in enumerate(plan.bed_periods):
            document = _document(life, plan, bed_period, period)
            yield blank("sleep", document) if bed_period.blank else document
            if "doubled" in life.person.habits and life.turn(plan.day, 3) == 1:
                yield doubled(document, life.id("sleep", plan.day, period, "again"))


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


def _document(life: Life, plan: Plan, bed_period: BedPeriod, period: int) -> Document:
    rng = life.rng(f"sleep{period}", plan.day)
    seconds = bed_period.end - bed_period.start
    phases = _phases(seconds, bed_period.kind, rng)
    spans = _spans(phases, seconds)
    # The sums hold to the second, as in all recorded nights: total = deep + light + REM, and time
    # in bed = total + awake.
    total = spans["1"] + spans["2"] + spans["3"]
    finished = bed_period.finished
    return {
        "id": life.id("sleep", plan.day, period),
        "average_breath": round(rng.uniform(12.5, 17), 3),
        **_hearts(bed_period, plan, seconds, rng),
        "awake_time": spans["4"],
        # Null for a night that goes on, although Oura's description requires it.
        "bedtime_end": document_time(bed_period.end, plan.zone) if finished else None,
        "bedtime_start": document_time(bed_period.start, plan.zone),
        "day": bed_period.day.isoformat(),
        "deep_sleep_duration": spans["1"],
        "efficiency": round(100 * total / seconds),
        "latency": min(300 * (len(phases) - len(phases.lstrip("4"))), seconds),
        "light_sleep_duration": spans["2"],
        "low_battery_alert": rng.random() < 0.04,
        "movement_30_sec": "".join(rng.choices("1234", (84, 12, 3, 1), k=math.ceil(seconds / 30))),
        "period": period,
        "readiness": _readiness(rng, bed_period.kind),
        "readiness_score_delta": _delta(bed_period, rng),
        "rem_sleep_duration": spans["3"],
        "restless_periods": rng.randrange(4, 400),
        "sleep_algorithm_version": rng.choice(("v2", "v2", "v2", "v1")),
        "sleep_analysis_reason": rng.choice(_REASONS),
        "sleep_phase_30_sec": _half_minutes(phases, seconds),
        "sleep_phase_5_min": phases,
        "sleep_score_delta": _delta(bed_period, rng),
        "time_in_bed": seconds,
        "total_sleep_duration": total,
        "type": bed_period.kind,
        # "Deprecated, returns null", says the description.
        "ring_id": None,
        # Transitional: in some documents, and to be removed.
        "app_sleep_phase_5_min": phases if rng.random() < 0.5 else None,
    }


def _phases(seconds: int, kind: str, rng: random.Random) -> str:
    """Return a character per five minutes: 1 deep, 2 light, 3 REM, 4 awake."""
    # Begun intervals count here and in the movement, whole ones in the heart rate: the series of
    # a recorded night have different lengths.
    count = math.ceil(seconds / 300)
    awake = "4" * rng.randrange(1, 4)
    if kind != "long_sleep":
        return (awake + "".join(rng.choices("2214", k=count)))[:count]
    cycle = _CYCLE[: rng.randrange(16, 20)]
    return (awake + "".join(c * rng.randrange(1, 3) for c in cycle * count))[:count]


def _half_minutes(phases: str, seconds: int) -> str:
    return "".join(c * 10 for c in phases)[: math.ceil(seconds / 30)]


def _spans(phases: str, seconds: int) -> dict[str, int]:
    """Return the seconds in each phase."""
    spans = {phase: 300 * phases.count(phase) for phase in "1234"}
    # The last interval counts only as far as the period went.
    spans[phases[-1]] -= 300 * len(phases) - seconds
    return spans


def _hearts(bed_period: BedPeriod, plan: Plan, seconds: int, rng: random.Random) -> Document:
    """Return heart rate (bpm) and its variability (ms), every 300 s."""
    # A short period has neither series, only their summary: 15 of 48 recorded ones.
    if seconds < 2400:
        resting = round(rng.uniform(66, 80), 3)
        none: Document = {"average_heart_rate": resting, "lowest_heart_rate": int(resting) - 6}
        return {**none, "average_hrv": None, "heart_rate": None, "hrv": None}
    count, stamp = seconds // 300, series_time(bed_period.start, plan.zone)
    # The ring loses contact now and then; ends are always uncertain.
    missing = {0, count - 1, *(rng.randrange(count) for _ in range(count // 20))}
    base = rng.uniform(52, 66)
    hearts = [round(rng.gauss(base, 3), 3) for _ in range(count)]
    rates = [None if n in missing else hearts[n] for n in range(count)]
    known = [rate for rate in rates if rate is not None]
    ms = [None if n in missing else round(rng.uniform(18, 70), 3) for n in range(count)]
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


def _readiness(rng: random.Random, kind: str) -> Document:
    # Contributors go down to 0 on naps, where the description has them start at 1.
    lowest = 40 if kind == "long_sleep" else 0
    return {
        "contributors": readiness_contributors(rng, lowest),
        "score": rng.randrange(45, 96),
        "temperature_deviation": round(rng.gauss(0, 0.2), 3),
        "temperature_trend_deviation": round(rng.gauss(0, 0.1), 3),
    }


def readiness_contributors(rng: random.Random, lowest: int = 40) -> Document:
    """Return the nine scores of a readiness."""
    scores: Document = {name: rng.randrange(lowest, 101) for name in READINESS_CONTRIBUTORS}
    # Null in 486 of 2141 recorded days: it needs weeks of nights.
    if rng.random() < 0.2:
        scores["hrv_balance"] = None
    return scores
