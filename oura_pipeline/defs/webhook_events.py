"""Webhook events become documents and points: a job empties the inbox, a sensor starts it.

What surprises: the job is one op, not a selection of assets. Which days of which types are
concerned is known only when Oura was asked for the documents, so the op does what the assets do for
exactly these days, and says so: it reports a materialization of each asset and day.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain

import dagster as dg

from oura_pipeline.accounts.inbox import Event
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.defs.graphite_assets import metadata_of_push, points_key
from oura_pipeline.defs.oura_assets import document_key, metadata_of
from oura_pipeline.defs.partitions import days
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline.sync.push import PushedDocuments, confirm_sent
from oura_pipeline.sync.webhook_events import DrainResult, land_due, push_pending

JOB = "webhook_events"
TICK = 15  # seconds
EVERY = timedelta(minutes=1)
REMEMBERED = timedelta(days=7)
LOOKED_AT = 10  # runs: whoever starts one by hand has it among them


@dg.op(description="Asks Oura for what waiting events are about, lands it and pushes it.")
def empty_inbox(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Land and push everything that is due, and read back what Graphite was told."""
    rooms, now = pipeline.opened, datetime.now(UTC)
    known = days()
    drained = DrainResult()
    left_over = [push_pending(rooms, now)]
    for part in chain(left_over, land_due(rooms, run_id=context.run_id, now=now)):
        for event in materializations(part, known):
            context.log_event(event)
        drained.add(part)
    rooms.accounts.inbox.forget(now - REMEMBERED)
    context.add_output_metadata({str(name): many for name, many in drained.outcomes.items()})
    _read_back(context, rooms, drained)


def _read_back(context: dg.OpExecutionContext, rooms: Pipeline, drained: DrainResult) -> None:
    """See to it that the points arrived; the events are finished, whatever comes of it."""
    try:
        if drained.unsent:
            raise drained.unsent
        arrival = confirm_sent(rooms, drained.usernames, drained.days) if drained.days else None
    except GraphiteUnavailable as error:
        raise dg.Failure(
            f"{error}; the documents are landed, and the points leave with the next run"
        ) from None
    if arrival and arrival.message:
        context.log.warning(arrival.message)


@dg.job(
    name=JOB,
    description="Lands and pushes what webhook events are about.",
    executor_def=dg.in_process_executor,
)
def webhook_events() -> None:
    """Everything that is due in the inbox."""
    empty_inbox()


def webhook_sensor() -> dg.SensorDefinition:
    """The sensor over the inbox of this project."""

    @dg.sensor(
        name=JOB,
        job_name=JOB,
        minimum_interval_seconds=TICK,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Lands what Oura's webhooks told of, with one run a minute at most.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = datetime.now(UTC)
        with open_accounts(load_settings()) as accounts:
            due = accounts.inbox.waiting(1, due=now)
        runs = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=LOOKED_AT)
        return to_drain(due, runs, now)

    return sensor


def to_drain(
    due: Sequence[Event], runs: Sequence[dg.RunRecord], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """The run that empties the inbox, where something is due and no run is, or just was, at it.

    Args:
        due: the oldest event that is due, if one is.
        runs: the latest runs of the job, the newest first.
        now: the present.
    """
    if not due:
        return dg.SkipReason("No webhook event is due.")
    if any(not record.dagster_run.is_finished for record in runs):
        return dg.SkipReason("A run is under way; the next one takes what comes meanwhile.")
    if runs and now - runs[0].create_timestamp < EVERY:
        return dg.SkipReason("The last run was less than a minute ago.")
    # A run that died leaves its events as they are: the last run's time makes the key new.
    last = runs[0].create_timestamp.isoformat() if runs else "never"
    return dg.RunRequest(run_key=f"{JOB} {due[0].id} {due[0].next_at.isoformat()} {last}")


def materializations(
    drained: DrainResult, known: dg.DailyPartitionsDefinition
) -> Iterator[dg.AssetMaterialization]:
    """One per asset and day: what was landed and pushed, counted over all people."""
    first, last = known.get_first_partition_key(), known.get_last_partition_key()

    def of_day(
        key: dg.AssetKey, document_type: DocumentType, day: date, metadata: dict[str, int | float]
    ) -> Iterator[dg.AssetMaterialization]:
        # Oura may name a day that is no partition, one before the first; it is landed all the same.
        if not document_type.partitioned or first <= day.isoformat() <= last:
            partition = day.isoformat() if document_type.partitioned else None
            yield dg.AssetMaterialization(key, partition=partition, metadata=metadata)

    for document_type in DOCUMENT_TYPES:
        fetched = _fetched_together([one for of, one in drained.fetched if of is document_type])
        for day, fetches in sorted(fetched.by_day().items()):
            yield from of_day(
                document_key(document_type), document_type, day, metadata_of(fetched, fetches)
            )
        pushed = _pushed_together([one for of, one in drained.pushed if of is document_type])
        for day in pushed.days:
            yield from of_day(
                points_key(document_type), document_type, day, metadata_of_push(pushed, day)
            )


def _fetched_together(parts: Sequence[FetchResult]) -> FetchResult:
    """Several questions as one."""
    return FetchResult(
        days=sorted({day for part in parts for day in part.days}),
        results=[result for part in parts for result in part.results],
        fetches=[fetch for part in parts for fetch in part.fetches],
        landing=None,
        seconds=sum(part.seconds for part in parts),
    )


def _pushed_together(parts: Sequence[PushedDocuments]) -> PushedDocuments:
    """Several pushes as one."""
    return PushedDocuments(
        days=sorted({day for part in parts for day in part.days}),
        points=sum((part.points for part in parts), Counter()),
        skipped=sum((part.skipped for part in parts), Counter()),
        sent=sum(part.sent for part in parts),
        withdrawn=sum(part.withdrawn for part in parts),
        seconds=sum(part.seconds for part in parts),
    )
