"""Files for Apple Health: the asset that writes them, its job and its schedule."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import date

import dagster as dg
import duckdb

from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.defs.asset_events import add_metadata
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import range_tags, run_days
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import Job, days_back, run_key
from oura_pipeline.exports.apple_health import MEASURES, ExportedDay, export_hrv
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.settings import load_settings, operator_zone
from oura_pipeline.sync.publish import publish

GROUP = "export"
KEY = dg.AssetKey([GROUP, "apple_health"])
JOB, SCHEDULE = "export", "daily_export"
LOOK_BACK_DAYS = 7


def apple_health_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset that writes everybody's nights, a CSV and a JSON file per person and day."""

    @dg.asset(
        key=KEY,
        group_name=GROUP,
        kinds={"file"},
        description="Overnight heart rate and HRV (RMSSD) as files for Apple Health: one CSV and "
        f"one JSON file per person and day, written by the job `{JOB}`.",
        deps=[document_key(SLEEP)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @nameless
    def apple_health(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        opened, days = pipeline.opened, run_days(context)
        # The copy it reads is brought up to date first, so that nobody who has left by now is in
        # it; the files of who leaves later are deleted after the lock is free.
        with (
            opened.exporting(),
            closing(_new_copy(opened)) as connection,
        ):
            exported = export_hrv(
                connection,
                opened.settings.storage.exports_path,
                first_day=days[0],
                last_day=days[-1],
            )
        of_day = defaultdict[date, list[ExportedDay]](list)
        for one in exported:
            of_day[one.day].append(one)
        add_metadata(context, {day.isoformat(): export_metadata(of_day[day]) for day in days})

    return apple_health


def _new_copy(opened: Pipeline) -> duckdb.DuckDBPyConnection:
    publish(opened)
    return connect(opened.settings.storage.analytics_path)


def export_metadata(days: Sequence[ExportedDay]) -> dict[str, int]:
    """Return the counts of a day, over all people."""
    samples = {
        f"{measure.name}_samples": sum(day.samples[measure.name] for day in days)
        for measure in MEASURES
    }
    return {"people": len(days), **samples, "files_written": sum(day.changed for day in days)}


def export_job() -> Job:
    """Return the job that writes the files; they are no part of the job `sync`."""
    return dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(KEY))


def export_schedule(partitions: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that writes the latest days, after `daily` has fetched them."""
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name=SCHEDULE,
        job_name=JOB,
        cron_schedule="30 10 * * *",
        execution_timezone=operator_zone(),
        description="Writes the last 7 days as files for Apple Health. Runs by itself only when "
        "OURA_EXPORTS is set.",
        default_status=status.RUNNING if load_settings().storage.exports_daily else status.STOPPED,
        execution_fn=nameless(lambda context: _scheduled_export(context, partitions)),
    )


def _scheduled_export(
    context: dg.ScheduleEvaluationContext, partitions: dg.DailyPartitionsDefinition
) -> dg.RunRequest:
    time = context.scheduled_execution_time
    days = days_back(partitions, time, LOOK_BACK_DAYS)
    return dg.RunRequest(run_key=run_key(SCHEDULE, time), tags=range_tags(*days))
