"""Pushes that wait: the job that sends them, and the sensor that starts it.

Runs that sync send at their end what others left. The job is for when no such run comes: carbon was
away when the last one ended, or it was killed.
"""

import socket
from datetime import UTC, datetime, timedelta

import dagster as dg

from oura_pipeline.defs.graphite_assets import arrival_warning
from oura_pipeline.defs.partitions import daily_partitions, first_and_last_day
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.webhook_events import materializations
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import GraphiteSettings, Protocol, load_settings
from oura_pipeline.sync.push import confirm_sent
from oura_pipeline.sync.waiting import push_waiting
from oura_pipeline.sync.webhook_events import DrainResult

JOB = "waiting_pushes"
TICK_SECONDS = 30
PROBE_SECONDS = 2.0
LONG = timedelta(minutes=15)  # a run of that age may hang; it is not waited for
IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.op(description="Sends the points of days that wait, and reads them back.")
@nameless
def send_waiting(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Send the points of days that wait, and read them back."""
    opened = pipeline.opened
    try:
        sent = push_waiting(opened, datetime.now(UTC))
        arrival = confirm_sent(opened, [], [], sent.days)
    except GraphiteUnavailable as error:
        raise dg.Failure(f"{error}; the points wait on", allow_retries=False) from None
    partitioned = first_and_last_day(daily_partitions())
    for event in materializations(DrainResult(pushed=sent.pushed), partitioned):
        context.log_event(event)
    if warning := arrival_warning(arrival):
        context.log.warning(warning)
    context.add_output_metadata({"days": len(sent.days)})


@dg.job(
    name=JOB,
    description="Sends the points of days that wait, whatever left them.",
    executor_def=dg.in_process_executor,
)
def waiting_pushes() -> None:
    """Send what is due."""
    send_waiting()


def waiting_sensor() -> dg.SensorDefinition:
    """Return the sensor over the days that wait."""

    @dg.sensor(
        name=JOB,
        job_name=JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends points that carbon did not get, or lost, once it answers again.",
    )
    @nameless
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings, now = load_settings(), datetime.now(UTC)
        with open_accounts(settings) as accounts:
            due = accounts.waiting.due(now, limit=1)
            count = accounts.waiting.count()
        if not due:
            return dg.SkipReason("No day is due to be pushed.")
        recent = dg.RunsFilter(statuses=IN_PROGRESS, created_after=now - LONG)
        if context.instance.get_run_records(recent, limit=1):
            return dg.SkipReason("A run is in progress; it sends at its end what is due.")
        if problem := unreachable(settings.graphite):
            return dg.SkipReason(f"{count.text}: {problem}")
        return dg.RunRequest()

    return sensor


def unreachable(graphite: GraphiteSettings) -> str | None:
    """Return why carbon takes no connection, in one line; None: it does, or is a file."""
    if graphite.protocol is Protocol.FILE:
        return None
    try:
        with socket.create_connection((graphite.host, graphite.port), PROBE_SECONDS):
            return None
    except OSError as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else error.strerror or error
        return f"carbon at {graphite.host}:{graphite.port} takes no connection ({reason})"
