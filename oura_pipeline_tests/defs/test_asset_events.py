"""What an asset says of its days reaches each of them."""

from datetime import date

import dagster as dg
import pytest

from oura_pipeline.defs.asset_events import add_metadata
from oura_pipeline.defs.partitions import daily_partitions, range_tags, run_days

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


def test_metadata_of_days_is_added_to_what_was_there() -> None:
    """That of one day, and that of none, which Dagster adds to all."""

    @dg.asset(partitions_def=daily_partitions(), backfill_policy=dg.BackfillPolicy.single_run())
    def sleep(context: dg.AssetExecutionContext) -> None:
        context.add_asset_metadata({"before": 1})
        add_metadata(context, {str(day): {"rows": day.day} for day in run_days(context)})
        add_metadata(context, {"2026-01-02": {"rows": 7}})

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [sleep], instance=instance, tags=range_tags(date(2026, 1, 1), date(2026, 1, 3))
        )
    made = result.asset_materializations_for_node("sleep")
    assert [
        (event.partition, {name: item.value for name, item in event.metadata.items()})
        for event in made
    ] == [
        ("2026-01-01", {"before": 1, "rows": 1}),
        ("2026-01-02", {"before": 1, "rows": 7}),
        ("2026-01-03", {"before": 1, "rows": 3}),
    ]
