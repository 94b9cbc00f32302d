"""What a warehouse in a DuckLake needs from time to time; a DuckDB file needs none of it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import dagster as dg

from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import Job
from oura_pipeline.settings import load_settings, operator_zone
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse

MERGED, REWRITTEN = dg.AssetKey(["warehouse", "merged"]), dg.AssetKey(["warehouse", "rewritten"])
DELETED_SHARE = 0.1  # of the rows of a file, from which on it is written anew
# So long may somebody still read or write files that no snapshot needs, or none yet.
IN_USE = timedelta(days=1)


@dg.asset(
    key=MERGED,
    group_name="warehouse",
    kinds={"ducklake"},
    description="Few large files, of the small ones that landings leave.",
)
@nameless
def merged(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Merge small files."""
    lake = _lake(pipeline)
    files = lake.merge()
    context.add_asset_metadata({"files_merged": files.read, "into": files.written} | _size(lake))


@dg.asset(
    key=REWRITTEN,
    group_name="warehouse",
    kinds={"ducklake"},
    description="Files without deleted rows, and no snapshots and files that nobody needs.",
)
@nameless
def rewritten(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Rewrite files with deleted rows, end old snapshots, delete old files."""
    lake, now = _lake(pipeline), datetime.now(UTC)
    days = pipeline.opened.settings.retention.snapshots_days
    files = lake.rewrite(DELETED_SHARE)
    ended = lake.expire(now - timedelta(days=days))
    deleted = lake.clean_up(now - IN_USE)
    context.add_asset_metadata(
        {"files_rewritten": files.read, "into": files.written}
        | {"snapshots_ended": ended, "files_deleted": deleted}
        | _size(lake)
    )


def lake_assets() -> Sequence[dg.AssetsDefinition]:
    """Return the assets, where the warehouse is a lake."""
    return [merged, rewritten] if _is_lake() else []


def lake_schedules() -> Sequence[dg.ScheduleDefinition]:
    """Return their schedules, where the warehouse is a lake."""
    if not _is_lake():
        return []
    return [
        _schedule("hourly_merge", "20 * * * *", "Merges small files of the warehouse."),
        _schedule("daily_rewrite", "0 5 * * *", "Rewrites and cleans up the warehouse."),
    ]


def lake_jobs() -> Sequence[Job]:
    """Return the jobs that make them, where the warehouse is a lake."""
    by_name = {"hourly_merge_job": merged, "daily_rewrite_job": rewritten} if _is_lake() else {}
    return [dg.define_asset_job(name, selection=[asset]) for name, asset in by_name.items()]


def _schedule(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name,
        job_name=f"{name}_job",
        cron_schedule=cron,
        execution_timezone=operator_zone(),
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _is_lake() -> bool:
    return load_settings().storage.warehouse_path is None


def _lake(pipeline: PipelineResource) -> LakeWarehouse:
    warehouse = pipeline.opened.warehouse
    if not isinstance(warehouse, LakeWarehouse):
        raise dg.Failure("the warehouse is a DuckDB file, which needs none of this")
    return warehouse


def _size(lake: LakeWarehouse) -> dict[str, int]:
    return asdict(lake.size())
