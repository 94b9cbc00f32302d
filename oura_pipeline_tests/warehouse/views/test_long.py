"""The view `long` has the points that Graphite gets, all of them and no others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from math import isclose
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    DOCUMENT_TYPES,
    ENHANCED_TAG,
    HEARTRATE,
    REST_MODE_PERIOD,
    RING_BATTERY_LEVEL,
    RING_CONFIGURATION,
    SESSION,
    SLEEP,
    VO2_MAX,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import running
from oura_pipeline.warehouse.views.catalogue import ensure_views
from oura_pipeline_tests.warehouse.documents import NOON, RawDocument
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied

# Within the 18 days before, somebody travels there and back and somebody changes the clocks.
LAST = date(2026, 4, 14)

Point = tuple[date, str, int]  # day, series and metric, seconds since 1970
Document = dict[str, Any]


@pytest.fixture(scope="module")
def five(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """A warehouse with everything that the sandbox's five awkward people have of 18 days."""
    with (
        copied(empty_database, tmp_path_factory.mktemp("long")) as database,
        running(SandboxOptions(people=5, days=18, end=LAST, thin=20)) as sandbox,
    ):
        for document_type in DOCUMENT_TYPES:
            everybodys = {
                username: [
                    raw_document(entry["day"], entry["document"])
                    for entry in sandbox.truth(username, document_type.name)
                ]
                for username in sandbox.usernames
            }
            land(database, document_type, everybodys)
        yield database


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_everybodys_points_are_those_of_graphite(
    five: ViewDatabase, document_type: DocumentType
) -> None:
    """For every document type and each of five awkward people: days, metrics, times and values."""
    people = five.query(f"SELECT DISTINCT username FROM oura.{document_type.table} ORDER BY ALL")
    assert people
    found = shown(five, document_type)
    assert found
    for (username,) in people:
        assert_same(found.pop(username, {}), pushed(five, document_type, username))
    assert found == {}


def test_where_a_travellers_days_overlap_the_later_day_wins(database: ViewDatabase) -> None:
    """Of met and of the classes; where the later day has null the earlier one stays."""
    first = activity("2026-05-01", "04:00:00+09:00", [1, 2, 3, 4], "12")
    second = activity("2026-05-02", "04:01:30+09:00", [None, 6, 7], "5")
    second["timestamp"] = "2026-05-01T04:05:00+09:00"
    second["met"]["timestamp"] = "2026-05-01T04:01:30+09:00"
    assert points(database, DAILY_ACTIVITY, first, second) == {
        "2026-05-01 activity.class_5_min 04-30 19:00:00": 1,
        "2026-05-02 activity.class_5_min 04-30 19:05:00": 5,
        "2026-05-01 activity.met 04-30 19:00:00": 1,
        "2026-05-01 activity.met 04-30 19:01:00": 2,
        "2026-05-02 activity.met 04-30 19:02:00": 6,
        "2026-05-02 activity.met 04-30 19:03:00": 7,
    }


def test_single_events_of_two_days_in_one_minute_are_the_later_days(database: ViewDatabase) -> None:
    """Oura's day and the instant need not agree."""
    one = workout("a", "10:00:10", "10:30:10", calories=100)
    other = {**workout("b", "10:00:50", "10:20:50", calories=50), "day": "2026-05-02"}
    assert points(database, WORKOUT, one, other) == {
        "2026-05-02 workout.calories 05-01 10:00:00": 50,
        "2026-05-02 workout.duration 05-01 10:00:00": 1200,
    }


def test_two_workouts_in_one_minute_are_added_up(database: ViewDatabase) -> None:
    """Amounts and durations; an end before the start is no duration, null is no distance."""
    assert points(
        database,
        WORKOUT,
        workout("a", "10:00:10", "10:30:10", calories=100.5, distance=None),
        workout("b", "10:00:50", "09:00:00", calories=50, distance=0),
    ) == {
        "2026-05-01 workout.calories 05-01 10:00:00": 150.5,
        "2026-05-01 workout.distance 05-01 10:00:00": 0,
        "2026-05-01 workout.duration 05-01 10:00:00": 1800,
    }


def test_heart_rates_of_a_minute_are_their_mean_and_by_source_too(database: ViewDatabase) -> None:
    """A source that Graphite cannot store still counts; a row of null does not."""
    assert points(
        database,
        HEARTRATE,
        beat("10:00:01", 60, "awake"),
        beat("10:00:59", 70, "Rest"),
        beat("10:00:30", 50, "two words"),
        beat("10:00:31", None, "awake"),
        beat("10:01:00", 80, ""),
    ) == {
        "2026-05-01 hr.bpm 05-01 10:00:00": 60,
        "2026-05-01 hr.awake.bpm 05-01 10:00:00": 60,
        "2026-05-01 hr.rest.bpm 05-01 10:00:00": 70,
        "2026-05-01 hr.bpm 05-01 10:01:00": 80,
    }


def test_battery_rows_stand_every_five_minutes(database: ViewDatabase) -> None:
    """Two of them are their mean; flags are no numbers."""
    rows = [
        {"timestamp": f"2026-05-01T10:0{minute}:00Z", "level": level, "charging": True}
        for minute, level in ((1, 50), (4, 53), (5, 54))
    ]
    assert points(database, RING_BATTERY_LEVEL, *rows) == {
        "2026-05-01 battery.level 05-01 10:00:00": 51.5,
        "2026-05-01 battery.level 05-01 10:05:00": 54,
    }


def test_the_night_stands_at_midnight_and_naps_at_their_time(database: ViewDatabase) -> None:
    """The longest long_sleep is the night, another one a nap; rest and the unknown are silent."""
    nested = {"score": 71, "contributors": {"hrv_balance": None, "recovery_index": 0}}
    assert points(
        database,
        SLEEP,
        sleep("c", "long_sleep", 20, "2026-05-01T01:00:30Z", average_hrv=40),
        sleep("b", "long_sleep", 200, "2026-05-01T02:00:00Z", average_hrv=50, readiness=nested),
        sleep("a", "late_nap", 300, "2026-05-01T01:00:50Z", average_hrv=41),
        sleep("d", "rest", 400, "2026-05-01T03:00:00Z", average_hrv=60),
        sleep("e", "new", 500, "2026-05-01T03:00:00Z", average_hrv=60),
        sleep("f", None, 500, "2026-05-01T03:00:00Z", average_hrv=60),
    ) == {
        "2026-05-01 sleep.average_hrv 05-01 00:00:00": 50,
        "2026-05-01 sleep.readiness.contrib.recovery_index 05-01 00:00:00": 0,
        "2026-05-01 sleep.readiness.score 05-01 00:00:00": 71,
        "2026-05-01 sleep.time_in_bed 05-01 00:00:00": 200,
        "2026-05-01 nap.average_hrv 05-01 01:00:00": 40.5,
        "2026-05-01 nap.time_in_bed 05-01 01:00:00": 320,
    }


def test_digits_and_series_stand_at_their_own_instants(database: ViewDatabase) -> None:
    """No digit is no value; two phases in one interval are the last by its instant."""
    hearts = {"interval": 150.0, "items": [50, None, 60.5], "timestamp": "2026-05-01T02:01:00Z"}
    assert points(
        database,
        SLEEP,
        sleep("n", "long_sleep", 600, "2026-05-01T02:01:00Z", heart_rate=hearts),
        sleep("b", "sleep", 60, "2026-05-01T09:01:00Z", sleep_phase_5_min="1x0²4"),
        sleep("a", "sleep", 30, "2026-05-01T09:02:00Z", sleep_phase_5_min="22"),
        sleep("c", "sleep", 60, "2026-05-01T09:02:30Z", sleep_phase_5_min="3"),
    ) == {
        "2026-05-01 sleep.heart_rate 05-01 02:00:00": 50,
        "2026-05-01 sleep.heart_rate 05-01 02:05:00": 60.5,
        "2026-05-01 sleep.time_in_bed 05-01 00:00:00": 600,
        "2026-05-01 nap.time_in_bed 05-01 09:01:00": 60,
        "2026-05-01 nap.time_in_bed 05-01 09:02:00": 90,
        "2026-05-01 nap.sleep_phase_5_min 05-01 09:00:00": 3,
        "2026-05-01 nap.sleep_phase_5_min 05-01 09:05:00": 2,
        "2026-05-01 nap.sleep_phase_5_min 05-01 09:10:00": 0,
        "2026-05-01 nap.sleep_phase_5_min 05-01 09:20:00": 4,
    }


def test_series_finer_or_coarser_than_graphite_keeps_them(database: ViewDatabase) -> None:
    """Finer ones are merged, coarser ones keep their distance; absurd ones are absent."""
    assert points(
        database,
        SESSION,
        {
            "id": "a",
            "day": "2026-05-01",
            "start_datetime": "2026-05-01T10:00:00Z",
            "end_datetime": "2026-05-01T10:00:00Z",
            "heart_rate": series(2.5, [60, 61, 62]),
            "heart_rate_variability": series(10, [40, None, 42])
            | {"timestamp": "2026-05-01T10:00:07Z"},
            "motion_count": series(1e300, [1]),
        },
    ) == {
        "2026-05-01 session.duration 05-01 10:00:00": 0,
        "2026-05-01 session.heart_rate 05-01 10:00:00": 60.5,
        "2026-05-01 session.heart_rate 05-01 10:00:05": 62,
        "2026-05-01 session.heart_rate_variability 05-01 10:00:00": 40,
        "2026-05-01 session.heart_rate_variability 05-01 10:00:20": 42,
    }


def test_before_1970_times_are_rounded_down_too(database: ViewDatabase) -> None:
    """An odd clock moves nothing into the wrong minute."""
    old = workout("a", "10:00:50", "10:01:50") | {"start_datetime": "1969-12-31T23:58:50Z"}
    old["end_datetime"] = "1969-12-31T23:59:50Z"
    assert points(database, WORKOUT, old) == {"2026-05-01 workout.duration 12-31 23:58:00": 60}


def test_zero_oxygen_is_none(database: ViewDatabase) -> None:
    """Oura writes 0 and two kinds of null."""
    days = [{"average": 0}, None, {"average": None}, {"average": 97.5}]
    documents = [
        {"id": str(i), "day": f"2026-05-0{i}", "spo2_percentage": value}
        for i, value in enumerate(days, 1)
    ]
    assert points(database, DAILY_SPO2, *documents) == {
        "2026-05-04 spo2.daily_average 05-04 00:00:00": 97.5
    }


def test_numbers_that_oura_writes_for_null_are_absent(database: ViewDatabase) -> None:
    """Plain ones, items of series, by source; fractions, amounts and deviations of 0 stay."""
    assert points(
        database,
        HEARTRATE,
        beat("10:00:00", 0, "awake"),
        beat("10:00:30", 60, "awake"),
        beat("10:01:00", 255, "rest"),
    ) == {
        "2026-05-01 hr.awake.bpm 05-01 10:00:00": 60,
        "2026-05-01 hr.bpm 05-01 10:00:00": 60,
    }
    night = {
        **sleep("a", "long_sleep", 28800, "2026-05-01T02:00:00Z"),
        "average_breath": 0.0,
        "average_heart_rate": 255.0,
        "average_hrv": 0,
        "lowest_heart_rate": 0,
        "latency": 0,
        "readiness": {"temperature_deviation": 0.0},
        "heart_rate": series(300, [0, "255", 255.5, 60]),
        "hrv": series(300, [0, 255]),
    }
    assert points(database, SLEEP, night) == {
        "2026-05-01 sleep.heart_rate 05-01 10:10:00": 255.5,
        "2026-05-01 sleep.heart_rate 05-01 10:15:00": 60,
        "2026-05-01 sleep.hrv 05-01 10:05:00": 255,
        "2026-05-01 sleep.latency 05-01 00:00:00": 0,
        "2026-05-01 sleep.readiness.temperature_deviation 05-01 00:00:00": 0,
        "2026-05-01 sleep.time_in_bed 05-01 00:00:00": 28800,
    }
    moment = {
        "id": "a",
        "day": "2026-05-01",
        "start_datetime": "2026-05-01T10:00:00Z",
        "end_datetime": "2026-05-01T10:01:00Z",
        "heart_rate": series(5, [0, 61, 255]),
        "heart_rate_variability": series(5, [0, 0, 0]),
        "motion_count": series(5, [0, 255]),
    }
    assert points(database, SESSION, moment) == {
        "2026-05-01 session.duration 05-01 10:00:00": 60,
        "2026-05-01 session.heart_rate 05-01 10:00:05": 61,
        "2026-05-01 session.motion_count 05-01 10:00:00": 0,
        "2026-05-01 session.motion_count 05-01 10:00:05": 255,
    }
    arteries = {"id": "a", "day": "2026-05-01", "vascular_age": 0, "pulse_wave_velocity": 0.0}
    assert points(database, DAILY_CARDIOVASCULAR_AGE, arteries) == {}
    assert points(database, VO2_MAX, {"id": "a", "day": "2026-05-01", "vo2_max": 0}) == {}


def test_a_level_without_a_code_is_absent(database: ViewDatabase) -> None:
    """What Oura adds tomorrow has no number yet."""
    levels = ["limited", "legendary", "exceptional"]
    documents = [
        {"id": str(i), "day": f"2026-05-0{i}", "level": level} for i, level in enumerate(levels, 1)
    ]
    assert points(database, DAILY_RESILIENCE, *documents) == {
        "2026-05-01 resilience.level 05-01 00:00:00": 1,
        "2026-05-03 resilience.level 05-03 00:00:00": 5,
    }


def test_only_the_newest_ring_is_there(database: ViewDatabase) -> None:
    """1970 and null are of unknown age, and of equally old ones the last listed counts."""
    rings: list[tuple[str, str | None, int]] = [
        ("a", None, 7),
        ("b", "1970-01-01T00:00:00+00:00", 8),
    ]
    assert points(database, RING_CONFIGURATION, *(ring(*one) for one in rings)) == {
        "2026-04-14 ring.size 04-14 00:00:00": 8
    }
    rings.append(("A", "2024-01-01T00:00:00+00:00", 9))
    assert points(database, RING_CONFIGURATION, *(ring(*one) for one in rings)) == {
        "2026-04-14 ring.size 04-14 00:00:00": 9
    }


def test_tags_are_counted_by_day(database: ViewDatabase) -> None:
    """Two on one day are 2."""
    documents = [
        {"id": str(i), "start_day": day, "start_time": f"{day}T10:00:00Z"}
        for i, day in enumerate(["2026-05-01", "2026-05-01", "2026-05-02"])
    ]
    assert points(database, ENHANCED_TAG, *documents) == {
        "2026-05-01 enhanced_tag.count 05-01 00:00:00": 2,
        "2026-05-02 enhanced_tag.count 05-02 00:00:00": 1,
    }


def test_an_event_that_need_not_say_when_stands_at_its_day(database: ViewDatabase) -> None:
    """Rest mode: a number nobody described, at its time or at midnight."""
    documents: list[Document] = [
        {"id": "a", "start_day": "2026-05-01", "start_time": None, "novel": 1},
        {"id": "b", "start_day": "2026-05-02", "start_time": "2026-05-02T10:00:59Z", "novel": 2}
        | {"end_time": "2026-05-03T10:00:59.5Z"},
    ]
    assert points(database, REST_MODE_PERIOD, *documents) == {
        "2026-05-01 rest_mode_period.novel 05-01 00:00:00": 1,
        "2026-05-02 rest_mode_period.duration 05-02 10:00:00": 86400.5,
        "2026-05-02 rest_mode_period.novel 05-02 10:00:00": 2,
    }


def test_numbers_that_nobody_described_are_there(database: ViewDatabase) -> None:
    """Plain and nested ones; texts, flags, identifiers and names that others have are not."""
    novel = {"Inner": 2.5, "text": "5", "flag": True, "ring_id": 7, "deeper": {"most": 0}}
    document = {
        "id": "a",
        "day": "2026-05-01",
        "score": 80,
        "novel": novel,
        "time_in_bed": 1,
        "contributors": {"deep_sleep": 5, "new": 6},
        "contrib": {"new": 7, "newer": 8},
        "not possible": 9,
        "Twice": 3,
        "twice": 4,
    }
    assert points(database, DAILY_SLEEP, document) == {
        "2026-05-01 sleep.contrib.deep_sleep 05-01 00:00:00": 5,
        "2026-05-01 sleep.contrib.new 05-01 00:00:00": 7,
        "2026-05-01 sleep.contrib.newer 05-01 00:00:00": 8,
        "2026-05-01 sleep.novel.deeper.most 05-01 00:00:00": 0,
        "2026-05-01 sleep.novel.inner 05-01 00:00:00": 2.5,
        "2026-05-01 sleep.score 05-01 00:00:00": 80,
        "2026-05-01 sleep.twice 05-01 00:00:00": 4,
    }


def test_numbers_where_something_else_should_be_are_there(database: ViewDatabase) -> None:
    """A fraction for an integer, a number for a text or flag, a number that is written as text."""
    document = {
        "id": "a",
        "day": "2026-05-01",
        "type": "long_sleep",
        "bedtime_start": "2026-05-01T02:00:00Z",
        "average_hrv": 40.5,
        "average_breath": "15",
        "latency": True,
        "efficiency": {"novel": 3},
        "low_battery_alert": 1,
        "sleep_algorithm_version": 2,
        "readiness": 5,
        "sleep_phase_5_min": 4,
        "heart_rate": {**series(300, []), "more": 6},
    }
    assert points(database, SLEEP, document) == {
        "2026-05-01 sleep.average_breath 05-01 00:00:00": 15,
        "2026-05-01 sleep.average_hrv 05-01 00:00:00": 40.5,
        "2026-05-01 sleep.efficiency.novel 05-01 00:00:00": 3,
        "2026-05-01 sleep.heart_rate.more 05-01 00:00:00": 6,
        "2026-05-01 sleep.low_battery_alert 05-01 00:00:00": 1,
        "2026-05-01 sleep.readiness 05-01 00:00:00": 5,
        "2026-05-01 sleep.sleep_algorithm_version 05-01 00:00:00": 2,
    }


def test_unknown_numbers_of_heart_rates_have_their_source_too(database: ViewDatabase) -> None:
    """They are merged as means, and by source."""
    rows = [
        beat("10:00:01", 60, "awake") | {"novel": 1},
        beat("10:00:31", 60, "awake") | {"novel": 2},
    ]
    assert points(database, HEARTRATE, *rows) == {
        "2026-05-01 hr.awake.bpm 05-01 10:00:00": 60,
        "2026-05-01 hr.awake.novel 05-01 10:00:00": 1.5,
        "2026-05-01 hr.bpm 05-01 10:00:00": 60,
        "2026-05-01 hr.novel 05-01 10:00:00": 1.5,
    }


def test_paths_that_nobody_described_are_kept_once(database: ViewDatabase) -> None:
    """With the first time; a landing without new ones writes nothing."""
    document = {"id": "a", "day": "2026-04-01", "novel": {"x": 1, "y": [{"z": 2}]}, "score": 7.5}
    for fields in ({}, {}, {"later": None}):
        land(database, DAILY_SLEEP, {"ada": [raw_document("2026-04-01", document | fields)]})
    assert database.query("FROM oura.unknown_fields ORDER BY path") == [
        ("daily_sleep", "later", "2026-02-01T12:00:00Z"),
        ("daily_sleep", "novel.x", "2026-02-01T12:00:00Z"),
        ("daily_sleep", "novel.y.z", "2026-02-01T12:00:00Z"),
    ]


def test_keys_that_are_new_every_day_do_not_make_the_view_grow_for_ever(
    database: ViewDatabase,
) -> None:
    """The hundred first paths of a type are kept, in whatever landing they come."""
    for first in (0, 60, 120):
        keys = {f"day-{number:03}": 1 for number in range(first, first + 60)}
        document = {"id": "a", "day": "2026-04-01", "novel": keys}
        land(database, DAILY_SLEEP, {"ada": [raw_document("2026-04-01", document)]})
    kept = database.query("SELECT count(*), min(path), max(path) FROM oura.unknown_fields")
    assert kept == [(100, "novel.day-000", "novel.day-099")]


def test_a_question_for_one_series_reads_its_tables(five: ViewDatabase) -> None:
    """Series are constants of each part, so that DuckDB leaves the other parts out.

    A sleep is read twice: itself, and what tells whether it is the night. daily_sleep has the same
    series.
    """
    plan = five.query(
        "EXPLAIN FROM oura.long WHERE username = 'runa' AND series = 'sleep' "
        "AND metric = 'average_hrv' AND day BETWEEN '2026-04-01' AND '2026-04-03'"
    )[0][1]
    assert plan.count("SEQ_SCAN") + plan.count("TABLE_SCAN") == 3
    assert "username='runa'" in plan


def points(
    database: ViewDatabase, document_type: DocumentType, *documents: Document
) -> dict[str, float]:
    """What the view has of these documents of ada's, which is what Graphite gets."""
    land(
        database,
        document_type,
        {"ada": [raw_document(_day(document_type, one), one) for one in documents]},
    )
    if database.query("FROM oura.unknown_fields"):
        renew(database)
    found = shown(database, document_type).get("ada", {})
    assert_same(found, pushed(database, document_type, "ada"))
    return {f"{day} {metric} {_text(time)}": value for (day, metric, time), value in found.items()}


def land(
    database: ViewDatabase,
    document_type: DocumentType,
    everybodys: Mapping[str, Iterable[RawDocument]],
) -> None:
    """Land what people have."""
    with database.warehouse.spool(document_type) as spool:
        for username, documents in everybodys.items():
            spool.add(username, list(documents), True)
        database.warehouse.land(
            document_type,
            spool,
            usernames=list(everybodys),
            first_day=LAST - timedelta(days=50),
            last_day=LAST + timedelta(days=50) if document_type.partitioned else LAST,
            fetched_at=NOON,
            run_id="run-1",
        )


def renew(database: ViewDatabase) -> None:
    """Make the views anew, as publishing does, with what nobody described."""
    with database.open() as connection:
        ensure_views(connection)


def pushed(
    database: ViewDatabase, document_type: DocumentType, username: str
) -> dict[Point, float]:
    """What Graphite gets."""
    documents = database.warehouse.documents_of(document_type, [username], date.min, date.max)[
        username
    ]
    flat = flatten(document_type, username, documents, first_day=date.min, last_day=date.max)
    return {
        (day.day, metric.removeprefix(f"bio.{username}."), time): value
        for day in flat
        for metric, points in day.points.items()
        for time, value in points
    }


def shown(database: ViewDatabase, document_type: DocumentType) -> dict[str, dict[Point, float]]:
    """What the view has, by person; nothing twice."""
    with database.open() as connection:
        rows = connection.execute(
            "SELECT username, day, series || '.' || metric, epoch_us(time) // 1000000, value "
            "FROM oura.long WHERE document_type = ?",
            [document_type.name],
        ).fetchall()
    found: dict[str, dict[Point, float]] = {}
    for username, day, metric, time, value in rows:
        theirs = found.setdefault(username, {})
        assert (day, metric, time) not in theirs
        theirs[day, metric, time] = value
    return found


def assert_same(found: dict[Point, float], wanted: dict[Point, float]) -> None:
    assert sorted(wanted.keys() ^ found.keys()) == []
    # DuckDB adds sums and means up in another order than Python, which changes rounding.
    assert [one for one in wanted if not isclose(wanted[one], found[one], rel_tol=1e-9)] == []


def raw_document(day: str | None, document: Document) -> RawDocument:
    return RawDocument(date.fromisoformat(day) if day else LAST, json.dumps(document).encode())


def activity(day: str, start: str, items: list[Any], classes: str) -> Document:
    """An activity day that begins on the first of May."""
    begin = f"2026-05-01T{start}"
    met = {"interval": 60.0, "items": items, "timestamp": begin}
    return {"id": day, "day": day, "timestamp": begin, "met": met, "class_5_min": classes}


def workout(identifier: str, start: str, end: str, **fields: Any) -> Document:
    return {
        "id": identifier,
        "day": "2026-05-01",
        "start_datetime": f"2026-05-01T{start}Z",
        "end_datetime": f"2026-05-01T{end}Z",
        **fields,
    }


def beat(time: str, bpm: int | None, source: str | None) -> Document:
    return {"timestamp": f"2026-05-01T{time}Z", "bpm": bpm, "source": source}


def sleep(
    identifier: str, kind: str | None, length: int | None, start: str, **fields: Any
) -> Document:
    return {
        "id": identifier,
        "day": "2026-05-01",
        "type": kind,
        "time_in_bed": length,
        "bedtime_start": start,
        **fields,
    }


def series(interval: float, items: list[Any]) -> Document:
    return {"interval": interval, "items": items, "timestamp": "2026-05-01T10:00:00Z"}


def ring(identifier: str, set_up_at: str | None, size: int) -> Document:
    return {"id": identifier, "set_up_at": set_up_at, "size": size}


def _day(document_type: DocumentType, document: Document) -> str | None:
    if document_type.day_field:
        return str(document[document_type.day_field])
    return "2026-05-01" if document_type.partitioned else None


def _text(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%m-%d %H:%M:%S}"
