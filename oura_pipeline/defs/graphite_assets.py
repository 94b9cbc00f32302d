"""What Graphite is told: one asset per document type, downstream of its documents.

What surprises: a push that went well proves nothing, as carbon does not acknowledge. The asset
sends and reads back once; the check `points_arrived`, which runs later, reads it all back again.
"""

from datetime import date

import dagster as dg

from oura_pipeline.defs.oura_assets import document_key, priority
from oura_pipeline.defs.partitions import asked_days
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.documents import DocumentType
from oura_pipeline.pushing import PushedType, confirm_type, push_type

ARRIVED = "points_arrived"


def points_key(document_type: DocumentType) -> dg.AssetKey:
    """The asset's key, spelled as the collection."""
    return dg.AssetKey(["graphite", document_type.name])


def points_asset(document_type: DocumentType, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that flattens one document type and pushes it to Graphite."""

    @dg.asset(
        key=points_key(document_type),
        deps=[document_key(document_type)],
        description=f"Points of {document_type.name}, as `{document_type.series}.*`.",
        group_name="graphite",
        kinds={"graphite"},
        partitions_def=days if document_type.partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if document_type.partitioned else None,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL),
        op_tags={"dagster/priority": priority(document_type)},
    )
    def points(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        asked = asked_days(context) if document_type.partitioned else None
        usernames = [person.username for person in pipeline.chosen()]
        pushed = push_type(pipeline.opened, document_type, usernames, asked)
        for reason, count in sorted(pushed.reports.items()):
            context.log.warning("%s: %s (%s times), not sent", document_type.name, reason, count)
        for day in pushed.days:
            key = day.isoformat() if document_type.partitioned else None
            context.add_asset_metadata(_metadata(pushed, day), partition_key=key)

    return points


def arrival_check(document_type: DocumentType) -> dg.AssetChecksDefinition:
    """The check that every point can be read back from Graphite."""

    @dg.asset_check(
        asset=points_key(document_type),
        name=ARRIVED,
        description="Every point that was sent can be read back from Graphite.",
    )
    def points_arrived(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> dg.AssetCheckResult:
        asked = asked_days(context) if document_type.partitioned else None
        usernames = [person.username for person in pipeline.chosen()]
        arrival = confirm_type(pipeline.opened, document_type, usernames, asked)
        return dg.AssetCheckResult(
            passed=not arrival.missing,
            description=arrival.in_words(),
            metadata={"points_read": arrival.points, "points_missing": arrival.missing},
        )

    return points_arrived


def _metadata(pushed: PushedType, day: date) -> dict[str, int]:
    return {
        "points": pushed.points.get(day, 0),
        "points_sent": pushed.sent.get(day, 0),
        "points_withdrawn": pushed.withdrawn.get(day, 0),
    }
