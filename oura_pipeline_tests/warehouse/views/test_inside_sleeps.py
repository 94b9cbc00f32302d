"""What happened in a night: hearts, phases, movements; rows computed by hand."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def sleep(**fields: Any) -> dict[str, Any]:
    """A night in Kathmandu, +05:45."""
    return {
        "id": "n1",
        "day": "2026-01-10",
        "bedtime_start": "2026-01-09T23:00:10+05:45",
        "type": "long_sleep",
        "time_in_bed": 28800,
        **fields,
    }


def at(time: str) -> dict[str, str]:
    return {"bedtime_start": f"2026-01-10T{time}:00+05:45"}


def series(items: list[Any] | None, start: str = "23:00:10.000", every: float = 300.0) -> Any:
    return {"interval": every, "items": items, "timestamp": f"2026-01-09T{start}+05:45"}


def test_both_hearts_of_an_instant_share_a_row(database: ViewDatabase) -> None:
    """Nulls stay null, rows of nothing are absent, and lists of different lengths are normal."""
    database.land(
        SLEEP,
        [sleep(heart_rate=series([None, 60.5, None, 58]), hrv=series([None, None, 0.5, 31, 7]))],
    )
    night = ("ada", "2026-01-10", "n1", "night")
    assert database.query("FROM oura.sleep_heart ORDER BY time") == [
        (*night, "2026-01-09T17:20:10Z", "2026-01-09T23:05:10", 60.5, None, 300.0),
        (*night, "2026-01-09T17:25:10Z", "2026-01-09T23:10:10", None, 0.5, 300.0),
        (*night, "2026-01-09T17:30:10Z", "2026-01-09T23:15:10", 58.0, 31.0, 300.0),
        (*night, "2026-01-09T17:35:10Z", "2026-01-09T23:20:10", None, 7.0, 300.0),
    ]


def test_a_series_begins_at_its_own_timestamp_and_has_its_own_interval(
    database: ViewDatabase,
) -> None:
    """Not at bedtime, and not every five minutes because that is usual."""
    database.land(
        SLEEP,
        [sleep(heart_rate=series([60, 61], "23:30:00.500"), hrv=series([40, 41], every=7.5))],
    )
    assert database.query(
        "SELECT time, time_local, bpm, hrv_ms, interval_seconds FROM oura.sleep_heart ORDER BY time"
    ) == [
        ("2026-01-09T17:15:10Z", "2026-01-09T23:00:10", None, 40.0, 7.5),
        ("2026-01-09T17:15:17.500000Z", "2026-01-09T23:00:17.500000", None, 41.0, 7.5),
        ("2026-01-09T17:45:00.500000Z", "2026-01-09T23:30:00.500000", 60.0, None, 300.0),
        ("2026-01-09T17:50:00.500000Z", "2026-01-09T23:35:00.500000", 61.0, None, 300.0),
    ]


def test_a_sleep_without_usable_series_has_no_hearts(database: ViewDatabase) -> None:
    """Null, empty, without items, without an interval: absent and no error."""
    database.land(
        SLEEP,
        [
            sleep(id="a", heart_rate=None, hrv=None),
            sleep(id="b", heart_rate=series([]), hrv=series(None)),
            sleep(id="c", heart_rate=series([60], every=0.0)),
            sleep(id="d", heart_rate={"interval": 300.0, "items": [60], "timestamp": None}),
        ],
    )
    assert database.query("FROM oura.sleep_heart") == []


def test_an_absurd_interval_is_none_and_spoils_nothing(database: ViewDatabase) -> None:
    """One that overflows the time there is; the other series stays."""
    for every in (1e12, 1e300):
        database.land(SLEEP, [sleep(heart_rate=series([50, 51], every=every), hrv=series([40]))])
        assert database.query("SELECT time, bpm, hrv_ms FROM oura.sleep_heart") == [
            ("2026-01-09T17:15:10Z", None, 40.0)
        ]


def test_parts_of_a_day_are_told_apart_and_false_detections_have_none(
    database: ViewDatabase,
) -> None:
    """The second long sleep is a nap; rest and deleted are nothing."""
    hearts = {"heart_rate": series([60]), "sleep_phase_5_min": "1", "movement_30_sec": "2"}
    database.land(
        SLEEP,
        [
            sleep(id="night", **hearts),
            sleep(id="twice", **{**hearts, "time_in_bed": 100}),
            sleep(id="again", **{**hearts, **at("08:00"), "time_in_bed": 100}),
            sleep(id="nap", **hearts, **at("13:00"), type="late_nap", time_in_bed=60),
            sleep(id="blink", **hearts, **at("14:00"), type="sleep", total_sleep_duration=60),
            sleep(id="rest", **hearts, type="rest"),
            sleep(id="deleted", **hearts, type="deleted"),
        ],
    )
    for view in ("sleep_heart", "hypnogram", "movement"):
        assert database.query(f"SELECT sleep_id, part FROM oura.{view} ORDER BY ALL") == [
            ("again", "nap"),
            ("blink", "short"),
            ("nap", "nap"),
            ("night", "night"),
        ]


def test_hearts_that_mean_null_are_absent(database: ViewDatabase) -> None:
    """0 and 255 of heart rate, 0 of HRV; a row with neither is none."""
    database.land(SLEEP, [sleep(heart_rate=series([0, 255, 60, 0]), hrv=series([0, 255, 0, None]))])
    assert database.query("SELECT time, bpm, hrv_ms FROM oura.sleep_heart ORDER BY time") == [
        ("2026-01-09T17:20:10Z", None, 255.0),
        ("2026-01-09T17:25:10Z", 60.0, None),
    ]


def test_phases_and_movement_end_with_the_sleep(database: ViewDatabase) -> None:
    """What would begin at the end or later is absent; without an end everything is there."""
    digits = {"sleep_phase_5_min": "1234", "movement_30_sec": "1" * 40}
    for end, counts in (("23:10:10", [(2, 20)]), ("23:10:11", [(3, 21)]), (None, [(4, 40)])):
        database.land(SLEEP, [sleep(**digits, bedtime_end=end and f"2026-01-09T{end}+05:45")])
        many = "SELECT (SELECT count(*) FROM oura.hypnogram), (SELECT count(*) FROM oura.movement)"
        assert database.query(many) == counts


def test_phases_are_every_half_minute_where_there_are_such(database: ViewDatabase) -> None:
    """A character that is no phase leaves a gap, and those after it keep their time."""
    database.land(SLEEP, [sleep(sleep_phase_30_sec="412?03", sleep_phase_5_min="111")])
    who = ("ada", "2026-01-10", "n1", "night")
    assert database.query("FROM oura.hypnogram ORDER BY time") == [
        (*who, "2026-01-09T17:15:10Z", "2026-01-09T23:00:10", 30, 4, "awake"),
        (*who, "2026-01-09T17:15:40Z", "2026-01-09T23:00:40", 30, 1, "deep"),
        (*who, "2026-01-09T17:16:10Z", "2026-01-09T23:01:10", 30, 2, "light"),
        (*who, "2026-01-09T17:17:40Z", "2026-01-09T23:02:40", 30, 3, "rem"),
    ]


def test_phases_are_every_five_minutes_where_there_is_nothing_finer(database: ViewDatabase) -> None:
    """A sleep without any phases has no hypnogram."""
    database.land(
        SLEEP,
        [sleep(sleep_phase_30_sec=None, sleep_phase_5_min="43"), sleep(id="n2", **at("08:00"))],
    )
    assert database.query(
        "SELECT sleep_id, time, interval_seconds, phase FROM oura.hypnogram ORDER BY time"
    ) == [
        ("n1", "2026-01-09T17:15:10Z", 300, "awake"),
        ("n1", "2026-01-09T17:20:10Z", 300, "rem"),
    ]


def test_movement_is_every_half_minute(database: ViewDatabase) -> None:
    """All four codes, a gap for what is none of them."""
    database.land(SLEEP, [sleep(movement_30_sec="1234 51")])
    who = ("ada", "2026-01-10", "n1", "night")
    assert database.query("FROM oura.movement ORDER BY time") == [
        (*who, "2026-01-09T17:15:10Z", "2026-01-09T23:00:10", 1, "none"),
        (*who, "2026-01-09T17:15:40Z", "2026-01-09T23:00:40", 2, "restless"),
        (*who, "2026-01-09T17:16:10Z", "2026-01-09T23:01:10", 3, "tossing"),
        (*who, "2026-01-09T17:16:40Z", "2026-01-09T23:01:40", 4, "active"),
        (*who, "2026-01-09T17:18:10Z", "2026-01-09T23:03:10", 1, "none"),
    ]


def test_inside_a_night_the_clock_is_not_put_forward_or_back(database: ViewDatabase) -> None:
    """Berlin's clocks change at 01:00 UTC; local times keep the offset of going to bed."""
    database.land(
        SLEEP,
        [
            sleep(
                day="2026-03-29",
                bedtime_start="2026-03-29T01:55:00+01:00",
                bedtime_end="2026-03-29T07:00:00+02:00",
                sleep_phase_5_min="12",
            ),
            sleep(
                id="n2",
                day="2026-10-25",
                bedtime_start="2026-10-25T02:55:00+02:00",
                sleep_phase_5_min="12",
            ),
        ],
    )
    assert database.query("SELECT time, time_local FROM oura.hypnogram ORDER BY time") == [
        ("2026-03-29T00:55:00Z", "2026-03-29T01:55:00"),
        ("2026-03-29T01:00:00Z", "2026-03-29T02:00:00"),
        ("2026-10-25T00:55:00Z", "2026-10-25T02:55:00"),
        ("2026-10-25T01:00:00Z", "2026-10-25T03:00:00"),
    ]
