"""What Oura knows: one asset per document type, one partition per day, everybody in each.

What surprises: a run is written for a set of days. A year's backfill is one run and one question to
Oura per person and type (heart rate and battery: one per 30 days), never one per day.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.bar_charts import chart, table
from oura_pipeline.defs.partitions import asked_days
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.oura.errors import OuraUnavailable, RateLimited
from oura_pipeline.sync.fetch import FetchResult, fetch_and_land

# Oura being away passes: what else fails for everybody stays failed until somebody acts.
TRANSIENT = (OuraUnavailable, RateLimited)
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def document_key(document_type: DocumentType) -> dg.AssetKey:
    """The asset's key, spelled as the collection."""
    return dg.AssetKey(["oura", document_type.name])


def document_asset(
    document_type: DocumentType, days: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """The asset that fetches one document type for everybody and lands it in DuckDB."""

    @dg.asset(
        key=document_key(document_type),
        description=document_type.description,
        group_name="oura",
        kinds={"oura", "duckdb"},
        tags={"scope": document_type.scope},
        partitions_def=days if document_type.partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if document_type.partitioned else None,
        retry_policy=RETRIES,
        op_tags={"dagster/priority": priority(document_type)},
    )
    def documents(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        asked = asked_days(context) if document_type.partitioned else [date.min]
        fetched = fetch_and_land(
            pipeline.opened,
            document_type,
            pipeline.chosen(),
            first_day=asked[0],
            last_day=asked[-1],
            run_id=context.run.run_id,
        )
        fail_if_nobody_landed(document_type, fetched)
        for day, fetches in fetched.by_day().items():
            key = day.isoformat() if document_type.partitioned else None
            context.add_asset_metadata(metadata_of(fetched, fetches), partition_key=key)
        if document_type.partitioned:
            context.add_asset_metadata(
                {"rows_per_day": rows_chart(fetched)}, partition_key=fetched.days[-1].isoformat()
            )

    return documents


def priority(document_type: DocumentType) -> str:
    """Later for types whose day must be learned from the offsets of the others."""
    learns_its_day = document_type.partitioned and document_type.day_field is None
    return "-10" if learns_its_day else "0"


def fail_if_nobody_landed(document_type: DocumentType, fetched: FetchResult) -> None:
    """Fail when the question failed for everybody who was asked and could have answered.

    Raises:
        Failure: with who and why; worth a retry only when Oura was away.
    """
    able = [a for a in fetched.results if a.status is not FetchStatus.NOT_GRANTED]
    if not able or len(fetched.failed) < len(able):
        return
    why = "; ".join(f"{answer.username}: {answer.error}" for answer in fetched.failed)
    raise dg.Failure(
        f"{document_type.name} failed for everybody: {why}",
        allow_retries=any(isinstance(answer.error, TRANSIENT) for answer in fetched.failed),
    )


def metadata_of(
    fetched: FetchResult, fetches: Sequence[Fetch]
) -> dict[str, int | float | dg.MarkdownMetadataValue]:
    """Counts of a day and costs of the question it was part of; never anything of a person."""
    status = [fetch.status for fetch in fetches]
    rows = sum(fetch.documents for fetch in fetches)
    return {
        "people": table(
            "people", {s.value.replace("_", " "): status.count(s) for s in FetchStatus}
        ),
        "dagster/row_count": rows,
        "rows": rows,
        "changed_rows": sum(fetch.changed for fetch in fetches),
        "people_landed": status.count(FetchStatus.LANDED),
        "people_empty": status.count(FetchStatus.EMPTY),
        "people_not_granted": status.count(FetchStatus.NOT_GRANTED),
        "people_failed": status.count(FetchStatus.FAILED),
        "requests": fetched.requests,
        "pages": fetched.pages,
        "seconds": round(fetched.seconds, 3),
    }


def rows_chart(fetched: FetchResult) -> dg.MarkdownMetadataValue:
    """How many rows each day of the run has; for its last day only, as this grows with the days."""
    days = fetched.by_day()
    return chart({day: sum(fetch.documents for fetch in days[day]) for day in days})
