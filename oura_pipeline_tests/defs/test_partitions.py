"""The days that have a partition are those that Dagster itself would list."""

from __future__ import annotations

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from oura_pipeline.defs.partitions import FIRST_ZONE, daily_partitions


@pytest.mark.parametrize(
    ("now", "listed"),
    [
        # At 10:00 UTC the next day has begun at UTC+14.
        (datetime(2026, 1, 2, 9, 59, tzinfo=UTC), ["2026-01-01", "2026-01-02"]),
        (datetime(2026, 1, 2, 10, 0, tzinfo=UTC), ["2026-01-01", "2026-01-02", "2026-01-03"]),
        (datetime(2025, 12, 30, 9, 59, tzinfo=UTC), []),
    ],
)
def test_every_day_that_has_begun_anywhere_is_listed(now: datetime, listed: list[str]) -> None:
    """Where history lies ahead there is none."""
    assert daily_partitions(date(2026, 1, 1)).get_partition_keys(now) == listed


@pytest.mark.parametrize("now", [datetime(2026, 3, 1, 12, tzinfo=UTC), None])
def test_the_list_is_dagsters_own(now: datetime | None) -> None:
    """Ten years with their leap days, as of a given time, or of this moment."""
    ours = daily_partitions(date(2016, 1, 1))
    dagsters = dg.DailyPartitionsDefinition(
        start_date="2016-01-01", timezone=FIRST_ZONE, end_offset=1
    )
    # Once more where a day begins between the two.
    lists = [(ours.get_partition_keys(now), dagsters.get_partition_keys(now)) for _ in range(2)]
    assert any(one == other for one, other in lists)
