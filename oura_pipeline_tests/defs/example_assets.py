"""Example assets in the shape of the project's: days, ranges, a snapshot, checks of both kinds.

A run tagged `example/fail` with an asset's name fails at that asset.
"""

import dagster as dg

FAIL = "example/fail"
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-01")
JOB = "sync"


def daily(name: str, *upstream: str) -> dg.AssetsDefinition:
    """An empty asset that counts its days and checks itself."""

    @dg.asset(
        name=name,
        deps=list(upstream),
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("every_person_landed", asset=name)],
    )
    def _daily(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        if context.run.tags.get(FAIL) == name:
            raise dg.Failure(f"{name} was told to fail")
        for day in context.partition_keys:
            context.add_asset_metadata({"rows": int(day[-2:])}, partition_key=day)
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=name != "sleep")])

    return _daily


@dg.asset
def snapshot() -> None:
    """Stands for what has no days."""


@dg.asset_check(asset="sleep")
def fields_known() -> dg.AssetCheckResult:
    """A check that is a step of its own."""
    return dg.AssetCheckResult(passed=True)


def example_job() -> dg.JobDefinition:
    """The job of all example assets, to be loaded again in other processes."""
    return example_definitions().resolve_job_def(JOB)


def example_definitions() -> dg.Definitions:
    """Two chains of days and a snapshot."""
    return dg.Definitions(
        assets=[daily("sleep"), daily("heartrate"), daily("sleep_points", "sleep"), snapshot],
        asset_checks=[fields_known],
        jobs=[dg.define_asset_job(JOB, selection=dg.AssetSelection.all())],
        executor=dg.in_process_executor,
    )


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run of a range of days, both ends included."""
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
