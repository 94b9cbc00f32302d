"""One row per person and day, and the records made of it; rows computed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    DAILY_STRESS,
    DOCUMENT_TYPES,
    HEARTRATE,
    SLEEP,
    SLEEP_TIME,
    WORKOUT,
    get_document_type,
)
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied

DAY = "2026-01-10"


def of_day(name: str = "x", day: str = DAY, **fields: Any) -> dict[str, Any]:
    return {"id": name, "day": day, **fields}


def sleep(name: str, hour: int, **fields: Any) -> dict[str, Any]:
    return of_day(name, bedtime_start=f"2026-01-10T{hour:02}:00:00+00:00", **fields)


def workout(name: str, start: str, end: str, day: str = DAY) -> dict[str, Any]:
    times = {"start_datetime": f"{day}T{start}:00+00:00", "end_datetime": f"{day}T{end}:00+00:00"}
    return of_day(name, day, **times)


NIGHT = sleep(
    "night",
    0,
    type="long_sleep",
    time_in_bed=28800,
    total_sleep_duration=27000,
    awake_time=1800,
    deep_sleep_duration=5400,
    light_sleep_duration=15000,
    rem_sleep_duration=6600,
    latency=90,
    efficiency=94,
    lowest_heart_rate=48,
    average_heart_rate=55.25,
    average_hrv=41,
    average_breath=14.5,
    readiness={"score": 1, "temperature_deviation": 9.0},
    hrv={"interval": 300.0, "items": [38, None, 51], "timestamp": "2026-01-10T00:00:00.000+00:00"},
)
FULL = {
    "daily_sleep": [of_day(score=81, contributors={"deep_sleep": 99})],
    "daily_readiness": [
        of_day(score=77, temperature_deviation=-0.25, temperature_trend_deviation=0.5)
    ],
    "daily_activity": [
        of_day(
            timestamp="2026-01-10T04:00:00+00:00",
            score=92,
            steps=10400,
            active_calories=431,
            total_calories=2431,
            equivalent_walking_distance=9100,
            high_activity_time=60,
            medium_activity_time=1800,
            low_activity_time=12000,
            sedentary_time=30000,
            resting_time=36000,
            non_wear_time=6540,
        )
    ],
    "daily_stress": [of_day(stress_high=8100, recovery_high=0, day_summary="normal")],
    "daily_resilience": [of_day(level="solid")],
    "daily_spo2": [of_day(spo2_percentage={"average": 97.5}, breathing_disturbance_index=0)],
    "daily_cardiovascular_age": [of_day(vascular_age=38, pulse_wave_velocity=6.75)],
    "vO2_max": [of_day(timestamp="2026-01-10T00:00:00+00:00", vo2_max=44)],
    "sleep": [
        NIGHT,
        sleep("nap", 13, type="sleep", total_sleep_duration=1500, time_in_bed=1800),
        sleep("late", 19, type="late_nap", total_sleep_duration=900, time_in_bed=960),
        sleep("rest", 15, type="rest", total_sleep_duration=9000, time_in_bed=9000),
    ],
    "workout": [workout("w1", "10:00", "10:45"), workout("w2", "18:00", "18:30")],
    "session": [
        of_day(start_datetime="2026-01-10T20:00:00+00:00", end_datetime="2026-01-10T20:10:00+00:00")
    ],
    "enhanced_tag": [
        {"id": "e", "start_day": DAY, "start_time": "2026-01-10T20:00:00+00:00", "comment": "hi"}
    ],
    "tag": [of_day(timestamp="2026-01-10T20:00:00+00:00", tags=["tag_a", "tag_b"], text=None)],
}


@pytest.fixture(scope="module")
def full(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """A database with one document of every kind, which is only asked."""
    with copied(empty_database, tmp_path_factory.mktemp("full")) as database:
        for name, documents in FULL.items():
            database.land(get_document_type(name), documents)
        yield database


def test_a_day_has_everything_in_the_unit_of_its_columns(full: ViewDatabase) -> None:
    """The temperatures are those of the day, not of the sleep; three tags in two documents."""
    assert full.query("FROM oura.daily_summary") == [
        (
            *("ada", DAY, 81, 77, 92),
            *(450.0, 480.0, 90.0, 250.0, 110.0, 30.0, 1.5, 94, 2, 40.0),
            *(41, 38.0, 51.0, 48, 55.25, 14.5, -0.25, 0.5),
            *(10400, 431, 2431, 9100, 1.0, 30.0, 200.0, 500.0, 600.0, 109.0),
            *(135.0, 0.0, "normal", "solid", 3, 97.5, 0, 38, 6.75, 44),
            *(2, 75.0, 1, 3),
        )
    ]


def test_a_day_of_one_document_is_null_elsewhere(database: ViewDatabase) -> None:
    """A stress of 0 without a summary is what Oura says of a running day: 0, and no text."""
    database.land(DAILY_STRESS, [of_day(stress_high=0, recovery_high=0, day_summary=None)])
    assert database.query("FROM oura.daily_summary") == [
        (
            *("ada", DAY, *(None,) * 13),
            *((None,) * 18),
            *(0.0, 0.0, *(None,) * 8),
            *(None,) * 4,
        )
    ]


COUNTS = (
    "SELECT day, nap_count, nap_minutes, workout_count, workout_minutes, session_count, tag_count "
    "FROM oura.daily_summary ORDER BY day"
)


def fetched(document_type: str, status: str, day: str = DAY, username: str = "ada") -> Any:
    return {"username": username, "document_type": document_type, "day": day, "status": status}


def test_counts_are_zero_only_where_oura_said_that_there_is_nothing(database: ViewDatabase) -> None:
    """Not granted, failed and never fetched are not known; of tags both kinds must be."""
    stress = [of_day(day=f"2026-01-{day}", stress_high=0) for day in (10, 11, 12, 13)]
    database.land(DAILY_STRESS, stress)
    database.fill(
        "fetches",
        [
            *(fetched(name, "empty") for name in ("workout", "session", "enhanced_tag", "tag")),
            fetched("sleep", "landed"),
            *(fetched(name, "not_granted", "2026-01-11") for name in ("sleep", "workout")),
            fetched("session", "failed", "2026-01-11"),
            fetched("tag", "empty", "2026-01-11"),
            fetched("workout", "empty", "2026-01-12", "ben"),
            fetched("daily_stress", "landed", "2026-01-12"),
            fetched("enhanced_tag", "empty", "2026-01-13"),
            fetched("workout", "empty", "2026-01-14"),
        ],
    )
    nothing = (None,) * 6
    assert database.query(COUNTS) == [
        (DAY, 0, 0.0, 0, 0.0, 0, 0),
        *((f"2026-01-{day}", *nothing) for day in (11, 12, 13)),
    ]


def test_what_has_landed_counts_whatever_a_later_fetch_said(database: ViewDatabase) -> None:
    """A failure does not make known workouts unknown; a scope withdrawn does neither."""
    database.land(WORKOUT, [workout("w1", "10:00", "10:30")])
    for status in ("failed", "not_granted"):
        database.fill("fetches", [fetched("workout", status)])
        assert database.query(COUNTS) == [(DAY, None, None, 1, 30.0, None, None)]


def test_a_score_and_contributors_can_be_null(database: ViewDatabase) -> None:
    """A partly worn day: the document is there, the numbers are not."""
    database.land(
        DAILY_READINESS, [of_day(score=None, contributors=None, temperature_deviation=None)]
    )
    database.land(DAILY_SLEEP, [of_day(score=None, contributors={"deep_sleep": None})])
    assert database.query("SELECT day, sleep_score, readiness_score FROM oura.daily_summary") == [
        (DAY, None, None)
    ]


def test_all_three_ways_in_which_oxygen_is_unknown_are_null(database: ViewDatabase) -> None:
    """Two nulls and a 0; the index of disturbances is its own number."""
    database.land(
        DAILY_SPO2,
        [
            of_day(spo2_percentage={"average": None}, breathing_disturbance_index=3),
            of_day(day="2026-01-11", spo2_percentage=None, breathing_disturbance_index=None),
            of_day(day="2026-01-12", spo2_percentage={"average": 0}, breathing_disturbance_index=0),
        ],
    )
    asked = "SELECT day, spo2_percent, breathing_disturbance_index FROM oura.daily_summary"
    assert database.query(f"{asked} ORDER BY day") == [
        ("2026-01-10", None, 3),
        ("2026-01-11", None, None),
        ("2026-01-12", None, 0),
    ]


def test_the_levels_of_resilience_count_from_one_to_five(database: ViewDatabase) -> None:
    """A level that nobody heard of has no code."""
    levels = ["limited", "adequate", "solid", "strong", "exceptional", "heroic", None]
    database.land(
        DAILY_RESILIENCE,
        [of_day(day=f"2026-01-1{n}", level=level) for n, level in enumerate(levels)],
    )
    asked = "SELECT resilience_level, resilience_code FROM oura.daily_summary ORDER BY day"
    assert database.query(asked) == list(zip(levels, [1, 2, 3, 4, 5, None, None], strict=True))


def test_what_oura_writes_for_null_is_unknown(database: ViewDatabase) -> None:
    """An age, a speed or an uptake of 0 is none; 0 steps and a deviation of 0 are measured."""
    zeros = {
        "daily_cardiovascular_age": of_day(vascular_age=0, pulse_wave_velocity=0.0),
        "vo2_max": of_day(vo2_max=0),
        "daily_spo2": of_day(spo2_percentage={"average": 0}, breathing_disturbance_index=0),
        "daily_readiness": of_day(temperature_deviation=0.0),
        "daily_activity": of_day(timestamp="2026-01-10T04:00:00+00:00", steps=0),
    }
    for name, document in zeros.items():
        database.land(get_document_type(name), [document])
    assert database.query(
        "SELECT vascular_age_years, pulse_wave_velocity_m_s, vo2_max, spo2_percent, "
        "breathing_disturbance_index, temperature_deviation_c, steps FROM oura.daily_summary"
    ) == [(None, None, None, None, 0, 0.0, 0)]


def test_short_sleeps_are_no_naps(database: ViewDatabase) -> None:
    """They are neither counted nor added, and make no day of their own."""
    short = sleep("short", 13, type="sleep", total_sleep_duration=899)
    database.land(SLEEP, [NIGHT, short, sleep("nap", 16, type="sleep", total_sleep_duration=900)])
    database.land(SLEEP, [short], "ben")
    assert database.query("SELECT username, nap_count, nap_minutes FROM oura.daily_summary") == [
        ("ada", 1, 15.0)
    ]


def test_unknown_amounts_do_not_become_zero_where_something_is_counted(
    database: ViewDatabase,
) -> None:
    """A nap of unknown length is a nap; of two workouts the one that is known counts."""
    database.land(SLEEP, [sleep("nap", 13, type="late_nap", total_sleep_duration=None)])
    database.land(WORKOUT, [workout("w1", "10:00", "09:00")])
    asked = "SELECT nap_count, nap_minutes, workout_count, workout_minutes FROM oura.daily_summary"
    assert database.query(asked) == [(1, None, 1, None)]
    database.land(WORKOUT, [workout("w1", "10:00", "09:00"), workout("w2", "10:00", "10:30")])
    assert database.query(asked) == [(1, None, 2, 30.0)]


def test_what_makes_no_day(database: ViewDatabase) -> None:
    """Heart-rate rows, bedtimes and sleeps that were none are not a day of their own."""
    database.land(
        HEARTRATE, [{"timestamp": "2026-01-10T09:00:00+00:00", "bpm": 60, "source": "rest"}]
    )
    database.land(SLEEP_TIME, [of_day(recommendation="earlier_bedtime")])
    database.land(SLEEP, [sleep("rest", 15, type="rest"), sleep("gone", 16, type="deleted")])
    assert database.query("FROM oura.daily_summary") == []
    assert database.query("FROM oura.daily_records") == []
    assert database.query("FROM oura.baselines") == []


def test_somebody_without_any_document_is_in_no_view(full: ViewDatabase) -> None:
    """Others being there changes nothing for them."""
    views = full.query("SELECT view_name FROM duckdb_views() WHERE schema_name = 'oura'")
    assert len(views) >= 14
    theirs = " UNION ALL ".join(
        f"SELECT '{name}' FROM oura.{name} WHERE username = 'cleo'" for (name,) in views
    )
    assert full.query(theirs) == []


def records(database: ViewDatabase) -> list[tuple[Any, ...]]:
    rows = database.query("FROM oura.daily_records ORDER BY username, day, metric_type")
    return [(*row[:4], json.loads(row[4])) for row in rows]


def test_a_record_has_only_keys_with_a_value(database: ViewDatabase) -> None:
    """Numbers are numbers, and 0 is a value."""
    for document_type in (DAILY_READINESS, DAILY_SLEEP, SLEEP, DAILY_STRESS):
        database.land(document_type, FULL[document_type.name])
    database.land(
        DAILY_ACTIVITY,
        [of_day(timestamp="2026-01-10T04:00:00+00:00", steps=0, high_activity_time=90)],
    )
    assert records(database) == [
        ("ada", DAY, "activity", "oura", {"steps": 0, "high_activity_minutes": 1.5}),
        (
            *("ada", DAY, "hrv", "oura"),
            {
                "hrv_average_ms": 41,
                "hrv_min_ms": 38.0,
                "hrv_max_ms": 51.0,
                "resting_heart_rate_bpm": 48,
            },
        ),
        (
            *("ada", DAY, "readiness", "oura"),
            {
                "score": 77,
                "temperature_deviation_c": -0.25,
                "temperature_trend_deviation_c": 0.5,
            },
        ),
        (
            *("ada", DAY, "sleep", "oura"),
            {
                "score": 81,
                "total_sleep_minutes": 450.0,
                "time_in_bed_minutes": 480.0,
                "deep_minutes": 90.0,
                "light_minutes": 250.0,
                "rem_minutes": 110.0,
                "awake_minutes": 30.0,
                "latency_minutes": 1.5,
                "efficiency_percent": 94,
                "nap_count": 2,
                "nap_minutes": 40.0,
                "average_heart_rate_bpm": 55.25,
                "average_breath_per_minute": 14.5,
            },
        ),
    ]


def test_a_record_without_a_value_is_absent(database: ViewDatabase) -> None:
    """No naps are no sleep record; a nap without a night is one."""
    database.land(DAILY_READINESS, [of_day(score=None)])
    database.land(DAILY_SLEEP, [of_day(score=None), of_day(day="2026-01-11", score=70)])
    nap = sleep("nap", 13, type="late_nap", total_sleep_duration=1500)
    database.land(SLEEP, [{**nap, "day": "2026-01-12"}])
    database.fill("fetches", [fetched("sleep", "empty", f"2026-01-{day}") for day in (10, 11)])
    assert records(database) == [
        ("ada", "2026-01-11", "sleep", "oura", {"score": 70, "nap_count": 0, "nap_minutes": 0.0}),
        ("ada", "2026-01-12", "sleep", "oura", {"nap_count": 1, "nap_minutes": 25.0}),
    ]


def test_every_daily_document_type_has_a_part_in_the_summary() -> None:
    """One that is added to the table of document types is not forgotten here."""
    daily = {document_type.name for document_type in DOCUMENT_TYPES if document_type.daily}
    assert daily - set(FULL) == {SLEEP_TIME.name}
