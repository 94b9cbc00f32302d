"""Workouts and tags; rows computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import ENHANCED_TAG, TAG, WORKOUT
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def test_a_workout_over_midnight_keeps_ouras_day_and_both_its_dates(database: ViewDatabase) -> None:
    """Its ends are local each by its own text, and it lasts as long as it lasted."""
    database.land(
        WORKOUT,
        [
            {
                "id": "w1",
                "day": "2026-03-28",
                "activity": "running",
                "calories": 512.5,
                "distance": None,
                "intensity": "hard",
                "label": None,
                "source": "manual",
                "start_datetime": "2026-03-28T23:30:00.000+01:00",
                "end_datetime": "2026-03-29T03:45:30+02:00",
            },
            {
                "id": "w2",
                "day": "2026-03-28",
                "activity": "yoga",
                "calories": None,
                "distance": 0.0,
                "intensity": "easy",
                "label": "evening",
                "source": "confirmed",
                "start_datetime": "2026-03-28T20:00:00+01:00",
                "end_datetime": "2026-03-28T19:59:59+01:00",
            },
        ],
    )
    assert database.query("FROM oura.workouts ORDER BY workout_id") == [
        (
            *("ada", "2026-03-28", "w1", "running", "hard", "manual", None),
            *("2026-03-28T22:30:00Z", "2026-03-29T01:45:30Z"),
            *("2026-03-28T23:30:00", "2026-03-29T03:45:30", 195.5, 512.5, None),
        ),
        (
            *("ada", "2026-03-28", "w2", "yoga", "easy", "confirmed", "evening"),
            *("2026-03-28T19:00:00Z", "2026-03-28T18:59:59Z"),
            *("2026-03-28T20:00:00", "2026-03-28T19:59:59", None, None, 0.0),
        ),
    ]


def enhanced(name: str, **fields: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("tag_type_code", "custom_name", "comment", "end_time", "end_day"))
    when = {"start_day": "2026-01-10", "start_time": "2026-01-10T21:30:00+09:30"}
    return {"id": name, **nothing, **when, **fields}


def test_a_newer_tag_is_called_what_the_person_calls_it(database: ViewDatabase) -> None:
    """Else by Oura's code; a text alone has no name; empty texts are none."""
    database.land(
        ENHANCED_TAG,
        [
            enhanced("a", tag_type_code="custom", custom_name="cold shower", comment=""),
            enhanced("b", tag_type_code="tag_sleep_alcohol", comment="two glasses"),
            enhanced("c", comment="walked by the sea", end_time="2026-01-10T22:00:00+09:30"),
            enhanced("d", tag_type_code="custom", custom_name=""),
        ],
    )
    who, when = ("ada", "2026-01-10", "enhanced_tag"), "2026-01-10T12:00:00Z"
    assert database.query("FROM oura.tags ORDER BY tag_id") == [
        (*who, "a", when, "2026-01-10T21:30:00", None, "cold shower", None),
        (*who, "b", when, "2026-01-10T21:30:00", None, "tag_sleep_alcohol", "two glasses"),
        (*who, "c", when, "2026-01-10T21:30:00", "2026-01-10T12:30:00Z", None, "walked by the sea"),
        (*who, "d", when, "2026-01-10T21:30:00", None, "custom", None),
    ]


def test_an_older_tag_is_a_row_for_each_of_its_tags(database: ViewDatabase) -> None:
    """One of nothing but text, or of nothing, is a row without a name."""
    when = {"day": "2026-01-10", "timestamp": "2026-01-10T20:00:00-05:00"}
    database.land(
        TAG,
        [
            {"id": "a", **when, "text": "long day", "tags": ["tag_a", "tag_b"]},
            {"id": "b", **when, "text": "tea", "tags": []},
            {"id": "c", **when, "text": "", "tags": None},
            {"id": "d", **when, "text": None, "tags": [None, "", "tag_c"]},
        ],
    )
    moment = ("2026-01-11T01:00:00Z", "2026-01-10T20:00:00", None)
    assert database.query("FROM oura.tags ORDER BY tag_id, name") == [
        ("ada", "2026-01-10", "tag", "a", *moment, "tag_a", "long day"),
        ("ada", "2026-01-10", "tag", "a", *moment, "tag_b", "long day"),
        ("ada", "2026-01-10", "tag", "b", *moment, None, "tea"),
        ("ada", "2026-01-10", "tag", "c", *moment, None, None),
        ("ada", "2026-01-10", "tag", "d", *moment, "tag_c", None),
    ]
