"""The schedules of the job that syncs everything."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.defs.partitions import DAYS_TAG, day_span, first_and_last_day
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.run_requests import JOB, sync_config
from oura_pipeline.settings import operator_zone

Job = Any  # what `define_asset_job` returns has no public name


def days_back(
    partitions: dg.DailyPartitionsDefinition, now: datetime, count: int
) -> tuple[date, date]:
    """Return the first and the last of the latest days that have a partition at that moment."""
    with dg.partition_loading_context(now):
        first, last = first_and_last_day(partitions)
    return max(first, last - timedelta(days=count - 1)), last


def sync_schedules(
    partitions: dg.DailyPartitionsDefinition,
) -> Sequence[dg.ScheduleDefinition]:
    """Return the schedules; every run looks back.

    Documents change after the fact for days (a nap confirmed, a bedtime edited, a ring that syncs
    late), and Oura does not tell what changed.
    """

    def looking_back(
        name: str, cron: str, days: int, description: str, *, running: bool
    ) -> dg.ScheduleDefinition:
        status = dg.DefaultScheduleStatus
        return dg.ScheduleDefinition(
            name=name,
            job_name=JOB,
            cron_schedule=cron,
            execution_timezone=operator_zone(),
            description=description,
            default_status=status.RUNNING if running else status.STOPPED,
            execution_fn=nameless(lambda context: scheduled_run(name, context, partitions, days)),
        )

    return [
        looking_back("daily", "0 10 * * *", 7, "Syncs the last 7 days.", running=True),
        looking_back("hourly", "0 * * * *", 2, "Syncs today and yesterday.", running=False),
        # Oura recomputes a day for about a week; this one finds what changed later.
        looking_back(
            "monthly_reconcile", "0 4 1 * *", 60, "Syncs the last 60 days.", running=False
        ),
    ]


def scheduled_run(
    name: str,
    context: dg.ScheduleEvaluationContext,
    partitions: dg.DailyPartitionsDefinition,
    days: int,
) -> dg.RunRequest:
    """Return the run of a schedule's tick, for the latest days."""
    time = context.scheduled_execution_time
    first, last = days_back(partitions, time, days)
    return dg.RunRequest(
        run_key=run_key(name, time),
        tags={DAYS_TAG: day_span(first, last)},
        run_config=sync_config(first, last),
    )


def run_key(name: str, time: datetime) -> str:
    """Return the key of the run of a schedule's tick."""
    return f"{name} {time.isoformat()}"
