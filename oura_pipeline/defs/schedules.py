"""The schedules of the jobs that sync everything."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.defs.partitions import DAYS_TAG, day_span, first_and_last_day
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.run_requests import (
    JOB,
    SHARDS_JOB,
    shards_config,
    sync_config,
)
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings, operator_zone

DAILY = "0 10 * * *"
IN_SHARDS = "daily_in_shards"
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
            execution_fn=nameless(
                lambda context: (
                    dg.SkipReason(f"{IN_SHARDS} does it.")
                    if name == "daily" and _people_are_many()
                    else scheduled_run(name, context, partitions, days)
                )
            ),
        )

    return [
        looking_back("daily", DAILY, 7, "Syncs the last 7 days.", running=True),
        shards_schedule(partitions),
        looking_back("hourly", "0 * * * *", 2, "Syncs today and yesterday.", running=False),
        # Oura recomputes a day for about a week; this one finds what changed later.
        looking_back(
            "monthly_reconcile", "0 4 1 * *", 60, "Syncs the last 60 days.", running=False
        ),
    ]


def shards_schedule(partitions: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that takes the place of `daily` where there are many people."""

    @dg.schedule(
        name=IN_SHARDS,
        job_name=SHARDS_JOB,
        cron_schedule=DAILY,
        execution_timezone=operator_zone(),
        description="Syncs the last 7 days of more people than one shard has; of very many, the "
        "last 14 days of another seventh each day.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    @nameless
    def daily_in_shards(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        if not _people_are_many():
            return dg.SkipReason("All people are one shard: `daily` syncs them.")
        time = context.scheduled_execution_time
        turn = _turn_days()
        seventh = time.toordinal() % turn if turn > 1 else None
        # What came late on the day of their last sync is found by this one.
        count = 7 if seventh is None else 7 + turn
        first, last = days_back(partitions, time, count)
        return dg.RunRequest(
            run_key=run_key(IN_SHARDS, time),
            tags={DAYS_TAG: day_span(first, last)},
            run_config=shards_config(first, last, seventh=seventh),
        )

    return daily_in_shards


def _people_are_many() -> bool:
    settings = load_settings()
    with open_accounts(settings) as accounts:
        return len(accounts.people.shards(settings.workers.people_per_shard)) > 1


def _turn_days() -> int:
    settings = load_settings()
    with open_accounts(settings) as accounts:
        return accounts.people.turn_days(settings.workers.people_per_day)


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
