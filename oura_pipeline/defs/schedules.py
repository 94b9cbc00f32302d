"""When what runs by itself.

What surprises: every run looks back. Documents change after the fact for days (a nap confirmed, a
bedtime edited, a ring that syncs late), and Oura has no way to ask what changed.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.defs.partitions import range_tags
from oura_pipeline.settings import operator_zone


def days_back(
    partitions: dg.DailyPartitionsDefinition, now: datetime, count: int
) -> tuple[date, date]:
    """The last days for which there are partitions at that moment: first and last."""
    with dg.partition_loading_context(now):
        last = date.fromisoformat(partitions.get_last_partition_key())
        first = date.fromisoformat(partitions.get_first_partition_key())
    return max(first, last - timedelta(days=count - 1)), last


def schedules(
    job: Any, partitions: dg.DailyPartitionsDefinition
) -> Sequence[dg.ScheduleDefinition]:
    """The schedules of the job that syncs everything."""

    def looking_back(
        name: str, cron: str, count: int, description: str, *, running: bool
    ) -> dg.ScheduleDefinition:
        status = dg.DefaultScheduleStatus
        return dg.ScheduleDefinition(
            name=name,
            job=job,
            cron_schedule=cron,
            execution_timezone=operator_zone(),
            description=description,
            default_status=status.RUNNING if running else status.STOPPED,
            execution_fn=lambda context: dg.RunRequest(
                run_key=f"{name} {context.scheduled_execution_time.isoformat()}",
                tags=range_tags(*days_back(partitions, context.scheduled_execution_time, count)),
            ),
        )

    return [
        looking_back("daily", "0 10 * * *", 7, "The last 7 days.", running=True),
        looking_back("hourly", "0 * * * *", 2, "Today and yesterday.", running=False),
        looking_back("monthly_reconcile", "0 4 1 * *", 60, "The last 60 days.", running=False),
    ]
