"""The assets of Oura's documents: one per document type, a partition per day, everybody in each."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.asset_events import add_metadata
from oura_pipeline.defs.bar_charts import chart
from oura_pipeline.defs.check_results import MAX_LINES
from oura_pipeline.defs.described import OPERATORS, SYNCED, table_metadata, where_to_read_on
from oura_pipeline.defs.freshness import daily_freshness
from oura_pipeline.defs.partitions import HISTORY, HISTORY_TAG, run_days
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.oura.errors import OuraUnavailable, RateLimited
from oura_pipeline.sync.fetch import FetchedDocuments, FetchResult, fetched_documents
from oura_pipeline.sync.history import learn_first_days

# An outage of Oura passes. What else fails for everybody keeps failing until somebody acts.
TRANSIENT = (OuraUnavailable, RateLimited)
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)

ROW_COUNTS = ("dagster/partition_row_count", "dagster/row_count")  # of a day, of everything

DayMetadata = dict[str, int | float | dg.MarkdownMetadataValue]


def document_key(document_type: DocumentType) -> dg.AssetKey:
    """Return the key of the asset, which is named like Oura's collection."""
    return dg.AssetKey(["oura", document_type.name])


def document_asset(
    document_type: DocumentType, partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """Return the asset that fetches one document type for everybody and lands it in DuckDB."""

    @dg.asset(
        key=document_key(document_type),
        description=document_type.description,
        group_name=document_type.topic,
        kinds={"oura", "duckdb"},
        owners=OPERATORS,
        tags={"scope": document_type.scope},
        metadata={
            **table_metadata(document_type),
            **SYNCED,
            **where_to_read_on(document_asset, row=document_type.name),
        },
        freshness_policy=daily_freshness(),
        partitions_def=partitions if document_type.partitioned else None,
        # A year's backfill is one run with one query per person and document type (heart rate and
        # battery: one per 30 days), not one per day.
        backfill_policy=dg.BackfillPolicy.single_run() if document_type.partitioned else None,
        retry_policy=RETRIES,
        op_tags={"dagster/priority": priority(document_type)},
    )
    @nameless
    def fetch_and_land(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        days = run_days(context) if document_type.partitioned else []
        with fetching(context, pipeline, days, document_type) as documents:
            fetched = land_documents(pipeline, documents)
        events = document_events(document_type, fetched)
        add_metadata(context, {event.partition: event.metadata for event in events})

    return fetch_and_land


def fetching(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    pipeline: PipelineResource,
    days: Sequence[date],
    document_type: DocumentType,
) -> AbstractContextManager[FetchedDocuments]:
    """Fetch the documents of a type for the people that the run is for."""
    people = pipeline.selected_people()
    if document_type.ends_history and context.run.tags.get(HISTORY_TAG) == HISTORY:
        learn_first_days(pipeline.opened, people)
    return fetched_documents(
        pipeline.opened,
        document_type,
        people,
        first_day=days[0] if document_type.partitioned else date.min,
        last_day=days[-1] if document_type.partitioned else date.min,
        run_id=context.run.run_id,
    )


def land_documents(pipeline: PipelineResource, documents: FetchedDocuments) -> FetchResult:
    """Land what was fetched.

    Raises:
        Failure: it failed for everybody.
    """
    fetched = documents.land()
    fail_if_nobody_landed(documents.document_type, fetched, pipeline)
    return fetched


def document_events(
    document_type: DocumentType, fetched: FetchResult
) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialization for each day; a type without days has one."""
    for day, fetches in fetched.by_day().items():
        metadata = fetch_metadata(document_type, fetched, fetches)
        if document_type.partitioned and day == fetched.days[-1]:
            metadata["rows_per_day"] = rows_chart(fetched)  # it grows with the days
        yield dg.AssetMaterialization(
            document_key(document_type),
            partition=day.isoformat() if document_type.partitioned else None,
            metadata=metadata,
        )


def priority(document_type: DocumentType) -> str:
    """Return a lower priority for types whose days follow from the offsets of the others."""
    # In this order nothing has to move afterwards.
    return "-10" if document_type.dated_by_offset else "0"


def fail_if_nobody_landed(
    document_type: DocumentType, fetched: FetchResult, pipeline: PipelineResource
) -> None:
    """Fail when fetching failed for everybody who granted the scope.

    Raises:
        Failure: with who and why; worth a retry only during an outage of Oura.
    """
    able = [one for one in fetched.results if one.status is not FetchStatus.NOT_GRANTED]
    if not able or len(fetched.failed) < len(able):
        return
    ids = pipeline.ids(result.username for result in fetched.failed)
    reasons = [
        f"{ids[result.username]}: {result.error}"
        for result in fetched.failed
        if result.username in ids
    ]
    if len(reasons) > MAX_LINES:
        reasons[MAX_LINES:] = [f"and {len(reasons) - MAX_LINES} more"]
    raise dg.Failure(
        f"{document_type.name} failed for everybody: {'; '.join(reasons)}",
        allow_retries=any(isinstance(result.error, TRANSIENT) for result in fetched.failed),
    )


def rows_name(document_type: DocumentType) -> str:
    """Return how Dagster calls the rows of a day, or of all of a type without days."""
    return ROW_COUNTS[0 if document_type.partitioned else 1]


def fetch_metadata(
    document_type: DocumentType, fetched: FetchResult, fetches: Sequence[Fetch]
) -> DayMetadata:
    """Return the counts of a day, over all people, and the costs of the whole query."""
    status = [fetch.status for fetch in fetches]
    return {
        rows_name(document_type): sum(fetch.documents for fetch in fetches),
        "changed_rows": sum(fetch.changed for fetch in fetches),
        **{f"people_{one}": status.count(one) for one in FetchStatus},
        "requests": fetched.requests,
        "pages": fetched.pages,
        "seconds": round(fetched.seconds, 3),
    }


def rows_chart(fetched: FetchResult) -> dg.MarkdownMetadataValue:
    """Return a chart of the rows of every day of a run."""
    days = fetched.by_day()
    return chart({day: sum(fetch.documents for fetch in days[day]) for day in days})
