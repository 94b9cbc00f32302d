"""Days on which much is equal, null, or different in case or accent only."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, get_document_type
from oura_pipeline.warehouse.views.catalogue import ensure_views
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

Document = dict[str, Any]
DAYS = tuple(f"2026-03-{day:02}" for day in range(20, 32))


def timed(day: str, hour: int, offset: str = "+01:00") -> str:
    return f"{day}T{hour:02}:00:00{offset}"


def series(day: str, hour: int, interval: float, items: list[Any]) -> Document:
    return {"interval": interval, "items": items, "timestamp": timed(day, hour)}


def documents(day: str, number: int) -> dict[str, list[Document]]:
    """Documents of a day on which much is equal, null, or different in case or accent only."""
    return {
        "sleep": _sleeps(day, number),
        **_scores(day, number),
        "daily_activity": [_activity(day, number)],
        **_events(day, number),
        "heartrate": [
            {
                "timestamp": f"{day}T{hour:02}:0{minute}:00Z",
                "bpm": 50 + minute * 7 + hour,
                "source": source,
            }
            for hour in (0, 9, 23)
            for minute, source in enumerate(["rest", "Rest", "awake", None])
        ],
    }


def _sleeps(day: str, number: int) -> list[Document]:
    low, high = ("a", "A") if number % 2 else ("ä", "b")
    night = {
        "day": day,
        "type": "long_sleep",
        "bedtime_start": timed(day, 0),
        "bedtime_end": timed(day, 7, "+02:00"),
        "time_in_bed": 21600,
        "total_sleep_duration": 20000 + number % 3,
        "average_hrv": None if number % 4 == 0 else 40 + number,
        "hrv": series(day, 0, 300.0, [None, 41.5, 40 + number, 0]),
        "heart_rate": series(day, 0, 300.0, [50.25, 255, None, 60 + number / 7]),
        "sleep_phase_5_min": "1234" * 20,
        "movement_30_sec": "1" * 90,
        "latency": 90 + number,
    }
    nap = {
        **night,
        "type": "sleep",
        "bedtime_start": timed(day, 13),
        "bedtime_end": timed(day, 14),
        "time_in_bed": None,
        "total_sleep_duration": 1500 + number,
    }
    later = {"bedtime_start": timed(day, 16), "bedtime_end": None, "time_in_bed": 1000}
    return [
        {**night, "id": f"{low}{number}"},
        {**night, "id": f"{high}{number}", "average_hrv": 50},
        {**nap, "id": f"{low}n{number}"},
        {**nap, "id": f"{high}l{number}", **later, "type": "late_nap"},
    ]


def _scores(day: str, number: int) -> dict[str, list[Document]]:
    known = {"id": day, "day": day}
    readiness = {
        "score": None if number % 3 else 80,
        "temperature_deviation": 0.1 * number,
    }
    return {
        "daily_sleep": [{**known, "score": 70 + number % 5, "Twice": 1, "twice": 2}],
        "daily_readiness": [{**known, **readiness}],
        "daily_stress": [{**known, "stress_high": 100, "day_summary": "normal"}],
    }


def _activity(day: str, number: int) -> Document:
    return {
        "id": day,
        "day": day,
        "timestamp": timed(day, 4, "-05:00" if number % 2 else "+09:00"),
        "steps": 1000 + number,
        "high_activity_time": 100,
        "high_activity_met_minutes": 100.1,
        "medium_activity_met_minutes": 0.1 * number,
        "class_5_min": "0123450x",
        "met": series(day, 4 - number % 2 * 3, 60.0, [1.1, None, 0.9, 1.3 + number] * 30),
    }


def _events(day: str, number: int) -> dict[str, list[Document]]:
    moment = {"day": day, "start_datetime": timed(day, 18), "end_datetime": timed(day, 19)}
    rates = series(day, 18, 2.5, [60, 61, 62])
    return {
        "workout": [
            {"id": f"{name}{number}", **moment, "activity": "run", "calories": calories}
            for name, calories in (("w", 100.1), ("W", 0.3), ("v", 1e-9))
        ],
        "session": [{"id": f"s{number}", **moment, "heart_rate": rates}],
        "rest_mode_period": [
            {
                "id": f"r{number}",
                "start_day": day,
                "start_time": timed(day, 9),
                "end_day": None,
                "episodes": [{"tags": ["Tea", "tea"], "timestamp": timed(day, 9)}],
            }
        ],
        "enhanced_tag": [
            {
                "id": f"{name}{number}",
                "start_day": day,
                "start_time": timed(day, 9),
                "custom_name": custom,
            }
            for name, custom in (("t", "Tea"), ("T", "tea"), ("u", "téa"))
        ],
    }


def fill(database: ViewDatabase) -> None:
    """Give two people the same documents, and say what was asked for them."""
    made = [documents(day, number) for number, day in enumerate(DAYS)]
    people = ("ada", "ben")
    for name in made[0]:
        theirs = [one for day in made for one in day[name]]
        database.land_together(get_document_type(name), dict.fromkeys(people, theirs))
    rows = [
        {"username": username, "document_type": one.name, "day": day, "status": "empty"}
        for username in people
        for one in DOCUMENT_TYPES[::2]
        for day in DAYS[1::2]
    ]
    database.fill("fetches", rows)
    brought = {"document_type": "sleep", "day": DAYS[0], "documents": 2}
    database.fill("brought", [{**brought, "username": username} for username in people])
    offsets = (
        ("1900-01-01 00:00:00", 0),
        ("2026-03-25 12:00:00", 20700),
        ("2026-03-28 00:00:00", -12600),
    )
    database.fill(
        "offsets",
        [
            {"username": username, "since": f"{since}+00", "utc_offset_seconds": seconds}
            for username in people
            for since, seconds in offsets
        ],
    )
    study = {"study": "nap", "first_day": DAYS[2], "state": "connected"}
    database.fill("participants", [{**study, "username": one, "code": one} for one in people])
    with database.open() as connection:
        ensure_views(connection)
