"""The published copy: what analysts open, because DuckDB lets only one process into the warehouse.

What surprises: it has no upstream assets in Dagster's eyes. It must be made after a run in which
something failed too, so it comes last by priority rather than by dependency.
"""

import dagster as dg

from oura_pipeline.defs.resources import PipelineResource

LAST = "-100"


@dg.asset(
    key=["analytics", "published"],
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
