"""Files for Apple Health: the asset that writes them, its job and its schedule.

What surprises: it is not part of the job `sync`, and runs by itself only when OURA_EXPORTS says
where the files go. It reads the published copy, which it brings up to date first: then it knows
nothing of who left, and whoever deletes them is not overtaken.
"""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import dagster as dg

from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import asked_days, range_tags
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import days_back
from oura_pipeline.exports.apple_health import MEASURES, ExportedDay, export_hrv
from oura_pipeline.settings import load_settings, operator_zone
from oura_pipeline.sync.publish import publish

GROUP = "export"
KEY = dg.AssetKey([GROUP, "apple_health"])
JOB, SCHEDULE = "export", "daily_export"
LOOK_BACK = 7  # days


def apple_health_asset(days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that writes everybody's nights, a CSV and a JSON file per person and day."""

    @dg.asset(
        key=KEY,
        group_name=GROUP,
        kinds={"file"},
        description="Overnight heart rate and HRV (RMSSD) as files for Apple Health, one CSV and "
        "one JSON file per person and day that Oura answered.",
        deps=[document_key(SLEEP)],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def apple_health(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        rooms, asked = pipeline.opened, asked_days(context)
        publish(rooms)  # without who has left by now; who leaves later waits for this run's end
        with closing(connect(rooms.settings.storage.analytics_path)) as connection:
            exported = export_hrv(
                connection,
                rooms.settings.storage.exports_path,
                first_day=asked[0],
                last_day=asked[-1],
            )
        for day in asked:
            metadata = metadata_of(one for one in exported if one.day == day)
            context.add_asset_metadata(metadata, partition_key=day.isoformat())

    return apple_health


def metadata_of(exported: Iterable[ExportedDay]) -> dict[str, int]:
    """Counts of a day, over all people; never anything of a person."""
    days = list(exported)
    samples = {
        f"{measure.name}_samples": sum(day.samples[measure.name] for day in days)
        for measure in MEASURES
    }
    return {"people": len(days), **samples, "files_written": sum(day.changed for day in days)}


def export_job() -> Any:
    """The job that writes them."""
    return dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(KEY))


def export_schedule(job: Any, days: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """The last days, every day after the schedule `daily` has fetched them."""
    status = dg.DefaultScheduleStatus

    def last_days(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        at = context.scheduled_execution_time
        return dg.RunRequest(
            run_key=f"{SCHEDULE} {at.isoformat()}", tags=range_tags(*days_back(days, at, LOOK_BACK))
        )

    return dg.ScheduleDefinition(
        name=SCHEDULE,
        job=job,
        cron_schedule="30 10 * * *",
        execution_timezone=operator_zone(),
        description="The last 7 days as files for Apple Health; by itself only with OURA_EXPORTS.",
        default_status=status.RUNNING if load_settings().storage.exports_daily else status.STOPPED,
        execution_fn=last_days,
    )
