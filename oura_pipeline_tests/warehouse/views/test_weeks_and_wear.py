"""Weeks, wear, training load and people; rows computed by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_SLEEP,
    PERSONAL_INFO,
    SLEEP,
    WORKOUT,
)
from oura_pipeline_tests.warehouse.views.test_coverage import fetch
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def activity(day: str, **fields: Any) -> dict[str, Any]:
    return {"id": day, "day": day, "timestamp": f"{day}T04:00:00+01:00", **fields}


def night(day: str) -> dict[str, Any]:
    return {
        "id": day,
        "day": day,
        "type": "long_sleep",
        "bedtime_start": f"{day}T00:00:00+01:00",
        "bedtime_end": f"{day}T07:00:00+01:00",
        "total_sleep_duration": 24000,
    }


def workout(name: str, day: str, minutes: int) -> dict[str, Any]:
    times = {"start_datetime": f"{day}T10:00:00Z", "end_datetime": f"{day}T10:{minutes}:00Z"}
    return {"id": name, "day": day, "activity": "running", **times}


def test_a_week_is_from_monday_to_sunday(database: ViewDatabase) -> None:
    """Numbers of days are means of those that have one; what is counted is added."""
    database.land(
        DAILY_SLEEP,
        [
            {"id": day, "day": day, "score": score}
            for day, score in (("2025-12-29", 70), ("2026-01-04", 81), ("2026-01-05", 60))
        ],
    )
    database.land(SLEEP, [night("2026-01-04")])
    database.land(
        DAILY_ACTIVITY, [activity("2026-01-01", steps=9000), activity("2026-01-02", steps=7001)]
    )
    database.land(
        WORKOUT,
        [
            workout(*one)
            for one in (("a", "2026-01-01", 30), ("b", "2026-01-01", 15), ("c", "2026-01-03", 20))
        ],
    )
    columns = (
        "day, days, nights, sleep_score, total_sleep_minutes, steps, workout_count, workout_minutes"
    )
    assert database.query(f"SELECT {columns} FROM oura.weekly ORDER BY day") == [
        ("2025-12-29", 5, 1, 75.5, 400.0, 8000.5, 3.0, 65.0),
        ("2026-01-05", 1, 0, 60.0, None, None, None, None),
    ]


def test_wear_tells_hours_and_gaps(database: ViewDatabase) -> None:
    """Class 0 is not worn; a day with a night is worn; a gap ends when the ring is back."""
    database.land(
        DAILY_ACTIVITY,
        [
            activity(
                "2026-01-28", class_5_min="1" * 100 + "0" * 24 + "2" * 100 + "0" * 60 + "5534"
            ),
            activity("2026-01-29", class_5_min="0" * 288),
            activity("2026-02-01", class_5_min="1" * 288),
            activity("2026-02-02", class_5_min=None),
            activity("2026-02-04", class_5_min="12"),
        ],
    )
    database.land(SLEEP, [night("2026-02-01"), night("2026-02-03")])
    assert database.query("FROM oura.wear ORDER BY day") == [
        ("ada", "2026-01-28", 1020.0, 300.0, False, True, None),
        ("ada", "2026-01-29", 0.0, 1440.0, False, False, None),
        ("ada", "2026-02-01", 1440.0, 0.0, True, True, 3),
        ("ada", "2026-02-02", None, None, False, False, None),
        ("ada", "2026-02-03", None, None, True, True, 1),
        ("ada", "2026-02-04", 10.0, 0.0, False, True, 0),
    ]
    assert database.query("FROM oura.wear_monthly ORDER BY day") == [
        ("ada", "2026-01-01", 1, 0, 17.0, None),
        ("ada", "2026-02-01", 3, 2, pytest.approx(24 + 1 / 6), 3),
    ]


def test_load_compares_a_week_with_four(database: ViewDatabase) -> None:
    """20 days of 100, a gap, then a week of 240: the days in between have no value."""
    first = date(2026, 1, 1)
    loads = dict.fromkeys(range(20), 100) | dict.fromkeys(range(23, 30), 240)
    database.land(
        DAILY_ACTIVITY,
        [
            activity(
                str(first + timedelta(nth)),
                medium_activity_met_minutes=load - 40,
                high_activity_met_minutes=40,
            )
            for nth, load in loads.items()
        ],
    )
    rows = database.query("FROM oura.training_load ORDER BY day")
    assert rows[12] == ("ada", "2026-01-13", 100.0, 100.0, 100.0, 13, None)
    assert rows[13] == ("ada", "2026-01-14", 100.0, 100.0, 100.0, 14, 1.0)
    # Of the last 28 days 18 have 100 and 7 have 240: 3480 / 25.
    assert rows[-1] == ("ada", "2026-01-30", 240.0, 240.0, 139.2, 25, pytest.approx(240 / 139.2))


def test_a_day_without_met_minutes_has_no_load_and_rest_no_ratio(database: ViewDatabase) -> None:
    """Null is not zero, and nothing is divided by it."""
    none = {"medium_activity_met_minutes": 0, "high_activity_met_minutes": 0}
    days = [activity(f"2026-01-{day:02}", **none) for day in range(1, 15)]
    half = activity("2026-01-15", medium_activity_met_minutes=50)
    database.land(DAILY_ACTIVITY, [*days, half])
    assert database.query("FROM oura.training_load ORDER BY day DESC LIMIT 1") == [
        ("ada", "2026-01-14", 0.0, 0.0, 0.0, 14, None)
    ]


BROUGHT = [
    {"username": username, "document_type": document_type, "day": day, "documents": 1}
    for username, document_type, day in (
        ("ada", "sleep", "2026-01-08"),
        ("ada", "sleep", "2026-01-10"),
        ("cleo", "temperature", "2025-12-31"),
        ("cleo", "food_item", "2026-02-01"),
    )
]


def test_people_are_told_by_what_was_fetched_and_learned(database: ViewDatabase) -> None:
    """The newest answer says what is granted; a failure, or an export, says nothing of it."""
    old = {"asked_at": "2026-01-11 08:00:00+00"}
    database.fill(
        "fetches",
        [
            fetch("sleep", 10, "landed", 1),
            fetch("sleep", 11, "empty"),
            fetch("workout", 12, "landed", 2),
            fetch("daily_spo2", 9, "landed", 1, **old),
            fetch("daily_spo2", 12, "not_granted"),
            fetch("tag", 12, "not_granted", **old),
            fetch("tag", 11, "empty"),
            fetch("session", 11, "empty"),
            fetch("session", 12, "failed"),
            fetch("vO2_max", 12, "failed"),
            fetch("personal_info", 20, "landed", 1),
            fetch("sleep", 12, "empty", username="ben"),
        ],
    )
    database.fill("brought", BROUGHT)
    for since, seconds in (("1900-01-01", -12600), ("2026-01-05", 3600), ("2026-01-08", -12600)):
        database.fill(
            "offsets",
            [{"username": "ada", "since": f"{since} 00:00:00+00", "utc_offset_seconds": seconds}],
        )
    with database.open() as connection:
        connection.execute(
            "INSERT INTO oura.personal_info (username, age, biological_sex, height, weight) "
            "VALUES ('ada', 36, 'female', 1.7, 61.5)"
        )
    assert PERSONAL_INFO.table == "personal_info"
    assert database.query("FROM oura.people ORDER BY username") == [
        (
            *("ada", "2026-01-08", "2026-01-12", 4, "2026-01-12T08:00:00Z"),
            *(["personal_info", "session", "sleep", "tag", "workout"], ["daily_spo2"]),
            *(-210, [-210, 60], 36.0, "female", 1.7, 61.5),
        ),
        (
            *("ben", None, None, 0, "2026-01-12T08:00:00Z"),
            *(["sleep"], [], None, None, None, None, None, None),
        ),
        ("cleo", "2025-12-31", "2025-12-31", 1, *(None,) * 9),
    ]
