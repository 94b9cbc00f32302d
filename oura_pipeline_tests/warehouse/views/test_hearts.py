"""Heart rate by five minutes and by hours of the person's clock; rows computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import HEARTRATE, SLEEP, WORKOUT
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def beat(when: str, bpm: int | None, source: str = "awake") -> dict[str, Any]:
    return {"timestamp": f"{when}+00:00", "bpm": bpm, "source": source}


def offset(since: str, hours: float, username: str = "ada") -> dict[str, Any]:
    return {
        "username": username,
        "since": f"{since}+00:00",
        "utc_offset_seconds": round(hours * 3600),
    }


ALWAYS = "1900-01-01 00:00:00"


def test_five_minutes_are_those_of_utc(database: ViewDatabase) -> None:
    """The first instant belongs to them, the last one to the next; sources do not matter."""
    database.land(
        HEARTRATE,
        [
            beat("2026-01-10T09:04:59.999", 50),
            beat("2026-01-10T09:05:00", 60),
            beat("2026-01-10T09:07:00", 70, "workout"),
            beat("2026-01-10T09:07:00", 95, "live"),
            beat("2026-01-10T09:09:59", None),
        ],
    )
    database.fill("offsets", [offset(ALWAYS, -3.5)])
    assert database.query("FROM oura.heart_rate_5min ORDER BY time") == [
        ("ada", "2026-01-10", "2026-01-10T09:00:00Z", "2026-01-10T05:30:00", 50.0, 50, 50, 1),
        ("ada", "2026-01-10", "2026-01-10T09:05:00Z", "2026-01-10T05:35:00", 75.0, 60, 95, 3),
    ]


def test_a_pulse_of_0_or_255_is_none(database: ViewDatabase) -> None:
    """Neither in a mean, nor lowest or highest, nor counted; alone it makes no row."""
    rows = [beat("2026-01-10T09:00:00", 60), beat("2026-01-10T09:01:00", 254)]
    odd = [beat("2026-01-10T09:02:00", 0), beat("2026-01-10T09:03:00", 255)]
    database.land(HEARTRATE, [*rows, *odd, beat("2026-01-10T13:00:00", 255)])
    for view in ("heart_rate_5min", "heart_rate_hourly"):
        assert database.query(
            f"SELECT time, bpm_mean, bpm_min, bpm_max, samples FROM oura.{view}"
        ) == [("2026-01-10T09:00:00Z", 157.0, 60, 254, 2)]
    assert database.query("SELECT count(*) FROM oura.heartrate") == [(5,)]


def test_five_minutes_before_1970_are_rounded_down_too(database: ViewDatabase) -> None:
    """An odd clock puts nothing into the five minutes that follow."""
    database.land(HEARTRATE, [beat("1969-12-31T23:59:58", 60), beat("1970-01-01T00:00:00", 70)])
    assert database.query("SELECT time, bpm_mean FROM oura.heart_rate_5min ORDER BY time") == [
        ("1969-12-31T23:55:00Z", 60.0),
        ("1970-01-01T00:00:00Z", 70.0),
    ]


def test_hours_are_those_of_the_persons_clock(database: ViewDatabase) -> None:
    """In Kathmandu (+05:45) an hour begins at a quarter past."""
    database.land(
        HEARTRATE,
        [
            beat("2026-01-10T09:14:59", 50),
            beat("2026-01-10T09:15:00", 60),
            beat("2026-01-10T10:14:59", 70),
            beat("2026-01-10T10:15:00", 90),
        ],
    )
    database.fill("offsets", [offset(ALWAYS, 5.75)])
    assert database.query("FROM oura.heart_rate_hourly ORDER BY time") == [
        ("ada", "2026-01-10", "2026-01-10T08:15:00Z", "2026-01-10T14:00:00", 50.0, 50, 50, 1),
        ("ada", "2026-01-10", "2026-01-10T09:15:00Z", "2026-01-10T15:00:00", 65.0, 60, 70, 2),
        ("ada", "2026-01-10", "2026-01-10T10:15:00Z", "2026-01-10T16:00:00", 90.0, 90, 90, 1),
    ]


def test_an_hour_that_comes_twice_is_two_rows(database: ViewDatabase) -> None:
    """Berlin puts its clocks back at 01:00 UTC, and forward in March."""
    database.land(
        HEARTRATE,
        [
            beat("2026-03-29T00:30:00", 50),
            beat("2026-03-29T01:30:00", 60),
            beat("2026-10-25T00:30:00", 70),
            beat("2026-10-25T01:30:00", 80),
        ],
    )
    database.fill(
        "offsets",
        [
            offset(ALWAYS, 1),
            offset("2026-03-29 01:00:00", 2),
            offset("2026-10-25 01:00:00", 1),
        ],
    )
    assert database.query(
        "SELECT time, hour_local, bpm_mean FROM oura.heart_rate_hourly ORDER BY 1"
    ) == [
        ("2026-03-29T00:00:00Z", "2026-03-29T01:00:00", 50.0),
        ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00", 60.0),
        ("2026-10-25T00:00:00Z", "2026-10-25T02:00:00", 70.0),
        ("2026-10-25T01:00:00Z", "2026-10-25T02:00:00", 80.0),
    ]
    assert database.query("SELECT time_local FROM oura.heart_rate_5min ORDER BY time") == [
        ("2026-03-29T01:30:00",),
        ("2026-03-29T03:30:00",),
        ("2026-10-25T02:30:00",),
        ("2026-10-25T02:30:00",),
    ]


def test_somebody_whose_offsets_nobody_knows_is_at_utc(database: ViewDatabase) -> None:
    """Other people's offsets are theirs, and one that begins later is not yet in force."""
    database.land(HEARTRATE, [beat("2026-01-10T09:31:00", 50)])
    database.land(HEARTRATE, [beat("2026-01-10T09:31:00", 60)], "ben")
    database.fill(
        "offsets",
        [offset("2026-01-10 09:31:01", 4), offset(ALWAYS, -7, "ben"), offset(ALWAYS, 9, "cleo")],
    )
    assert database.query(
        "SELECT username, time, hour_local FROM oura.heart_rate_hourly ORDER BY 1"
    ) == [
        ("ada", "2026-01-10T09:00:00Z", "2026-01-10T09:00:00"),
        ("ben", "2026-01-10T09:00:00Z", "2026-01-10T02:00:00"),
    ]
    assert database.query("SELECT username, time_local FROM oura.heart_rate_5min ORDER BY 1") == [
        ("ada", "2026-01-10T09:30:00"),
        ("ben", "2026-01-10T02:30:00"),
    ]


def test_an_offset_is_in_force_from_its_first_instant_on(database: ViewDatabase) -> None:
    """A person who flies at 09:30 has the half hour before and the one after in two hours."""
    database.land(
        HEARTRATE,
        [
            beat("2026-01-10T09:29:59", 50),
            beat("2026-01-10T09:30:00", 60),
            beat("2026-01-10T09:31:00", None),
        ],
    )
    database.fill("offsets", [offset(ALWAYS, 0), offset("2026-01-10 09:30:00", -5)])
    assert database.query(
        "SELECT time, hour_local, samples FROM oura.heart_rate_hourly ORDER BY 2"
    ) == [
        ("2026-01-10T09:00:00Z", "2026-01-10T04:00:00", 1),
        ("2026-01-10T09:00:00Z", "2026-01-10T09:00:00", 1),
    ]


# A night, a rest that is no sleep, and a sleep whose end is not known yet.
SLEEPS = [
    {
        "day": "2026-01-10",
        "id": "night",
        "type": "long_sleep",
        "bedtime_start": "2026-01-10T00:00:00+02:00",
        "bedtime_end": "2026-01-10T07:00:00+02:00",
        "total_sleep_duration": 24000,
    },
    {
        "day": "2026-01-10",
        "id": "none after all",
        "type": "rest",
        "bedtime_start": "2026-01-10T14:00:00+02:00",
        "bedtime_end": "2026-01-10T15:00:00+02:00",
    },
    {
        "day": "2026-01-10",
        "id": "lasts",
        "type": "sleep",
        "bedtime_start": "2026-01-10T20:00:00+02:00",
        "time_in_bed": 3600,
        "total_sleep_duration": 3000,
    },
]


def test_a_measurement_says_whether_it_was_asleep_or_in_a_workout(database: ViewDatabase) -> None:
    """The first instant is inside, the last is not; a short workout hides no longer one."""
    database.land(SLEEP, SLEEPS)
    spans = (("09:00", "11:00"), ("09:30", "09:40"), ("12:00", "12:00"))
    database.land(
        WORKOUT,
        [
            {
                "day": "2026-01-10",
                "id": start,
                "start_datetime": f"2026-01-10T{start}:00Z",
                "end_datetime": f"2026-01-10T{end}:00Z",
            }
            for start, end in spans
        ],
    )
    times = ("05:00:00", "09:00:00", "10:59:59", "11:00:00", "12:00:00", "12:30:00", "18:59:59")
    beats = [beat(f"2026-01-10T{time}", 60) for time in times]
    odd = [beat("2026-01-09T22:00:00", 255), beat("2026-01-10T04:00:00", 0)]
    night = beat("2026-01-09T22:00:00", 50, "sleep"), beat("2026-01-10T04:59:59", 51, "rest")
    database.land(HEARTRATE, [*beats, *odd, *night])
    database.fill("offsets", [offset(ALWAYS, 2)])
    rows = database.query("FROM oura.heart_rate ORDER BY time")
    assert rows[0] == (
        *("ada", "2026-01-10", "2026-01-09T22:00:00Z", "2026-01-10T00:00:00"),
        *(50, "sleep", True, False),
    )
    assert [(row[2][11:19], *row[6:]) for row in rows] == [
        ("22:00:00", True, False),
        ("04:59:59", True, False),
        ("05:00:00", False, False),
        ("09:00:00", False, True),
        ("10:59:59", False, True),
        ("11:00:00", False, False),
        ("12:00:00", False, False),
        ("12:30:00", False, False),
        ("18:59:59", True, False),
    ]
