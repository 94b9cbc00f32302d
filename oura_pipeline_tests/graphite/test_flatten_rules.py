"""Nights and naps, neighbours, and several values in one interval."""

from __future__ import annotations

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    SESSION,
    SLEEP,
)
from oura_pipeline_tests.graphite.flattening import (
    flattened,
    readable,
    sent,
    series,
    skipped,
    sleep,
)


def test_the_longest_of_two_nights_is_the_night_and_the_other_a_nap() -> None:
    """The nap stands at its own minute, the night at its day."""
    assert sent(
        SLEEP,
        ("2026-05-02", sleep("long_sleep", 12000, "2026-05-01T20:00:40+02:00", hrv=None)),
        ("2026-05-02", sleep("long_sleep", 15000, "2026-05-02T01:00:40+02:00", "b")),
    ) == {
        "2026-05-02": {
            "nap.time_in_bed": [("05-01 18:00", 12000)],
            "sleep.time_in_bed": [("05-02 00:00", 15000)],
        }
    }


def test_of_nights_of_equal_length_the_earliest_is_the_night() -> None:
    """Then the one with the smaller id, so that every run chooses the same."""
    nights = [
        ("2026-05-02", sleep("long_sleep", 15000, "2026-05-02T07:00:00+02:00", "c", period=3)),
        ("2026-05-02", sleep("long_sleep", 15000, "2026-05-02T01:00:00+02:00", "b", period=2)),
        ("2026-05-02", sleep("long_sleep", 15000, "2026-05-02T01:00:00+02:00", "a", period=1)),
    ]
    for order in (nights, nights[::-1]):
        assert sent(SLEEP, *order)["2026-05-02"]["sleep.period"] == [("05-02 00:00", 1)]


def test_naps_stand_at_their_own_time_and_what_was_none_is_silent() -> None:
    """`sleep` and `late_nap` are naps; `rest` and `deleted` are neither sent nor reported."""
    assert sent(
        SLEEP,
        ("2026-05-02", sleep("sleep", 1200, "2026-05-02T13:00:59+02:00")),
        ("2026-05-02", sleep("late_nap", 1800, "2026-05-02T18:00:00+02:00", "b")),
        ("2026-05-02", sleep("rest", 600, "2026-05-02T15:00:00+02:00", "c")),
        ("2026-05-02", sleep("deleted", 600, "2026-05-02T16:00:00+02:00", "d")),
        ("2026-05-02", sleep("long_sleep", 15000, "2026-05-02T01:00:00+02:00", "e")),
    ) == {
        "2026-05-02": {
            "nap.time_in_bed": [("05-02 11:00", 1200), ("05-02 16:00", 1800)],
            "sleep.time_in_bed": [("05-02 00:00", 15000)],
        }
    }


def test_a_day_without_a_long_sleep_sends_its_longest_sleep_as_its_night() -> None:
    """One of under 15 minutes is not sent at all, and a late nap stays a nap."""
    points = sent(
        SLEEP,
        ("2026-05-02", sleep("sleep", 5400, "2026-05-02T13:00:00Z", total_sleep_duration=5000)),
        ("2026-05-02", sleep("sleep", 3600, "2026-05-02T03:00:00Z", "b")),
        ("2026-05-02", sleep("late_nap", 9000, "2026-05-02T16:00:00Z", "c")),
        ("2026-05-02", sleep("sleep", 9000, "2026-05-02T20:00:00Z", "d", total_sleep_duration=899)),
    )
    assert points == {
        "2026-05-02": {
            "nap.time_in_bed": [("05-02 03:00", 3600), ("05-02 16:00", 9000)],
            "sleep.time_in_bed": [("05-02 00:00", 5400)],
            "sleep.total_sleep_duration": [("05-02 00:00", 5000)],
        }
    }


def test_a_night_that_comes_twice_is_sent_once() -> None:
    """Under whatever days; the one with a pulse of 255 is not the one, and 255 is not sent."""
    end = {"bedtime_end": "2026-05-02T06:00:00Z"}
    with_255 = sleep(
        *("long_sleep", 28800, "2026-05-01T22:00:00Z", "a"),
        **end,
        total_sleep_duration=27000,
        lowest_heart_rate=255,
    )
    other = sleep(
        *("long_sleep", 28800, "2026-05-01T22:00:00Z", "b"),
        **end,
        total_sleep_duration=26900,
        lowest_heart_rate=48,
    )
    expected = {
        "sleep.lowest_heart_rate": [("05-02 00:00", 48)],
        "sleep.time_in_bed": [("05-02 00:00", 28800)],
        "sleep.total_sleep_duration": [("05-02 00:00", 26900)],
    }
    assert sent(SLEEP, ("2026-05-02", with_255), ("2026-05-02", other)) == {"2026-05-02": expected}
    assert sent(SLEEP, ("2026-05-01", with_255), ("2026-05-02", other)) == {
        "2026-05-01": {},
        "2026-05-02": expected,
    }
    del expected["sleep.lowest_heart_rate"]
    expected["sleep.total_sleep_duration"] = [("05-02 00:00", 27000)]
    assert sent(SLEEP, ("2026-05-02", with_255)) == {"2026-05-02": expected}


def test_digits_end_with_the_night() -> None:
    """The last may be a part of its interval; a night without an end keeps all."""
    digits = {"sleep_phase_5_min": "1234", "movement_30_sec": "1" * 40}
    night = sleep("long_sleep", 630, "2026-05-01T22:00:00Z", **digits)
    metrics = ("sleep.sleep_phase_5_min", "sleep.movement_30_sec")
    for end, counts in (("22:10:30", (3, 21)), ("22:10:00", (2, 20)), (None, (4, 40))):
        points = sent(
            SLEEP, ("2026-05-02", {**night, "bedtime_end": end and f"2026-05-01T{end}Z"})
        )["2026-05-02"]
        assert tuple(len(points[metric]) for metric in metrics) == counts


@pytest.mark.parametrize("kind", ["siesta", None, 7])
def test_a_sleep_of_an_unknown_kind_is_reported_and_not_sent(kind: str | None) -> None:
    """Nobody knows whether it is a night."""
    result = flattened(SLEEP, ("2026-05-02", sleep(kind, 1200, "2026-05-02T13:00:59+02:00")))
    assert readable(result) == {"2026-05-02": {}}
    assert skipped(result) == {"unknown kind of document: type": 1}


def test_a_night_without_its_start_sends_its_scalars_and_reports_its_digits() -> None:
    """Nobody knows when the digits begin."""
    night = {"id": "a", "type": "long_sleep", "time_in_bed": 15000, "sleep_phase_5_min": "42"}
    result = flattened(SLEEP, ("2026-05-02", night))
    assert readable(result) == {"2026-05-02": {"sleep.time_in_bed": [("05-02 00:00", 15000)]}}
    assert skipped(result) == {"digits without an instant: sleep_phase_5_min": 1}


def test_where_a_travellers_days_overlap_the_later_day_wins() -> None:
    """Flown east by seven hours: the new day begins that much before the old one is over."""
    before = {"met": series("2026-05-01T04:00:00-05:00", 60.0, [1.0] * 1440)}
    after = {"met": series("2026-05-02T04:00:00+02:00", 60.0, [2.0] * 1440)}
    days = sent(DAILY_ACTIVITY, ("2026-05-01", before), ("2026-05-02", after))
    first, second = (days[day]["activity.met"] for day in ("2026-05-01", "2026-05-02"))
    assert (len(first), first[0], first[-1]) == (17 * 60, ("05-01 09:00", 1), ("05-02 01:59", 1))
    assert (len(second), second[0], second[-1]) == (1440, ("05-02 02:00", 2), ("05-03 01:59", 2))


def test_a_neighbour_decides_but_is_not_returned() -> None:
    """Asked for one day, the next one still takes what it has a value for, and only that."""
    before = {"met": series("2026-05-01T04:00:00-10:00", 60.0, [1.0, 1.1, 1.2, 1.3])}
    after = {"met": series("2026-05-02T04:01:00+14:00", 60.0, [2.0, None, 2.2])}
    after["met"]["timestamp"] = "2026-05-01T04:01:00-10:00"
    assert sent(
        DAILY_ACTIVITY,
        ("2026-05-01", before),
        ("2026-05-02", after),
        days=("2026-05-01", "2026-05-01"),
    ) == {"2026-05-01": {"activity.met": [("05-01 14:00", 1.0), ("05-01 14:02", 1.2)]}}
    assert sent(
        DAILY_ACTIVITY,
        ("2026-05-01", before),
        ("2026-05-02", after),
        days=("2026-05-02", "2026-05-03"),
    ) == {"2026-05-02": {"activity.met": [("05-01 14:01", 2.0), ("05-01 14:03", 2.2)]}}


def test_a_day_of_which_a_later_one_has_everything_keeps_nothing() -> None:
    """The metric is gone rather than empty; the latest of three wins."""
    same = series("2026-05-01T04:00:00+00:00", 60.0, [1.0, 1.1])
    more = series("2026-05-01T04:00:00+00:00", 60.0, [3.0, 3.1, 3.2])
    assert sent(
        DAILY_ACTIVITY,
        ("2026-05-01", {"met": more}),
        ("2026-05-02", {"met": same}),
        ("2026-05-03", {"met": same}),
    ) == {
        "2026-05-01": {"activity.met": [("05-01 04:02", 3.2)]},
        "2026-05-02": {},
        "2026-05-03": {"activity.met": [("05-01 04:00", 1.0), ("05-01 04:01", 1.1)]},
    }


def test_the_night_in_which_the_clock_changes_has_no_gap_and_no_double() -> None:
    """Items follow each other in real seconds, whatever the clock on the wall does."""
    night = sleep(
        "long_sleep",
        14400,
        "2026-10-25T01:00:00+02:00",
        heart_rate=series("2026-10-25T01:00:00.000+02:00", 3600.0, [50, 51, 52, 53]),
        sleep_phase_5_min="1" * 48,
    )
    points = sent(SLEEP, ("2026-10-25", night))["2026-10-25"]
    assert points["sleep.heart_rate"] == [
        ("10-24 23:00", 50),
        ("10-25 00:00", 51),
        ("10-25 01:00", 52),
        ("10-25 02:00", 53),
    ]
    assert len(points["sleep.sleep_phase_5_min"]) == 48
    assert points["sleep.sleep_phase_5_min"][-1] == ("10-25 02:55", 1)


def test_a_series_finer_than_graphite_stores_it_is_merged() -> None:
    """Three values a minute become their mean, their sum or the last, by the table."""
    night = sleep(
        "long_sleep",
        60,
        "2026-05-01T23:00:00+00:00",
        heart_rate=series("2026-05-01T23:04:00+00:00", 30.5, [50, 52, 54, 70]),
    )
    assert sent(SLEEP, ("2026-05-01", night))["2026-05-01"]["sleep.heart_rate"] == [
        ("05-01 23:00", 51.0),
        ("05-01 23:05", 62.0),
    ]
    session = {
        "start_datetime": "2026-05-01T10:00:00+00:00",
        "motion_count": series("2026-05-01T10:00:00+00:00", 2.5, [1, 2, 3, 4]),
    }
    assert sent(SESSION, ("2026-05-01", session))["2026-05-01"]["session.motion_count"] == [
        ("05-01 10:00", 3),
        ("05-01 10:00:05", 7),
    ]


def test_of_codes_in_one_interval_the_last_by_its_instant_is_sent() -> None:
    """Two naps of half a minute's distance, the one that began first read last."""
    early = sleep("late_nap", 20, "2026-05-01T12:00:25+00:00", movement_30_sec="11")
    late = sleep("late_nap", 60, "2026-05-01T12:00:50+00:00", "b", movement_30_sec="44")
    # Half a minute holds early's second (at :55) and late's first (at :50).
    expected = [("05-01 12:00", 1), ("05-01 12:00:30", 1), ("05-01 12:01", 4)]
    for order in ((early, late), (late, early)):
        points = sent(SLEEP, *(("2026-05-01", one) for one in order))
        assert points["2026-05-01"]["nap.movement_30_sec"] == expected
