"""The example assets as a code location: what a webserver, a daemon and a run load."""

import os

import dagster as dg

from oura_pipeline_tests.defs.example_assets import DAYS, example_definitions


@dg.definitions
def location() -> dg.Definitions:
    """The example assets, and one that tells how large a batch is in the process that runs it."""

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def environment(context: dg.AssetExecutionContext) -> None:
        size = int(os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "0"))
        for day in context.partition_keys:
            context.add_asset_metadata({"batch": size}, partition_key=day)

    return dg.Definitions.merge(example_definitions(), dg.Definitions(assets=[environment]))
