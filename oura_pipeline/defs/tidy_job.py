"""The job that keeps everything that grows within its limits, and its schedule.

Without a daemon nothing is started by the clock: then the end of a sync does a piece of it, once a
day.
"""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from oura_pipeline.defs.growth import GROWING, JOB
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.tidying import Tidying
from oura_pipeline.process import interrupts
from oura_pipeline.settings import Settings, load_settings, operator_zone
from oura_pipeline.sync.storage_failures import storage_failure

SCHEDULE = "daily_tidy"
EVERY = timedelta(days=1)
JOB_SECONDS = 1800.0
SYNC_SECONDS = 3.0  # at the end of a sync, where somebody waits


@dataclass(frozen=True, kw_only=True)
class Tidied:
    """What was tidied.

    Attributes:
        deleted: rows and files, by the name of what grows.
        failures: why something could not be tidied, by its name.
        finished: whether there was time for everything.
    """

    deleted: Mapping[str, int]
    failures: Mapping[str, str]
    finished: bool


@dg.op(description="Deletes what need not be kept any more.")
@nameless
def tidy_up(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Delete what need not be kept any more; what there was no time for is left to the next run."""
    settings = pipeline.opened.settings
    done = tidy(context.instance, settings, now=datetime.now(UTC), seconds=JOB_SECONDS)
    context.add_output_metadata(
        {f"{name} deleted": count for name, count in done.deleted.items()}
        | {"finished": done.finished}
    )
    if done.failures:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in done.failures.items())
        raise dg.Failure(reasons, allow_retries=False)


@dg.job(
    name=JOB,
    description="Keeps runs, events, ticks, logs and leftovers within their limits.",
    executor_def=dg.in_process_executor,
)
def tidy_job() -> None:
    """Tidy everything that grows."""
    tidy_up()


def tidy_schedule() -> dg.ScheduleDefinition:
    """Return the schedule that tidies every night."""
    return dg.ScheduleDefinition(
        name=SCHEDULE,
        job=tidy_job,
        cron_schedule="30 4 * * *",
        execution_timezone=operator_zone(),
        description="Deletes what need not be kept any more.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def tidy_if_due(instance: dg.DagsterInstance) -> Tidied | None:
    """Tidy for some seconds unless that was finished within a day; return what was done."""
    settings, now = load_settings(), datetime.now(UTC)
    last = last_tidied(settings)
    if last and now - last < EVERY:
        return None
    return tidy(instance, settings, now=now, seconds=SYNC_SECONDS)


def tidy(
    instance: dg.DagsterInstance, settings: Settings, *, now: datetime, seconds: float
) -> Tidied:
    """Tidy everything that grows, for so many seconds; what fails does not stop the others."""
    ends, at_leisure = time.monotonic() + seconds, seconds > SYNC_SECONDS
    work = Tidying(instance=instance, settings=settings, now=now, at_leisure=at_leisure)
    deleted: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for growing in GROWING:
        try:
            for count in growing.tidy(work) if growing.tidy else ():
                deleted[growing.name] += count
                interrupts.check()
                # After a piece that was one: otherwise the first things would take all the time.
                if count and time.monotonic() > ends:
                    return Tidied(deleted=+deleted, failures=failures, finished=False)
        except Exception as error:
            failures[growing.name] = (
                storage_failure(error, to_operator=False) or type(error).__name__
            )
    if not failures:
        with suppress(OSError):  # of a full disk: then it is done again
            _mark(settings).touch()
    return Tidied(deleted=+deleted, failures=failures, finished=True)


def last_tidied(settings: Settings) -> datetime | None:
    """Return when tidying was last finished; None: never."""
    try:
        return datetime.fromtimestamp(_mark(settings).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def _mark(settings: Settings) -> Path:
    return settings.storage.home / "tidied"
