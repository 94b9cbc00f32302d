"""Which sleep is the night, and what a night tells; rows computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

FULL: dict[str, Any] = {
    "id": "n1",
    "day": "2026-01-10",
    "bedtime_start": "2026-01-09T22:41:10-03:30",
    "bedtime_end": "2026-01-10T06:41:10-03:30",
    "type": "long_sleep",
    "time_in_bed": 28800,
    "total_sleep_duration": 27000,
    "awake_time": 1800,
    "deep_sleep_duration": 5400,
    "light_sleep_duration": 15000,
    "rem_sleep_duration": 6600,
    "latency": 90,
    "efficiency": 94,
    "restless_periods": 120,
    "average_heart_rate": 55.25,
    "lowest_heart_rate": 48,
    "average_hrv": 41,
    "average_breath": 14.5,
    "readiness": {
        "score": 77,
        "temperature_deviation": -0.25,
        "temperature_trend_deviation": 0.125,
        "contributors": {"hrv_balance": 5},
    },
    "hrv": {
        "interval": 300.0,
        "items": [None, 38, 51.5, None, 20],
        "timestamp": "2026-01-09T22:41:10.000-03:30",
    },
    "sleep_phase_5_min": "44112",
    "sleep_phase_30_sec": "4411222333x2",
    "sleep_algorithm_version": "v2",
    "low_battery_alert": False,
}


def sleep(name: str, start: str, bed: int | None, **fields: Any) -> dict[str, Any]:
    """A sleep of 2026-01-10 that begins at an hour of the night in Berlin."""
    return {
        "id": name,
        "day": "2026-01-10",
        "bedtime_start": f"2026-01-{start}:00+01:00",
        "type": "long_sleep",
        "time_in_bed": bed,
        **fields,
    }


def test_a_night_tells_everything_in_the_unit_of_its_columns(database: ViewDatabase) -> None:
    """Oura's seconds are minutes, its numbers stay; phases are counted from the finer text."""
    database.land(SLEEP, [FULL])
    assert database.query("FROM oura.nights") == [
        (
            "ada",
            "2026-01-10",
            "n1",
            "2026-01-10T02:11:10Z",
            "2026-01-10T10:11:10Z",
            "2026-01-09T22:41:10",
            "2026-01-10T06:41:10",
            -210,
            True,
            480.0,
            450.0,
            30.0,
            90.0,
            250.0,
            110.0,
            1.5,
            94,
            120,
            55.25,
            48,
            41,
            20.0,
            51.5,
            14.5,
            77,
            -0.25,
            0.125,
            1.0,
            2.0,
            1.5,
            1.0,
            "v2",
            False,
            "long_sleep",
            1,
        )
    ]


def test_a_night_without_anything_is_null_and_not_zero(database: ViewDatabase) -> None:
    """An unfinished night has a begin and little else."""
    database.land(
        SLEEP,
        [
            {
                "id": "n1",
                "day": "2026-01-10",
                "bedtime_start": "2026-01-09T23:00:00+13:00",
                "bedtime_end": None,
                "type": "long_sleep",
                "time_in_bed": None,
                "readiness": None,
                "hrv": None,
                "sleep_phase_5_min": None,
                "sleep_phase_30_sec": "",
            }
        ],
    )
    assert database.query("FROM oura.nights") == [
        ("ada", "2026-01-10", "n1", "2026-01-09T10:00:00Z", None)
        + ("2026-01-09T23:00:00", None, 780, False)
        + (None,) * 24
        + ("long_sleep", 1)
    ]


def test_phases_are_counted_from_five_minutes_where_there_is_nothing_finer(
    database: ViewDatabase,
) -> None:
    """An empty text is none; a phase that did not come is 0 where there is a hypnogram."""
    database.land(SLEEP, [{**FULL, "sleep_phase_30_sec": "", "sleep_phase_5_min": "4411"}])
    assert database.query(
        "SELECT hypnogram_deep_minutes, hypnogram_light_minutes, hypnogram_rem_minutes, "
        "hypnogram_awake_minutes FROM oura.nights"
    ) == [(10.0, 0.0, 0.0, 10.0)]


def test_the_night_is_the_longest_long_sleep_and_all_else_that_counts_is_a_nap(
    database: ViewDatabase,
) -> None:
    """Six sleeps on one day: one night, three naps, and two that are nothing."""
    database.land(
        SLEEP,
        [
            sleep("rested", "09T12:00", 40000, type="rest"),
            sleep("second", "10T08:00", 12000),
            sleep("first", "09T23:00", 20000),
            sleep("nap", "09T20:00", 1800, type="sleep", total_sleep_duration=1500),
            sleep("late", "08T19:00", 80000, type="late_nap"),
            sleep("gone", "09T13:00", 50000, type="deleted"),
            sleep("new", "09T13:00", 50000, type="siesta"),
            sleep("none", "09T13:00", 50000, type=None),
        ],
    )
    assert database.query("SELECT sleep_id, time_in_bed_minutes, long_sleeps FROM oura.nights") == [
        ("first", 20000 / 60, 2)
    ]
    assert database.query(
        "SELECT nap, type, sleep_id, total_sleep_minutes FROM oura.naps ORDER BY nap"
    ) == [
        (1, "late_nap", "late", None),
        (2, "sleep", "nap", 25.0),
        (3, "long_sleep", "second", None),
    ]


def test_of_equally_long_sleeps_the_first_is_the_night_and_then_the_id_decides(
    database: ViewDatabase,
) -> None:
    """Instants are compared, not texts; a sleep whose length nobody knows comes last."""
    database.land(
        SLEEP,
        [
            sleep("unknown", "09T12:00", None),
            {**sleep("a", "", 9000), "bedtime_start": "2026-01-09T20:30:00-05:00"},
            sleep("c", "09T23:00", 9000),
            sleep("b", "09T23:00", 9000),
        ],
    )
    assert database.query("SELECT sleep_id, long_sleeps FROM oura.nights") == [("b", 3)]
    assert database.query("SELECT nap, sleep_id FROM oura.naps ORDER BY nap") == [
        (1, "unknown"),
        (2, "a"),
    ]


def test_a_day_without_a_long_sleep_takes_its_longest_sleep(database: ViewDatabase) -> None:
    """It says so; late naps, rest and sleeps of under 15 minutes are no night."""
    on_the_11th = {"day": "2026-01-11"}
    database.land(
        SLEEP,
        [
            sleep("short night", "10T03:00", 5400, type="sleep", total_sleep_duration=900),
            sleep("nap", "10T13:00", 1800, type="sleep"),
            sleep("late", "10T16:00", 9000, type="late_nap"),
            sleep("awake", "10T20:00", 9000, type="sleep", total_sleep_duration=899),
            {**sleep("rest", "11T13:00", 1800, type="rest"), **on_the_11th},
            {**sleep("late 2", "11T17:00", 1800, type="late_nap"), **on_the_11th},
            {**sleep("blink", "11T10:00", 60, type="sleep", total_sleep_duration=1), **on_the_11th},
        ],
    )
    assert database.query("SELECT day, sleep_id, type, long_sleeps FROM oura.nights") == [
        ("2026-01-10", "short night", "sleep", 0)
    ]
    assert database.query(
        "SELECT day, nap, sleep_id, is_short FROM oura.naps ORDER BY day, nap"
    ) == [
        ("2026-01-10", 1, "nap", False),
        ("2026-01-10", 2, "late", False),
        ("2026-01-10", 3, "awake", True),
        ("2026-01-11", 1, "blink", True),
        ("2026-01-11", 2, "late 2", False),
    ]


def test_what_oura_writes_for_null_is_null(database: ViewDatabase) -> None:
    """A pulse of 0 and 255, an HRV and a breath of 0; never a deviation or an amount of 0."""
    database.land(
        SLEEP,
        [
            {
                **FULL,
                "average_heart_rate": 255.0,
                "lowest_heart_rate": 255,
                "average_hrv": 0,
                "average_breath": 0.0,
                "latency": 0,
                "readiness": {"score": 77, "temperature_deviation": 0.0},
                "hrv": {**FULL["hrv"], "items": [0, 38.0, None, 255.0]},
            },
            sleep("b", "10T13:00", 3600, type="late_nap", lowest_heart_rate=0),
        ],
    )
    assert database.query(
        "SELECT average_heart_rate_bpm, lowest_heart_rate_bpm, hrv_average_ms, hrv_min_ms, "
        "hrv_max_ms, average_breath_per_minute, latency_minutes, temperature_deviation_c "
        "FROM oura.nights"
    ) == [(None, None, None, 38.0, 255.0, None, 0.0, 0.0)]
    assert database.query("SELECT lowest_heart_rate_bpm FROM oura.naps") == [(None,)]
    assert database.query("SELECT lowest_heart_rate FROM oura.sleep ORDER BY 1") == [(0,), (255,)]


def test_the_phases_of_a_night_end_with_it(database: ViewDatabase) -> None:
    """The minutes are counted of what lies within; the last interval may be a part of one."""
    night = {**FULL, "sleep_phase_30_sec": None, "sleep_phase_5_min": "1234"}
    minutes = {"06:41:10": (5.0, 5.0, 5.0, 5.0), "22:51:10": (5.0, 5.0, 0.0, 0.0)}
    minutes |= {"22:51:11": (5.0, 5.0, 5.0, 0.0), "22:41:10": (5.0, 5.0, 5.0, 5.0)}
    for end, expected in minutes.items():
        day = "10" if end.startswith("06") else "09"
        database.land(SLEEP, [{**night, "bedtime_end": f"2026-01-{day}T{end}-03:30"}])
        assert database.query(
            "SELECT hypnogram_deep_minutes, hypnogram_light_minutes, hypnogram_rem_minutes, "
            "hypnogram_awake_minutes FROM oura.nights"
        ) == [expected]


def test_people_and_days_do_not_mix(database: ViewDatabase) -> None:
    """Everybody has a night of their own on each of their days."""
    times = {"bedtime_start": "2026-01-11T00:00:00-03:30", "bedtime_end": None}
    database.land(SLEEP, [FULL, {**FULL, "id": "n2", "day": "2026-01-11", **times}])
    database.land(SLEEP, [{**FULL, "id": "b1", "time_in_bed": 90000}], "ben")
    asked = "SELECT username, day, sleep_id, long_sleeps FROM oura.nights"
    assert database.query(f"{asked} ORDER BY ALL") == [
        ("ada", "2026-01-10", "n1", 1),
        ("ada", "2026-01-11", "n2", 1),
        ("ben", "2026-01-10", "b1", 1),
    ]
    assert database.query(f"{asked} WHERE username = 'cleo'") == []


def test_a_night_in_which_the_clocks_change_lasts_as_long_as_it_lasted(
    database: ViewDatabase,
) -> None:
    """Berlin in March and in October: each end is local by the offset that is written there."""
    spring = {"id": "s", "day": "2026-03-29", "type": "long_sleep", "time_in_bed": 25200}
    autumn = {"id": "a", "day": "2026-10-25", "type": "long_sleep", "time_in_bed": 32400}
    database.land(
        SLEEP,
        [
            {
                **spring,
                "bedtime_start": "2026-03-28T23:00:00+01:00",
                "bedtime_end": "2026-03-29T07:00:00+02:00",
            },
            {
                **autumn,
                "bedtime_start": "2026-10-24T23:00:00+02:00",
                "bedtime_end": "2026-10-25T07:00:00+01:00",
            },
        ],
    )
    assert database.query(
        "SELECT bedtime_start, bedtime_end, bedtime_start_local, bedtime_end_local, "
        "utc_offset_minutes, time_in_bed_minutes FROM oura.nights ORDER BY day"
    ) == [
        (
            "2026-03-28T22:00:00Z",
            "2026-03-29T05:00:00Z",
            "2026-03-28T23:00:00",
            "2026-03-29T07:00:00",
            60,
            420.0,
        ),
        (
            "2026-10-24T21:00:00Z",
            "2026-10-25T06:00:00Z",
            "2026-10-24T23:00:00",
            "2026-10-25T07:00:00",
            120,
            540.0,
        ),
    ]
