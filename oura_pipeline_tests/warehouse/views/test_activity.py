"""Metabolic equivalents, minute by minute; rows computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def day(date: str, start: str, items: list[Any] | None, every: float = 60.0) -> dict[str, Any]:
    """An activity day whose minutes begin at an instant."""
    return {
        "id": f"a-{date}",
        "day": date,
        "timestamp": start.replace(".000", ""),
        "met": None if items is None else {"interval": every, "items": items, "timestamp": start},
    }


def test_minutes_begin_at_the_timestamp_of_the_series(database: ViewDatabase) -> None:
    """Nulls are absent and leave their minute; 0 is a value."""
    document = day("2026-01-10", "2026-01-10T04:00:00.000-08:00", [0.9, None, 0, 1.3])
    database.land(DAILY_ACTIVITY, [{**document, "timestamp": "2026-01-10T03:00:00-08:00"}])
    assert database.query("FROM oura.met_1min ORDER BY time") == [
        ("ada", "2026-01-10", "2026-01-10T12:00:00Z", "2026-01-10T04:00:00", 0.9),
        ("ada", "2026-01-10", "2026-01-10T12:02:00Z", "2026-01-10T04:02:00", 0.0),
        ("ada", "2026-01-10", "2026-01-10T12:03:00Z", "2026-01-10T04:03:00", 1.3),
    ]


def test_where_activity_days_overlap_the_later_one_is_believed(database: ViewDatabase) -> None:
    """From Bogota to Lagos: the second day begins while the first lasts; its gaps are gaps."""
    database.land(
        DAILY_ACTIVITY,
        [
            day("2026-01-10", "2026-01-11T03:58:00.000-05:00", [1.0, 1.1, 1.2, 1.3]),
            day("2026-01-11", "2026-01-11T10:00:00.000+01:00", [2.0, None, 2.2]),
        ],
    )
    rows = [
        ("2026-01-10", "2026-01-11T08:58:00Z", "2026-01-11T03:58:00", 1.0),
        ("2026-01-10", "2026-01-11T08:59:00Z", "2026-01-11T03:59:00", 1.1),
        ("2026-01-11", "2026-01-11T09:00:00Z", "2026-01-11T10:00:00", 2.0),
        ("2026-01-11", "2026-01-11T09:02:00Z", "2026-01-11T10:02:00", 2.2),
    ]
    asked = "SELECT day, time, time_local, met FROM oura.met_1min"
    assert database.query(f"{asked} ORDER BY time") == rows
    # Whoever asks for the first day alone gets no other answer.
    assert database.query(f"{asked} WHERE day = '2026-01-10' ORDER BY time") == rows[:2]


def test_days_of_others_override_nothing(database: ViewDatabase) -> None:
    """Neither does a day without a series, nor an earlier day that begins later."""
    database.land(
        DAILY_ACTIVITY,
        [
            day("2026-01-10", "2026-01-10T04:00:00.000+00:00", [1.0, 1.1]),
            day("2026-01-11", "2026-01-10T04:01:00.000+00:00", None),
        ],
    )
    database.land(
        DAILY_ACTIVITY, [day("2026-01-11", "2026-01-10T04:01:00.000+00:00", [5.0])], "ben"
    )
    assert database.query("SELECT username, time, met FROM oura.met_1min ORDER BY ALL") == [
        ("ada", "2026-01-10T04:00:00Z", 1.0),
        ("ada", "2026-01-10T04:01:00Z", 1.1),
        ("ben", "2026-01-10T04:01:00Z", 5.0),
    ]


def test_a_series_without_an_interval_has_no_minutes(database: ViewDatabase) -> None:
    """Nobody knows when its items were."""
    database.land(
        DAILY_ACTIVITY,
        [
            day("2026-01-10", "2026-01-10T04:00:00.000+00:00", [1.0], every=0.0),
            day("2026-01-11", "2026-01-11T04:00:00.000+00:00", []),
        ],
    )
    assert database.query("FROM oura.met_1min") == []


def test_an_absurd_interval_has_no_minutes_and_spoils_nothing(database: ViewDatabase) -> None:
    """One that overflows the time there is; the next day is there."""
    for every in (1e12, 1e300):
        database.land(
            DAILY_ACTIVITY,
            [
                day("2026-01-10", "2026-01-10T04:00:00.000+00:00", [1.0, 1.1], every),
                day("2026-01-11", "2026-01-11T04:00:00.000+00:00", [2.0]),
            ],
        )
        assert database.query("SELECT day, met FROM oura.met_1min") == [("2026-01-11", 2.0)]


def test_a_later_day_with_a_clock_gone_wrong_ends_no_other(database: ViewDatabase) -> None:
    """It has its minutes where it says, and the days before keep theirs."""
    database.land(
        DAILY_ACTIVITY,
        [
            day("2026-01-10", "2026-01-10T04:00:00.000+00:00", [1.0]),
            day("2026-01-11", "2026-01-11T04:00:00.000+00:00", [2.0]),
            day("2026-01-12", "1970-01-01T00:00:00.000+00:00", [3.0]),
        ],
    )
    assert database.query("SELECT day, time, met FROM oura.met_1min ORDER BY day") == [
        ("2026-01-10", "2026-01-10T04:00:00Z", 1.0),
        ("2026-01-11", "2026-01-11T04:00:00Z", 2.0),
        ("2026-01-12", "1970-01-01T00:00:00Z", 3.0),
    ]
