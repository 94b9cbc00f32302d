"""Webhook events: the job that lands and pushes what they are about, and the sensor that starts it.

The job is one op, not a selection of assets: which days of which types are affected is known only
after Oura was asked for the documents. So the op does what the assets do, for exactly these days,
and reports a materialization of each asset and day.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from oura_pipeline.accounts.inbox import Event
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.defs.graphite_assets import arrival_warning, point_events
from oura_pipeline.defs.oura_assets import document_events
from oura_pipeline.defs.partitions import daily_partitions, first_and_last_day
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline.sync.push import PushedDocuments
from oura_pipeline.sync.waiting import finish_pushes
from oura_pipeline.sync.webhook_events import DrainResult, land_due

JOB = "webhook_events"
TICK_SECONDS = 15
MIN_PAUSE = timedelta(minutes=1)  # between the starts of two runs
RECENT_RUNS = 10  # a run that somebody starts by hand is among them


@dg.op(description="Fetches, lands and pushes the documents that waiting events are about.")
@nameless
def empty_inbox(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Land and push everything that is due, and read back what was sent to Graphite."""
    opened, now = pipeline.opened, datetime.now(UTC)
    partitioned = first_and_last_day(daily_partitions())
    drained = DrainResult()
    for batch in land_due(opened, run_id=context.run_id, now=now):
        for event in materializations(batch, partitioned):
            context.log_event(event)
        drained.add(batch)
    kept = timedelta(days=opened.settings.retention.events_days)
    opened.accounts.inbox.forget(now - kept)
    context.add_output_metadata({str(name): many for name, many in drained.outcomes.items()})
    _read_back(context, opened, drained)


def _read_back(context: dg.OpExecutionContext, opened: Pipeline, drained: DrainResult) -> None:
    """Make sure that the points arrived; the events are finished, whatever comes of it."""
    try:
        if drained.unsent:
            raise drained.unsent
        arrival = finish_pushes(opened, drained.usernames, drained.days) if drained.days else None
    except GraphiteUnavailable as error:
        raise dg.Failure(
            f"{error}; the documents are landed, and their points are sent by the next run"
        ) from None
    if warning := arrival_warning(arrival):
        context.log.warning(warning)


@dg.job(
    name=JOB,
    description="Lands and pushes the documents that webhook events are about.",
    executor_def=dg.in_process_executor,
)
def webhook_events() -> None:
    """Process everything in the inbox that is due."""
    empty_inbox()


def webhook_sensor() -> dg.SensorDefinition:
    """Return the sensor over the inbox of this project."""

    @dg.sensor(
        name=JOB,
        job_name=JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for waiting webhook events, at most one a minute.",
    )
    @nameless
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = datetime.now(UTC)
        with open_accounts(load_settings()) as accounts:
            due = accounts.inbox.waiting(1, due=now)
        runs = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=RECENT_RUNS)
        return inbox_request(due, runs, now)

    return sensor


def inbox_request(
    due: Sequence[Event], runs: Sequence[dg.RunRecord], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return the run that empties the inbox, where something is due and no run is in progress.

    Args:
        due: the oldest event that is due, if one is.
        runs: the latest runs of the job, the newest first.
        now: the present moment.
    """
    if not due:
        return dg.SkipReason("No webhook event is due.")
    if any(not record.dagster_run.is_finished for record in runs):
        return dg.SkipReason("A run is in progress; the next one takes the events that arrive now.")
    if runs and now - runs[0].create_timestamp < MIN_PAUSE:
        return dg.SkipReason("The last run started less than a minute ago.")
    # A run that died leaves its events as they are: the last run's time makes the key new.
    last = runs[0].create_timestamp.isoformat() if runs else "never"
    return dg.RunRequest(run_key=f"{JOB} {due[0].id} {due[0].next_at.isoformat()} {last}")


def materializations(
    drained: DrainResult, partitioned: tuple[date, date]
) -> Iterator[dg.AssetMaterialization]:
    """Yield one materialization per asset and day, with counts over all people.

    Args:
        drained: what was landed and pushed.
        partitioned: the first and the last day that have a partition.
    """

    first, last = (day.isoformat() for day in partitioned)
    for document_type in DOCUMENT_TYPES:
        fetched = _merged_fetches([one for of, one in drained.fetched if of is document_type])
        pushed = _merged_pushes([one for of, one in drained.pushed if of is document_type])
        events = (*document_events(document_type, fetched), *point_events(document_type, pushed))
        # Oura may name a day without a partition, before the first one; it is landed all the same.
        yield from (
            event for event in events if event.partition is None or first <= event.partition <= last
        )


def _merged_fetches(parts: Sequence[FetchResult]) -> FetchResult:
    return FetchResult(
        days=sorted({day for part in parts for day in part.days}),
        results=[result for part in parts for result in part.results],
        fetches=[fetch for part in parts for fetch in part.fetches],
        landing=None,
        seconds=sum(part.seconds for part in parts),
    )


def _merged_pushes(parts: Sequence[PushedDocuments]) -> PushedDocuments:
    return PushedDocuments(
        days=sorted({day for part in parts for day in part.days}),
        points=sum((part.points for part in parts), Counter()),
        skipped=sum((part.skipped for part in parts), Counter()),
        sent=sum(part.sent for part in parts),
        withdrawn=sum(part.withdrawn for part in parts),
        seconds=sum(part.seconds for part in parts),
    )
