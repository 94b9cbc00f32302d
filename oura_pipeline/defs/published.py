"""The published copy, which analysts open: DuckDB lets only one process into the warehouse."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dagster as dg

from oura_pipeline.defs.described import SYNCED
from oura_pipeline.defs.freshness import PUBLISHED
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import Job
from oura_pipeline.defs.views import view_key
from oura_pipeline.markdown import markdown_table
from oura_pipeline.pipeline import open_warehouse
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.publish import publish as publish_copy
from oura_pipeline.warehouse.publishing import wal
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.warehouse import Warehouse

# Everything that it copies is upstream of a view. Views are never materialized, so a copy is made
# after a run in which something failed, too: of all that is chosen in the UI it is the last one.
LAST_PRIORITY = "-100"
QUIET_SECONDS = 60.0  # without a landing: in the middle of a run a copy would soon be outdated
MAX_BEHIND_SECONDS = 600.0  # fetching history can go on for hours without such a pause
# The copy is a whole file. Where the file system cannot share blocks, a large one may take longer
# than the small landing that caused it: at most a tenth of the time is spent on copying.
PAUSE_PER_COPY = 9.0  # times as long as the last copy took


@dataclass(frozen=True)
class LastCopy:
    """When the last copy was made and how long it took, in seconds (since 1970)."""

    ended: float
    seconds: float


@dg.asset(
    key=PUBLISHED,
    deps=[view_key(view) for view in VIEWS],
    group_name="analytics",
    kinds={"duckdb"},
    description="`analytics.duckdb`: a copy of the warehouse that is safe to open at any time.",
    metadata=SYNCED,
    op_tags={"dagster/priority": LAST_PRIORITY},
)
@nameless
def published(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Swap in a new copy of the warehouse; whoever has the old one open keeps reading it."""
    context.add_asset_metadata(publication(pipeline).metadata)


def publication(pipeline: PipelineResource) -> dg.AssetMaterialization:
    """Publish a copy, and return what became of it."""
    opened = pipeline.opened
    copy, counts = publish_copy(opened), opened.warehouse.row_counts()
    return dg.AssetMaterialization(
        PUBLISHED,
        metadata={
            "bytes": copy.bytes,
            "seconds": round(copy.seconds, 3),
            "path": str(copy.path),
            "dagster/row_count": sum(counts.values()),
            "rows_by_table": dg.MetadataValue.md(row_table(counts)),
        },
    )


def row_table(row_counts: Mapping[str, int]) -> str:
    """Return rows per table, as Markdown."""
    rows = [(table, f"{count:,}") for table, count in row_counts.items()]
    return markdown_table(("table", "rows"), rows, right=["rows"])


def publish_sensor(job: Job) -> dg.SensorDefinition:
    """Return the sensor that publishes what any run has landed, a backfill for instance."""

    @dg.sensor(
        name="publish",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes a new copy of the warehouse when it has changed.",
    )
    @nameless
    def publish(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = load_settings()
        last = last_copy(context.instance)
        warehouse, copy = open_warehouse(settings), settings.storage.analytics_path
        return publish_request(warehouse, copy, time.time(), last)

    return publish


def last_copy(instance: dg.DagsterInstance) -> LastCopy | None:
    """Return what Dagster recorded of the last copy; None: nothing, or it was deleted."""
    event = instance.get_latest_materialization_event(PUBLISHED)
    if event is None or event.asset_materialization is None:
        return None
    seconds = event.asset_materialization.metadata.get("seconds")
    return LastCopy(event.timestamp, float(cast("float", seconds.value))) if seconds else None


def publish_request(
    warehouse: Warehouse, copy: Path, now: float, last: LastCopy | None = None
) -> dg.RunRequest | dg.SkipReason:
    """Return the run that publishes, where there is something new and nothing is being landed.

    What is landed without a pause is published nevertheless: a first copy at once, then every ten
    minutes, or as often as copying takes a tenth of the time.
    """
    changed = warehouse.changed_at()
    if changed is None:
        return dg.SkipReason("Nothing has landed yet.")
    behind = changed - copy.stat().st_mtime if copy.exists() else math.inf
    if now - changed < QUIET_SECONDS and behind < MAX_BEHIND_SECONDS:
        return dg.SkipReason("Documents landed less than a minute ago; a run may be going on.")
    if warehouse.is_published(copy):
        return dg.SkipReason("The published copy is up to date.")
    pause = PAUSE_PER_COPY * last.seconds - (now - last.ended) if last else 0
    if copy.exists() and last and pause > 0:
        return dg.SkipReason(
            f"The last copy took {last.seconds:.0f} s; the next one is made in {pause:.0f} s."
        )
    return dg.RunRequest(run_key=_run_key(copy, changed))


def _run_key(copy: Path, changed: float) -> str:
    # Dagster remembers keys for ever, so everything that is a reason for a new copy is in it:
    # also a write-ahead log that somebody left who wrote into the copy, which a new one removes.
    log = wal(copy)
    log_time = f" {log.stat().st_mtime}" if log.exists() else ""
    return f"publish {changed}{log_time}"
