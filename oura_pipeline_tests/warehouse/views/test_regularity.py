"""How regular sleep is; indices, means and deviations computed by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

MONDAY = date(2026, 1, 5)
LIGHT = "2" * 96  # 8 hours


def night(nth: int, start: str = "23:00", end: str = "07:00", **fields: Any) -> dict[str, Any]:
    """The night to a day after MONDAY; from 12:00 on, the start is on the evening before."""
    day = MONDAY + timedelta(nth)
    before = day - timedelta(start >= "12:00")
    return {
        "id": f"n{nth}",
        "day": str(day),
        "type": "long_sleep",
        "bedtime_start": f"{before}T{start}:00+02:00",
        "bedtime_end": f"{day}T{end}:00+02:00",
        "time_in_bed": 28800,
        "latency": 0,
        "sleep_phase_5_min": LIGHT,
        **fields,
    }


def index(database: ViewDatabase) -> list[tuple[Any, ...]]:
    return database.query(
        "SELECT sleep_regularity_index, pairs_28d FROM oura.sleep_regularity ORDER BY day"
    )


def test_always_the_same_is_100_and_nothing_below_five_pairs(database: ViewDatabase) -> None:
    """Six nights of the same minutes are five pairs of days."""
    database.land(SLEEP, [night(nth) for nth in range(6)])
    assert index(database) == [(None, 0), (None, 1), (None, 2), (None, 3), (None, 4), (100.0, 5)]


def test_minutes_in_another_state_lower_the_index(database: ViewDatabase) -> None:
    """One night 36 minutes later: 72 minutes of 1440 differ, before and after it."""
    late = night(3, "23:36", "07:36")
    database.land(SLEEP, [*(night(nth) for nth in (0, 1, 2, 4, 5)), late])
    # 5 pairs of 1440 minutes, of which two lack 72: -100 + 200 * 7056 / 7200.
    assert index(database)[-1] == (96.0, 5)


def test_lying_awake_and_naps_count_minute_by_minute(database: ViewDatabase) -> None:
    """Half an hour awake in bed and a nap of an hour on one day of six, twice compared each."""
    awake = "2" * 48 + "4" * 6 + "2" * 42
    nap = {
        **night(4, "14:00", "15:00"),
        "id": "nap",
        "type": "late_nap",
        "bedtime_end": "2026-01-08T15:00:00+02:00",
        "sleep_phase_5_min": "1" * 12,
        "total_sleep_duration": 3600,
        "time_in_bed": 3600,
    }
    others = [night(nth) for nth in (0, 1, 3, 4, 5)]
    database.land(SLEEP, [*others, night(2, sleep_phase_5_min=awake), nap])
    # The nap of the afternoon of day 3 is in the day of the grid that ends at noon of day 4.
    # 2 * 30 + 2 * 60 minutes of 7200 differ: -100 + 200 * 7020 / 7200.
    assert index(database)[-1] == (95.0, 5)


def test_a_sleep_that_goes_on_past_noon_lies_in_two_days(database: ViewDatabase) -> None:
    """From 08:00 to 16:00 every day: 4 hours at each end of each day of the grid."""
    database.land(SLEEP, [night(nth, "08:00", "16:00") for nth in range(6)])
    # The first day has no afternoon of the day before: 240 of 7200 minutes differ.
    assert index(database)[-1] == (pytest.approx(100 - 200 * 240 / 7200), 5)


@pytest.mark.parametrize("phases", [None, "", "2x" * 48, "2" * 95 + "0"])
def test_a_day_of_which_the_phases_are_unknown_is_in_no_pair(
    database: ViewDatabase, phases: str | None
) -> None:
    """Nor is one without a night: awake is not the same as unknown."""
    nights = [night(nth) for nth in (0, 1, 2, 4, 5, 6, 7, 9, 10)]
    database.land(SLEEP, [*nights, night(8, sleep_phase_5_min=phases)])
    assert index(database)[-1] == (100.0, 6)


def test_a_pair_is_forgotten_after_28_days(database: ViewDatabase) -> None:
    """27 pairs within 28 days, and no more."""
    database.land(SLEEP, [night(0, "20:00", "04:00"), *(night(nth) for nth in range(1, 30))])
    # The pair with the odd night lacks 2 * 180 minutes; it is over on day 29.
    assert index(database)[-3:] == [
        (pytest.approx(100 - 200 * 360 / (1440 * 27)), 27),
        (pytest.approx(100 - 200 * 360 / (1440 * 28)), 28),
        (100.0, 28),
    ]


def test_social_jet_lag_is_between_free_days_and_work_days(database: ViewDatabase) -> None:
    """Mid-sleep is between falling asleep and getting up; Saturday and Sunday are free."""
    week = [
        night(0, "23:00", "07:00"),
        night(1, "22:40", "06:40", latency=2400),  # asleep at 23:20: the middle is 03:00 as well
        night(2, "23:00", "07:00"),
        night(3, "23:00", "07:00"),
        night(4, "23:00", "07:00"),
        night(5, "01:00", "09:00"),
        night(6, "02:00", "10:00"),
    ]
    database.land(SLEEP, week)
    columns = (
        "mid_sleep_local, mid_sleep_minutes, bedtime_minutes, nights_28d, mid_sleep_mean_minutes, "
        "mid_sleep_sd_minutes, bedtime_sd_minutes, mid_sleep_free_minutes, "
        "mid_sleep_work_minutes, social_jet_lag_minutes"
    )
    rows = database.query(f"SELECT {columns} FROM oura.sleep_regularity ORDER BY day")
    assert rows[0] == (
        *("2026-01-05T03:00:00", 180.0, -60.0, 1, 180.0, None, None),
        *(None, 180.0, None),
    )
    # Middles 180 five times, 300 and 360: mean 1560 / 7, squares about it 33942.86 over 6.
    assert rows[-1] == (
        *("2026-01-11T06:00:00", 360.0, 120.0, 7),
        *(pytest.approx(1560 / 7), pytest.approx(75.21398)),
        # Bedtimes -60 four times, -80, 60 and 120: mean -20, squares about it 36000 over 6.
        pytest.approx(77.45967),
        *(330.0, 180.0, 150.0),
    )


def test_an_unfinished_night_and_a_clock_that_is_days_off_are_no_nights(
    database: ViewDatabase,
) -> None:
    """They would be the middle of nothing."""
    odd = {
        "bedtime_start": "2025-12-01T23:00:00+02:00",
        "bedtime_end": "2025-12-02T07:00:00+02:00",
    }
    database.land(SLEEP, [night(0), night(1, bedtime_end=None), night(2, **odd)])
    assert database.query("SELECT day FROM oura.sleep_regularity") == [("2026-01-05",)]
