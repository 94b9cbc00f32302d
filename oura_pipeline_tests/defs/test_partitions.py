"""The days that have a partition are those that Dagster itself would list."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.defs.partitions import FIRST_ZONE, NoDays, daily_partitions, run_days


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


def test_a_run_without_days_says_to_choose_some() -> None:
    """Instead of what Dagster says of contexts and partition keys."""

    @dg.asset(partitions_def=daily_partitions(date(2026, 1, 1)))
    def sleep(context: dg.AssetExecutionContext) -> None:
        run_days(context)

    job: Any = dg.define_asset_job("job", [sleep])
    location = dg.Definitions(assets=[sleep], jobs=[job], executor=dg.in_process_executor)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(NoDays, match=r"^choose days: the asset has a partition per day"),
    ):
        location.resolve_job_def("job").execute_in_process(instance=instance)
