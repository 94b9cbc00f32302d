"""Guided moments and rest mode; rows computed by hand."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import REST_MODE_PERIOD, SESSION
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def test_a_moment_tells_its_time_and_its_pulse(database: ViewDatabase) -> None:
    """Numbers that Oura writes for null are in no mean; a moment without series has none."""
    series = {"interval": 5.0, "timestamp": "2026-01-10T12:00:00+05:30"}
    database.land(
        SESSION,
        [
            {
                "id": "s1",
                "day": "2026-01-10",
                "type": "breathing",
                "mood": "good",
                "start_datetime": "2026-01-10T12:00:00+05:30",
                "end_datetime": "2026-01-10T12:07:30+05:30",
                "heart_rate": {**series, "items": [60, 255, None, 63, 0]},
                "heart_rate_variability": {**series, "items": [0, 40, 50, 30]},
            },
            {
                "id": "s2",
                "day": "2026-01-10",
                "type": "rest",
                "start_datetime": "2026-01-10T22:00:00+05:30",
                "end_datetime": "2026-01-10T21:00:00+05:30",
                "heart_rate": {**series, "items": []},
            },
        ],
    )
    assert database.query("FROM oura.sessions ORDER BY session_id") == [
        (
            *("ada", "2026-01-10", "s1", "breathing", "good"),
            *("2026-01-10T06:30:00Z", "2026-01-10T06:37:30Z"),
            *("2026-01-10T12:00:00", "2026-01-10T12:07:30", 7.5, 61.5, 60.0, 40.0),
        ),
        (
            *("ada", "2026-01-10", "s2", "rest", None),
            *("2026-01-10T16:30:00Z", "2026-01-10T15:30:00Z"),
            *("2026-01-10T22:00:00", "2026-01-10T21:00:00", None, None, None, None),
        ),
    ]


def test_rest_mode_has_both_its_days_and_all_its_tags(database: ViewDatabase) -> None:
    """From the 10th to the 12th are three days; what goes on has no end."""
    noted = "2026-01-11T09:00:00+01:00"
    database.land(
        REST_MODE_PERIOD,
        [
            {
                "id": "r1",
                "start_day": "2026-01-10",
                "end_day": "2026-01-12",
                "start_time": "2026-01-10T08:00:00+01:00",
                "end_time": "2026-01-12T20:00:00+01:00",
                "episodes": [
                    {"tags": ["tag_generic_fever"], "timestamp": noted},
                    {"tags": [], "timestamp": noted},
                    {"tags": ["tag_generic_cold", "tag_generic_pain"], "timestamp": noted},
                ],
            },
            {"id": "r2", "start_day": "2026-02-01", "end_day": None, "start_time": None},
        ],
    )
    assert database.query("FROM oura.rest_modes ORDER BY rest_mode_id") == [
        (
            *("ada", "2026-01-10", "2026-01-12", 3, "r1"),
            *("2026-01-10T07:00:00Z", "2026-01-12T19:00:00Z"),
            *("2026-01-10T08:00:00", "2026-01-12T20:00:00"),
            ["tag_generic_fever", "tag_generic_cold", "tag_generic_pain"],
        ),
        ("ada", "2026-02-01", None, None, "r2", None, None, None, None, []),
    ]
