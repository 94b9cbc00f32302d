"""What happens at a time: workouts, sessions, tags and rest mode."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

from oura_pipeline.sandbox.catalog import names
from oura_pipeline.sandbox.generate.blank import Document, blank_on_sparse_day
from oura_pipeline.sandbox.generate.life import Life, Plan
from oura_pipeline.sandbox.times import document_time, local, series_time

# The last two came with version 1.41 of the description.
_SOURCES = names(
    "manual autodetected confirmed workout_heart_rate live_third_party_heart_rate"
    " live_oura_heart_rate"
)
_SPORTS = ("running", "cycling", "strength_training", "swimming", "yoga", "hiking")
_SESSION_TYPES = ("breathing", "meditation", "nap", "relaxation", "rest", "body_status")
_MOODS = ("bad", "worse", "same", "good", "great", None)
_TAGS = ("tag_generic_nocaffeine", "tag_sleep_alcohol", "tag_generic_party", "tag_generic_fasting")


def workout(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        rng = life.rng("workout", plan.day)
        for number, exercise in enumerate(plan.exercises):
            document = {
                "id": life.id("workout", plan.day, number),
                "activity": rng.choice(_SPORTS) if exercise.tracked else "walking",
                "calories": round(rng.uniform(40, 700), 3),
                "day": plan.day.isoformat(),
                # Metres; null for what has no distance, or where the ring knew none.
                "distance": round(rng.uniform(400, 9000), 3) if rng.random() < 0.7 else None,
                "end_datetime": document_time(exercise.end, plan.zone),
                "intensity": rng.choice(("easy", "moderate", "hard")),
                "label": rng.choice((None, None, "evening round")),
                "source": _SOURCES[(plan.day.toordinal() + number) % len(_SOURCES)],
                "start_datetime": document_time(exercise.start, plan.zone),
            }
            yield blank_on_sparse_day(life, plan, "workout", document)


def session(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        if plan.session is None:
            continue
        start, end = plan.session
        rng = life.rng("session", plan.day)
        turn = plan.day.toordinal() // 3
        document = {
            "id": life.id("session", plan.day),
            "day": local(end, plan.zone).date().isoformat(),
            "start_datetime": document_time(start, plan.zone),
            "end_datetime": document_time(end, plan.zone),
            "type": _SESSION_TYPES[turn % len(_SESSION_TYPES)],
            **_series(start, end, plan, rng, turn=turn % 3),
            "mood": _MOODS[turn % len(_MOODS)],
        }
        yield blank_on_sparse_day(life, plan, "session", document)


def _series(start: int, end: int, plan: Plan, rng: random.Random, *, turn: int) -> Document:
    # One session in three has no heart rate and another one no motion: each may be null alone.
    count, stamp = (end - start) // 5, series_time(start, plan.zone)

    def series(unknown: int, low: float, high: float) -> Document:
        known = [round(rng.uniform(low, high), 3) for _ in range(count - unknown)]
        return {"interval": 5.0, "items": [None] * unknown + known, "timestamp": stamp}

    # The first values of two of them are unknown, as in recordings: variability takes a minute.
    return {
        "heart_rate": series(4, 60, 84) if turn else None,
        "heart_rate_variability": series(12, 16, 60) if turn else None,
        "motion_count": series(0, 0, 40) if turn < 2 else None,
    }


def tag(life: Life) -> Iterator[Document]:
    # Deprecated, but Oura still serves them.
    for plan in life.worn():
        rng = life.rng("tag", plan.day)
        stamp = plan.at(20.4) + rng.randrange(3600)
        if life.turn(plan.day, 4) == 1 and stamp <= life.now:
            yield {
                "id": life.id("tag", plan.day),
                "day": plan.day.isoformat(),
                "text": rng.choice(("tea after dinner", "long day", None)),
                "timestamp": document_time(stamp, plan.zone),
                "tags": rng.sample(_TAGS, k=rng.randrange(0, 3)),
            }


def enhanced_tag(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        rng = life.rng("enhanced_tag", plan.day)
        for number in range(plan.day.toordinal() % 3):
            start = plan.at(18 + 2.5 * number) + rng.randrange(3600)
            if start <= life.now:
                yield _enhanced(life, plan, start, rng, number)


def _enhanced(life: Life, plan: Plan, start: int, rng: random.Random, number: int) -> Document:
    # In turn: of a code, custom, with an end, and of nothing but text.
    kind = (plan.day.toordinal() // 3 + number) % 4
    end = start + rng.randrange(900, 12000) if kind == 2 else None
    end = end if end and end <= life.now else None
    code = {1: "custom", 3: None}.get(kind, rng.choice(_TAGS))
    return {
        "id": life.id("enhanced_tag", plan.day, number),
        "tag_type_code": code,
        "start_time": document_time(start, plan.zone),
        "end_time": document_time(end, plan.zone) if end else None,
        "start_day": local(start, plan.zone).date().isoformat(),
        "end_day": local(end, plan.zone).date().isoformat() if end else None,
        # Empty more often than null, as recorded.
        "comment": rng.choice(("", "", None)) if code else "walked by the sea",
        "custom_name": "cold shower" if code == "custom" else None,
    }


def rest_mode_period(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        start = plan.at(11) + 56
        # One that still lasts, three days once a month, and one switched on by mistake and off
        # again at once. At most one a day: the id is made of the day.
        if "sparse" in life.person.habits and plan.day == life.today - timedelta(days=4):
            yield _rest(life, plan, start, days=None)
        elif life.turn(plan.day, 28) == 20 and start <= life.now:
            yield _rest(life, plan, start, days=3)
        elif life.turn(plan.day, 28) == 8 and start <= life.now:
            yield _rest(life, plan, start, days=0)


def _rest(life: Life, plan: Plan, start: int, *, days: int | None) -> Document:
    rng = life.rng("rest_mode_period", plan.day)
    last = None if days is None else life.plan(plan.day + timedelta(days=days))
    end = (last.at(17) if days else start) if last else None
    end = end if end and end <= life.now else None
    episodes = [
        {
            "tags": rng.sample(
                ("tag_generic_cold", "tag_generic_pain", "tag_generic_headache"), k=n
            ),
            "timestamp": series_time(start + 7000 * n, plan.zone),
        }
        for n in (range(1, 3) if days != 0 else ())
    ]
    return {
        "id": life.id("rest_mode_period", plan.day),
        "end_day": last.day.isoformat() if last and end is not None else None,
        "end_time": document_time(end, last.zone) if last and end is not None else None,
        "episodes": [e for e in episodes if start + 14000 <= life.now],
        "start_day": plan.day.isoformat(),
        # The description lets even the start be null; the day is there then.
        "start_time": None if days is None else document_time(start, plan.zone),
    }
