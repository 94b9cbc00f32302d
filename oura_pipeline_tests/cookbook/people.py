"""Three made-up people, eight weeks each, from which the answers of the cookbook are computed.

What they do follows plain rules, so that an answer can be checked in one's head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    DAILY_SLEEP,
    ENHANCED_TAG,
    HEARTRATE,
    PERSONAL_INFO,
    REST_MODE_PERIOD,
    SESSION,
    SLEEP,
    TAG,
    WORKOUT,
    DocumentType,
)

Document = dict[str, Any]

FIRST = date(2026, 3, 2)  # a Monday
DAYS = tuple(FIRST + timedelta(nth) for nth in range(56))
_ILL = range(30, 34)  # days of ada
_HOUR = timedelta(hours=1)


class Someone(NamedTuple):
    """A person: their clock, usual bedtime (hours after midnight) and HRV (ms)."""

    username: str
    offset: str
    bedtime: float
    hrv: int
    age: int
    sex: str
    drinks: frozenset[int] = frozenset()  # days of the week, Monday is 0
    runs: frozenset[int] = frozenset()
    takes_ring_off: frozenset[int] = frozenset()  # days since FIRST


PEOPLE = (
    Someone("ada", "+01:00", -1.0, 50, 36, "female", frozenset({4}), frozenset({1, 3})),
    Someone("ben", "+01:00", -0.5, 40, 52, "male", frozenset({4, 5}), frozenset({2})),
    Someone("cleo", "-05:00", 0.5, 60, 29, "female", takes_ring_off=frozenset({10, 11, 12, 40})),
)


class Night(NamedTuple):
    """A night of somebody, with what came before it."""

    person: Someone
    nth: int
    day: date

    @property
    def is_free(self) -> bool:
        return self.day.isoweekday() > 5

    @property
    def evening(self) -> int:
        """The day of the week on which it begins."""
        return (self.day - timedelta(1)).weekday()

    @property
    def after_wine(self) -> bool:
        return self.evening in self.person.drinks

    @property
    def after_run(self) -> bool:
        return self.evening in self.person.runs

    @property
    def is_ill(self) -> bool:
        return self.person.username == "ada" and self.nth in _ILL

    @property
    def start(self) -> datetime:
        # On free days an hour and a half later; ben's bedtime moves by 20 minutes every other day.
        moved = 20 * (self.nth % 2) * (self.person.username == "ben")
        hours = self.person.bedtime + 1.5 * self.is_free
        return datetime.combine(self.day, datetime.min.time()) + timedelta(
            hours=hours, minutes=moved
        )

    @property
    def minutes(self) -> int:
        return 450 + 30 * self.is_free - 30 * self.after_wine

    @property
    def hrv(self) -> int:
        return self.person.hrv + self.nth % 4 - 12 * self.after_wine - 15 * self.is_ill

    @property
    def lowest(self) -> int:
        usual = 70 - self.person.hrv // 3
        return usual - self.nth % 2 + 6 * self.after_wine + 8 * self.is_ill


def documents(person: Someone) -> Iterator[tuple[DocumentType, list[Document]]]:
    """Yield every document type with a person's documents."""
    nights = [
        Night(person, nth, day) for nth, day in enumerate(DAYS) if nth not in person.takes_ring_off
    ]
    yield PERSONAL_INFO, [_profile(person)]
    yield SLEEP, [one for night in nights for one in _sleeps(night)]
    for document_type, make in _DAILY.items():
        yield document_type, [make(night) for night in nights]
    yield DAILY_ACTIVITY, [_activity(person, nth, day) for nth, day in enumerate(DAYS)]
    yield WORKOUT, [_run(person, day) for day in DAYS if day.weekday() in person.runs]
    drinks = [day for day in DAYS if day.weekday() in person.drinks]
    yield ENHANCED_TAG, [_tag(person, day) for day in drinks]
    yield TAG, [_old_tag(person, day) for day in drinks[:2]]
    if person.username == "cleo":
        yield SESSION, [_session(person, day) for day in DAYS[::7]]
    if person.username == "ada":
        yield REST_MODE_PERIOD, [_rest_mode(person)]
    yield HEARTRATE, [beat for night in nights for beat in _beats(night)]


def fetches(person: Someone) -> Iterator[Document]:
    """Yield the rows of the ledger: everything was asked; cleo did not grant tags."""
    for document_type, landed in documents(person):
        if not document_type.partitioned:
            continue
        there = {_day_of(document_type, person, one) for one in landed}
        for day in DAYS:
            status = "landed" if str(day) in there else "empty"
            if document_type is TAG or document_type is ENHANCED_TAG:
                status = "not_granted" if person.username == "cleo" else status
            if person.username == "ben" and day == DAYS[20] and document_type is DAILY_SLEEP:
                status = "failed"
            yield {
                "username": person.username,
                "document_type": document_type.name,
                "day": str(day),
                "status": status,
                "documents": int(status == "landed"),
                "error": {"failed": "Oura is unavailable"}.get(status),
                "asked_at": "2026-04-27 06:00:00+00",
            }


def _day_of(document_type: DocumentType, person: Someone, document: Document) -> str:
    if document_type.day_field:
        return str(document[document_type.day_field])
    at = datetime.fromisoformat(document["timestamp"]) + int(person.offset[:3]) * _HOUR
    return str(at.date())


def _profile(person: Someone) -> Document:
    return {
        "id": person.username,
        "age": person.age,
        "biological_sex": person.sex,
        "height": 1.7,
        "weight": 60.0 + person.age % 7,
    }


def _sleeps(night: Night) -> Iterator[Document]:
    asleep, awake = night.minutes, 15
    deep, rem = asleep // 5, asleep // 5 + 10 * night.is_free
    start, end = night.start, night.start + timedelta(minutes=asleep + awake)
    pieces = (asleep + awake) // 5
    # Awake for a quarter of an hour, then deep and light in turn, REM towards the end.
    phases = "444" + ("11222" * pieces)[: pieces - 3 - rem // 5] + "3" * (rem // 5)
    hearts = [night.lowest + abs(pieces // 2 - nth) // 4 for nth in range(pieces)]
    series = {"interval": 300.0, "timestamp": _text(start, night.person)}
    yield {
        "id": f"{night.person.username}-{night.day}",
        "day": str(night.day),
        "type": "long_sleep",
        "bedtime_start": _text(start, night.person),
        "bedtime_end": _text(end, night.person),
        "time_in_bed": (asleep + awake) * 60,
        "total_sleep_duration": asleep * 60,
        "awake_time": awake * 60,
        "deep_sleep_duration": deep * 60,
        "rem_sleep_duration": rem * 60,
        "light_sleep_duration": (asleep - deep - rem) * 60,
        "latency": 600 + 300 * night.after_run,
        "efficiency": round(100 * asleep / (asleep + awake)),
        "average_hrv": night.hrv,
        "average_heart_rate": night.lowest + 7.5,
        "lowest_heart_rate": night.lowest,
        "average_breath": 14.5 + 1.5 * night.is_ill,
        "sleep_phase_5_min": phases,
        "heart_rate": {**series, "items": hearts},
    }
    if night.person.username == "ben" and night.day.weekday() == 6:
        nap = datetime.combine(night.day, datetime.min.time()) + 14 * _HOUR
        yield {
            "id": f"nap-{night.day}",
            "day": str(night.day),
            "type": "sleep",
            "bedtime_start": _text(nap, night.person),
            "bedtime_end": _text(nap + timedelta(minutes=40), night.person),
            "time_in_bed": 2400,
            "total_sleep_duration": 1800,
            "sleep_phase_5_min": "44222222",
        }


def _score(night: Night) -> Document:
    score = 82 - 10 * night.after_wine + 3 * night.is_free
    return {"id": str(night.day), "day": str(night.day), "score": score}


def _readiness(night: Night) -> Document:
    warmer = 0.9 if night.is_ill else round((night.nth % 3 - 1) / 10, 1)
    score = 80 - 20 * night.is_ill - 8 * night.after_wine
    return _score(night) | {"score": score, "temperature_deviation": warmer}


def _activity(person: Someone, nth: int, day: date) -> Document:
    runs, off = day.weekday() in person.runs, nth in person.takes_ring_off
    # In the last week ada doubles what she does.
    factor = 2 if person.username == "ada" and nth >= 49 else 1
    return {
        "id": str(day),
        "day": str(day),
        "timestamp": _text(datetime.combine(day, datetime.min.time()) + 4 * _HOUR, person),
        "steps": 0 if off else 7000 + 500 * (nth % 7) + 5000 * runs,
        "medium_activity_met_minutes": 0 if off else 100 * factor,
        "high_activity_met_minutes": 200 * factor * runs,
        "class_5_min": "0" * 288 if off else "1" * 96 + "0" * 6 + "2" * 186,
        "active_calories": 0 if off else 300 + 350 * runs,
    }


def _run(person: Someone, day: date) -> Document:
    start = datetime.combine(day, datetime.min.time()) + 19 * _HOUR
    return {
        "id": f"run-{person.username}-{day}",
        "day": str(day),
        "activity": "running",
        "intensity": "moderate",
        "start_datetime": _text(start, person),
        "end_datetime": _text(start + timedelta(minutes=45), person),
        "distance": 8000.0,
        "calories": 420.0,
    }


def _tag(person: Someone, day: date) -> Document:
    # Ben sets it after midnight, under the date of the next day.
    time = datetime.combine(day, datetime.min.time()) + 20 * _HOUR
    if person.username == "ben":
        time += 4.25 * _HOUR
    return {
        "id": f"tag-{person.username}-{day}",
        "start_day": str(time.date()),
        "start_time": _text(time, person),
        "tag_type_code": "tag_sleep_alcohol",
    }


def _old_tag(person: Someone, day: date) -> Document:
    new = _tag(person, day)
    return {
        "id": f"old-{new['id']}",
        "day": new["start_day"],
        "timestamp": new["start_time"],
        "tags": ["tag_sleep_alcohol"],
    }


def _session(person: Someone, day: date) -> Document:
    start = datetime.combine(day, datetime.min.time()) + 21 * _HOUR
    series = {"interval": 5.0, "timestamp": _text(start, person)}
    return {
        "id": f"session-{day}",
        "day": str(day),
        "type": "breathing",
        "mood": "good",
        "start_datetime": _text(start, person),
        "end_datetime": _text(start + timedelta(minutes=10), person),
        "heart_rate": {**series, "items": [66, 64, 62, 60]},
        "heart_rate_variability": {**series, "items": [50, 60, 70]},
    }


def _rest_mode(person: Someone) -> Document:
    first, last = DAYS[_ILL[0]], DAYS[_ILL[-1]]
    return {
        "id": "rest",
        "start_day": str(first),
        "end_day": str(last),
        "start_time": f"{first}T08:00:00{person.offset}",
        "end_time": f"{last}T20:00:00{person.offset}",
        "episodes": [{"tags": ["tag_generic_fever"], "timestamp": f"{first}T08:00:00+01:00"}],
    }


def _beats(night: Night) -> Iterator[Document]:
    """Yield a measurement at 3, 9, 15, 19:30 and 21 of the person's clock."""
    runs = night.day.weekday() in night.person.runs
    for hour, above in ((3, 4), (9, 15), (15, 20), (19.5, 80 if runs else 18), (21, 12)):
        time = datetime.combine(night.day, datetime.min.time()) + hour * _HOUR
        instant = datetime.fromisoformat(_text(time, night.person))
        yield {
            "timestamp": f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00",
            "bpm": 70 - night.person.hrv // 3 + above,
            "source": "workout" if hour == 19.5 and runs else "awake",
        }


def _text(local: datetime, person: Someone) -> str:
    return f"{local.isoformat()}{person.offset}"


_DAILY: dict[DocumentType, Callable[[Night], Document]] = {
    DAILY_SLEEP: _score,
    DAILY_READINESS: _readiness,
}
