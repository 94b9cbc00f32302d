"""The published copy: what analysts open, because DuckDB lets only one process into the warehouse.

What surprises: it has no upstream assets in Dagster's eyes. It must be made after a run in which
something failed too, so in the job `sync` it comes last by priority, not by dependency; after
any other run, a backfill for instance, a sensor sees that the warehouse is newer than the copy.
The copy is a whole file. Where the file system cannot share blocks, a large one may take longer
than the small landing that caused it, so the sensor rests nine times as long as the last one took.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.markdown import markdown_table
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.publish import publish as publish_copy
from oura_pipeline.warehouse.publishing import is_current, wal

KEY = dg.AssetKey(["analytics", "published"])
LAST = "-100"
QUIET = 60.0  # seconds without a landing: in the middle of a run a copy would soon be old
LONGEST_BEHIND = 600.0  # seconds: history can go on for hours without such a pause
REST = 9.0  # times as long as the last copy took: at most a tenth of the time is for copying


@dataclass(frozen=True)
class LastCopy:
    """When the last copy was made and how long it took, in seconds (since 1970)."""

    ended: float
    seconds: float


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
    copy = publish_copy(rooms)
    context.add_asset_metadata(
        {
            "bytes": copy.bytes,
            "seconds": round(copy.seconds, 3),
            "path": str(copy.path),
            "rows": dg.MetadataValue.md(row_table(rooms.warehouse.row_counts())),
        }
    )


def row_table(row_counts: Mapping[str, int]) -> str:
    """Return rows per table, as Markdown."""
    rows = [(table, f"{count:,}") for table, count in row_counts.items()]
    return markdown_table(("table", "rows"), rows, right=["rows"])


def publish_sensor(job: Any) -> dg.SensorDefinition:
    """The sensor that publishes what any run has landed."""

    @dg.sensor(
        name="publish",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Swaps in a new published copy when the warehouse has changed.",
    )
    def publish(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = load_settings()
        last = last_copy(context.instance)
        return to_publish(
            settings.storage.warehouse_path, settings.storage.analytics_path, time.time(), last
        )

    return publish


def last_copy(instance: dg.DagsterInstance) -> LastCopy | None:
    """What Dagster remembers of the last copy; None: there was none, or it is forgotten."""
    event = instance.get_latest_materialization_event(KEY)
    if event is None or event.asset_materialization is None:
        return None
    seconds = event.asset_materialization.metadata.get("seconds")
    return LastCopy(event.timestamp, float(seconds.value)) if seconds else None


def to_publish(
    warehouse: Path, copy: Path, now: float, last: LastCopy | None = None
) -> dg.RunRequest | dg.SkipReason:
    """The run that publishes, where there is something new and nothing is being landed.

    What is landed all the time is published nevertheless: a first copy at once, then every ten
    minutes, or as often as copying takes a tenth of the time.
    """
    if not warehouse.exists():
        return dg.SkipReason("Nothing has landed yet.")
    changed = warehouse.stat().st_mtime
    behind = changed - copy.stat().st_mtime if copy.exists() else math.inf
    if now - changed < QUIET and behind < LONGEST_BEHIND:
        return dg.SkipReason("Something landed just now; waiting for the end of the run.")
    if is_current(warehouse, copy):
        return dg.SkipReason("The published copy is up to date.")
    if copy.exists() and last and now - last.ended < REST * last.seconds:
        return dg.SkipReason(
            f"The last copy took {last.seconds:.0f} s, so the next one waits for another "
            f"{REST * last.seconds - (now - last.ended):.0f} s."
        )
    return dg.RunRequest(run_key=_run_key(copy, changed), asset_selection=[KEY])


def _run_key(copy: Path, changed: float) -> str:
    """Dagster remembers it for ever: what asks for a copy is in it."""
    log = wal(copy)  # left by somebody who wrote into an older copy; the next one removes it
    left = f" {log.stat().st_mtime}" if log.exists() else ""
    return f"publish {changed}{left}"
