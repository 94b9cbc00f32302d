"""The published copy: what analysts open, because DuckDB lets only one process into the warehouse.

What surprises: it has no upstream assets in Dagster's eyes. It must be made after a run in which
something failed too, so in the job `sync` it comes last by priority, not by dependency; after
any other run, a backfill for instance, a sensor sees that the warehouse is newer than the copy.
"""

import math
import time
from pathlib import Path
from typing import Any

import dagster as dg

from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.publishing import is_current

KEY = dg.AssetKey(["analytics", "published"])
LAST = "-100"
QUIET = 60.0  # seconds without a landing: in the middle of a run a copy would soon be old
LONGEST_BEHIND = 600.0  # seconds: history can go on for hours without such a pause


@dg.asset(
    key=KEY,
    group_name="analytics",
    kinds={"duckdb"},
    description="`analytics.duckdb`: a copy of the warehouse that is safe to open at any time.",
    op_tags={"dagster/priority": LAST},
)
def published(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Swap in a copy of the warehouse; whoever has the old one open keeps reading it."""
    rooms = pipeline.opened
    copy = rooms.warehouse.publish(rooms.settings.analytics_path)
    context.add_asset_metadata(
        {"bytes": copy.bytes, "seconds": round(copy.seconds, 3), "path": str(copy.path)}
    )


def publish_sensor(job: Any) -> dg.SensorDefinition:
    """The sensor that publishes what any run has landed."""

    @dg.sensor(
        name="publish",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Swaps in a new published copy when the warehouse has changed.",
    )
    def publish() -> dg.RunRequest | dg.SkipReason:
        settings = load_settings()
        return to_publish(settings.warehouse_path, settings.analytics_path, time.time())

    return publish


def to_publish(warehouse: Path, copy: Path, now: float) -> dg.RunRequest | dg.SkipReason:
    """The run that publishes, where there is something new and nothing is being landed.

    What is landed all the time is published nevertheless: a first copy at once, then every ten
    minutes.
    """
    if not warehouse.exists():
        return dg.SkipReason("Nothing has landed yet.")
    changed = warehouse.stat().st_mtime
    behind = changed - copy.stat().st_mtime if copy.exists() else math.inf
    if now - changed < QUIET and behind < LONGEST_BEHIND:
        return dg.SkipReason("Something landed just now; waiting for the end of the run.")
    if is_current(warehouse, copy):
        return dg.SkipReason("The published copy is up to date.")
    return dg.RunRequest(run_key=f"publish {changed}", asset_selection=[KEY])
