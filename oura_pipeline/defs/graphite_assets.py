"""What Graphite is told: one asset per document type, downstream of its documents.

What surprises: a push that went well proves nothing, as carbon does not acknowledge. So the check
`points_arrived` reads every value back; the first such check of a run does it for all that was
sent, because two readings need a pause between them and one pause is enough.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.bar_charts import chart
from oura_pipeline.defs.oura_assets import document_key, priority
from oura_pipeline.defs.partitions import asked_days
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.ledger import Push, PushState
from oura_pipeline.sync.push import PushedDocuments, confirm_sent, push_documents

ARRIVED = "points_arrived"
AFTER_ALL_ASSETS = "-50"


def points_key(document_type: DocumentType) -> dg.AssetKey:
    """The asset's key, spelled as the collection."""
    return dg.AssetKey(["graphite", document_type.name])


def points_asset(document_type: DocumentType, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that flattens one document type and pushes it to Graphite."""

    @dg.asset(
        key=points_key(document_type),
        deps=[document_key(document_type)],
        description=f"{document_type.description} As points `{document_type.series}.*`.",
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
        done = push_documents(pipeline.opened, document_type, usernames, asked)
        for reason, count in sorted(done.skipped.items()):
            context.log.warning(f"{document_type.name}, not sent: {reason} ({count} times)")
        for day in done.days:
            key = day.isoformat() if document_type.partitioned else None
            context.add_asset_metadata(metadata_of_push(done, day), partition_key=key)
        # On the last day only, as it grows with the days.
        points_per_day = chart({day: done.points[day] for day in done.days})
        context.add_asset_metadata({"points_per_day": points_per_day}, partition_key=key)

    return points


def metadata_of_push(done: PushedDocuments, day: date) -> dict[str, int | float]:
    """The points of a day and costs of the push it was part of; never anything of a person."""
    return {
        "points": done.points[day],
        "points_sent": done.sent,
        "points_withdrawn": done.withdrawn,
        "seconds": round(done.seconds, 3),
    }


def arrival_check(document_type: DocumentType) -> dg.AssetChecksDefinition:
    """The check that every point can be read back from Graphite."""

    @dg.asset_check(
        asset=points_key(document_type),
        name=ARRIVED,
        description="Every point that was sent can be read back from Graphite, twice.",
        op_tags={"dagster/priority": AFTER_ALL_ASSETS},
    )
    def points_arrived(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> dg.AssetCheckResult:
        asked = asked_days(context) if document_type.partitioned else None
        usernames = [person.username for person in pipeline.chosen()]
        arrival = confirm_sent(pipeline.opened, usernames, asked)
        if arrival and arrival.message:
            context.log.warning(arrival.message)
        rows = pipeline.opened.accounts.pushes.find(
            document_type.name,
            usernames=usernames,
            first_day=asked[0] if asked else None,
            last_day=asked[-1] if asked else None,
        )
        return arrived(rows, read_back=pipeline.opened.render is not None)

    return points_arrived


def arrived(rows: Sequence[Push], *, read_back: bool) -> dg.AssetCheckResult:
    """Red when points of these days are known not to have arrived, or never left."""
    points = Counter[PushState]()
    for row in rows:
        points[row.state] += row.points
    lost = [row for row in rows if row.state in (PushState.MISSING, PushState.PENDING)]
    description = f"{points[PushState.DELIVERED]:,} points arrived."
    if points[PushState.SENT]:
        why = "in the future, Graphite hides them" if read_back else "set GRAPHITE_RENDER_URL"
        description += f" {points[PushState.SENT]:,} were sent and not read back: {why}."
    for row in lost[:10]:
        description += f"\n{row.username}, {row.day}: not all of {row.points} points arrived."
    if lost:
        description += (
            "\nUsually carbon had no section for them in storage-schemas.conf when the metrics "
            "were created: `oura-pipeline graphite schemas` writes it."
        )
    return dg.AssetCheckResult(
        passed=not lost,
        description=description,
        metadata={f"points_{state}": points[state] for state in PushState},
    )
