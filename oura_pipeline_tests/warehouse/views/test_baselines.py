"""Numbers against the person's own last week and four weeks; computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, DAILY_READINESS, DAILY_SLEEP
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def score(day: str, value: int | None) -> dict[str, Any]:
    return {"id": day, "day": f"2026-{day}", "score": value}


def test_the_window_is_of_calendar_days_and_of_days_with_a_value(database: ViewDatabase) -> None:
    """A week is the seven days before the day; a day without a value counts for nothing."""
    database.land(
        DAILY_SLEEP,
        [
            score("01-01", 70),
            score("01-03", None),
            score("01-07", 80),
            score("01-08", 90),
            score("01-28", 60),
            score("01-29", 50),
            score("01-30", 40),
        ],
    )
    two = 7.071067812  # the root of 50
    assert database.query(
        "SELECT * REPLACE (round(sd_7d, 9) AS sd_7d, round(sd_28d, 9) AS sd_28d) "
        "FROM oura.baselines WHERE metric = 'sleep_score' ORDER BY day"
    ) == [
        ("ada", "2026-01-01", "sleep_score", 70.0, None, None, 0, None, None, None, 0, None),
        ("ada", "2026-01-07", "sleep_score", 80.0, 70.0, None, 1, 10.0, 70.0, None, 1, 10.0),
        ("ada", "2026-01-08", "sleep_score", 90.0, 75.0, two, 2, 15.0, 75.0, two, 2, 15.0),
        (
            *("ada", "2026-01-28", "sleep_score", 60.0, None, None, 0, None),
            *(80.0, 10.0, 3, -20.0),
        ),
        (
            *("ada", "2026-01-29", "sleep_score", 50.0, 60.0, None, 1, -10.0),
            # 70, 80, 90, 60: mean 75, squares 25 + 25 + 225 + 225 = 500, over 3.
            *(75.0, 12.909944487, 4, -25.0),
        ),
        (
            *("ada", "2026-01-30", "sleep_score", 40.0, 55.0, two, 2, -15.0),
            # The first of January has left: 80, 90, 60, 50: mean 70, squares 1000, over 3.
            *(70.0, 18.257418584, 4, -30.0),
        ),
    ]


def test_metrics_and_people_have_windows_of_their_own(database: ViewDatabase) -> None:
    """And a metric without a value on a day has no row on it."""
    database.land(DAILY_SLEEP, [score("01-01", 70), score("01-02", None)])
    database.land(DAILY_READINESS, [score("01-01", 50), score("01-02", 60)])
    database.land(DAILY_SLEEP, [score("01-02", 10)], "ben")
    assert database.query(
        "SELECT username, day, metric, value, mean_7d FROM oura.baselines ORDER BY ALL"
    ) == [
        ("ada", "2026-01-01", "readiness_score", 50.0, None),
        ("ada", "2026-01-01", "sleep_score", 70.0, None),
        ("ada", "2026-01-02", "readiness_score", 60.0, 50.0),
        ("ben", "2026-01-02", "sleep_score", 10.0, None),
    ]


def test_a_question_for_some_days_still_knows_the_days_before(database: ViewDatabase) -> None:
    """A filter by day takes rows away and nothing out of the windows of others."""
    database.land(DAILY_SLEEP, [score("01-01", 70), score("01-02", 80)])
    assert database.query(
        "SELECT mean_7d, days_7d FROM oura.baselines "
        "WHERE username = 'ada' AND day = '2026-01-02' AND metric = 'sleep_score'"
    ) == [(70.0, 1)]


def test_every_number_of_the_summary_is_a_metric(database: ViewDatabase) -> None:
    """And nothing else is one."""
    database.land(
        DAILY_ACTIVITY,
        [{"id": "a", "day": "2026-01-01", "timestamp": "2026-01-01T04:00:00+00:00", "steps": 5}],
    )
    summary = next(view for view in VIEWS if view.name == "daily_summary")
    kinds: dict[str, str] = dict(row[:2] for row in database.query(f"DESCRIBE {summary.full_name}"))
    numbers = {name for name, kind in kinds.items() if kind in ("DOUBLE", "BIGINT", "INTEGER")}
    baselines = next(view for view in VIEWS if view.name == "baselines")
    assert {name for name in kinds if f"'{name}'" in baselines.sql} == numbers
    database.fill(
        "fetches",
        [
            {"username": "ada", "document_type": name, "day": "2026-01-01", "status": "empty"}
            for name in ("sleep", "workout")
        ],
    )
    assert database.query("SELECT metric, value FROM oura.baselines ORDER BY metric") == [
        ("nap_count", 0.0),
        ("nap_minutes", 0.0),
        ("steps", 5.0),
        ("workout_count", 0.0),
        ("workout_minutes", 0.0),
    ]


def test_an_absurd_value_is_none_and_spoils_nothing(database: ViewDatabase) -> None:
    """Its square would overflow, and nobody would get an answer."""
    days = [{**score("01-01", 70), "temperature_deviation": 1e200}, score("01-02", 80)]
    database.land(DAILY_READINESS, [*days, {**score("01-03", 90), "temperature_deviation": 0.5}])
    assert database.query(
        "SELECT day, metric, value, days_7d FROM oura.baselines "
        "WHERE metric IN ('readiness_score', 'temperature_deviation_c') ORDER BY metric, day"
    ) == [
        ("2026-01-01", "readiness_score", 70.0, 0),
        ("2026-01-02", "readiness_score", 80.0, 1),
        ("2026-01-03", "readiness_score", 90.0, 2),
        ("2026-01-03", "temperature_deviation_c", 0.5, 0),
    ]
