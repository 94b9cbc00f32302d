"""What happens at a time: workouts, sessions, tags and rest mode."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

from oura_pipeline.sandbox.catalog import names
from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.blank import Document, blank_on_sparse_day
from oura_pipeline.sandbox.generate.condition import Condition, fever_on
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Exercise, Plan
from oura_pipeline.sandbox.times import document_time, local, series_time

# The last two came with version 1.41 of the description.
_SOURCES = names(
    "manual autodetected confirmed workout_heart_rate live_third_party_heart_rate"
    " live_oura_heart_rate"
)
_SESSION_TYPES = ("breathing", "meditation", "nap", "relaxation", "rest", "body_status")
_MOODS = ("bad", "worse", "same", "good", "great", None)
_ALCOHOL, _LATE_MEAL, _COLD = "tag_generic_alcohol", "tag_generic_late_meal", "tag_generic_cold"
_FASTING = "tag_generic_fasting"
_TAGS = ("tag_generic_nocaffeine", "tag_generic_party", _FASTING)


def workout(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        rng = life.rng("workout", plan.day)
        for number, exercise in enumerate(plan.exercises):
            document = {
                "id": life.id("workout", plan.day, number),
                "activity": exercise.sport,
                **_effort(life, exercise, rng),
                "day": plan.day.isoformat(),
                "end_datetime": document_time(exercise.end, plan.zone),
                "label": rng.choice((None, None, "evening round")),
                "source": _SOURCES[(plan.day.toordinal() + number) % len(_SOURCES)],
                "start_datetime": document_time(exercise.start, plan.zone),
            }
            yield blank_on_sparse_day(life, plan, "workout", document)


def _effort(life: Life, exercise: Exercise, rng: random.Random) -> Document:
    met, _steps, speed, share = studies.SPORTS[exercise.sport]
    seconds, effort = exercise.end - exercise.start, rng.uniform(0.88, 1.12)
    # Metres; null for what has no distance, or where the ring knew none.
    distance = speed * seconds * effort if speed and rng.random() < 0.85 else None
    effort *= share
    return {
        "calories": round(met * life.traits.weight * seconds / 3600 * effort / share, 3),
        "distance": distance and round(distance, 3),
        "intensity": "easy" if effort < 0.4 else "moderate" if effort < 0.62 else "hard",
    }


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
            **_series(life, plan, rng, turn=turn % 3),
            "mood": _MOODS[turn % len(_MOODS)],
        }
        yield blank_on_sparse_day(life, plan, "session", document)


def _series(life: Life, plan: Plan, rng: random.Random, *, turn: int) -> Document:
    assert plan.session
    (start, end), traits = plan.session, life.traits
    # One session in three has no heart rate and another one no motion: each may be null alone.
    count, stamp = (end - start) // 5, series_time(start, plan.zone)

    def series(unknown: int, mean: float, spread: float) -> Document:
        known, value = [], mean
        for _ in range(count - unknown):
            value += 0.15 * (mean - value) + rng.gauss(0, spread)
            known.append(round(max(value, 0), 3))
        return {"interval": 5.0, "items": [None] * unknown + known, "timestamp": stamp}

    # The first values of two of them are unknown, as in recordings: variability takes a minute.
    return {
        "heart_rate": series(4, traits.awake_heart_rate - 3, 0.8) if turn else None,
        "heart_rate_variability": series(12, 0.9 * traits.hrv, 1.5) if turn else None,
        "motion_count": series(0, 6, 3) if turn < 2 else None,
    }


def tag(life: Life) -> Iterator[Document]:
    # Deprecated, but Oura still serves them.
    for plan in life.worn():
        rng = life.rng("tag", plan.day)
        stamp = plan.at(20.4) + rng.randrange(3600)
        if life.turn(plan.day, 4) == 1 and stamp <= life.now:
            drank = [_ALCOHOL] if _evening(life, plan).alcohol else []
            yield {
                "id": life.id("tag", plan.day),
                "day": plan.day.isoformat(),
                "text": rng.choice(("tea after dinner", "long day", None)),
                "timestamp": document_time(stamp, plan.zone),
                "tags": drank + rng.sample(_TAGS, k=rng.randrange(0, 3 - len(drank))),
            }


def enhanced_tag(life: Life) -> Iterator[Document]:
    for plan in life.worn():
        rng = life.rng("enhanced_tag", plan.day)
        for number, code in enumerate(_codes(life, plan, rng)):
            start = plan.at(18 + 1.2 * number) + rng.randrange(3600)
            if start <= life.now:
                yield _enhanced(life, plan, start, rng, code)


def _codes(life: Life, plan: Plan, rng: random.Random) -> Iterator[str | None]:
    """Yield what somebody notes in the evening: what they did, and two days in three more."""
    evening = _evening(life, plan)
    if evening.alcohol:
        yield _ALCOHOL
    if evening.late_meal:
        yield _LATE_MEAL
    if life.condition(plan.day).fever > 0.4:
        yield _COLD
    elif life.turn(plan.day, 3):
        # In turn: a code, custom, another code with an end, and nothing but text.
        turn = (plan.day.toordinal() // 3 + life.turn(plan.day, 3)) % 4
        yield {1: "custom", 2: _FASTING, 3: None}.get(turn, rng.choice(_TAGS))


def _evening(life: Life, plan: Plan) -> Condition:
    """Return the condition that the evening of a day leads to."""
    return life.condition(plan.day + timedelta(days=1))


def _enhanced(life: Life, plan: Plan, start: int, rng: random.Random, code: str | None) -> Document:
    end = start + rng.randrange(900, 12000) if code == _FASTING else None
    end = end if end and end <= life.now else None
    return {
        "id": life.id("enhanced_tag", plan.day, code),
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
        # One that still lasts, three days once a month or when somebody falls ill, and one switched
        # on by mistake and off again at once. At most one a day: the id is made of the day.
        if "sparse" in life.person.habits and plan.day == life.today - timedelta(days=4):
            yield _rest(life, plan, start, days=None)
        elif (life.turn(plan.day, 28) == 20 or _falls_ill(life, plan)) and start <= life.now:
            yield _rest(life, plan, start, days=3)
        elif life.turn(plan.day, 28) == 8 and start <= life.now:
            yield _rest(life, plan, start, days=0)


def _falls_ill(life: Life, plan: Plan) -> bool:
    before, today = (fever_on(plan.day - timedelta(days=n), life.draws) for n in (1, 0))
    return before < 0.5 <= today


def _rest(life: Life, plan: Plan, start: int, *, days: int | None) -> Document:
    rng = life.rng("rest_mode_period", plan.day)
    last = None if days is None else life.plan(plan.day + timedelta(days=days))
    end = (last.at(17) if days else start) if last else None
    end = end if end and end <= life.now else None
    ill = fever_on(plan.day, life.draws) > 0.3
    pains = (_COLD if ill else "tag_generic_stress", "tag_generic_pain", "tag_generic_headache")
    episodes = [
        {
            "tags": rng.sample(pains, k=n),
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
