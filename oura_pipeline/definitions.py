"""The Dagster code location; assembly only."""

import warnings
from collections.abc import Sequence

from oura_pipeline.process.imports import lean_imports

with lean_imports():
    import dagster as dg

    from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
    from oura_pipeline.defs.apple_health import apple_health_asset, export_job, export_schedule
    from oura_pipeline.defs.checks import document_checks
    from oura_pipeline.defs.described import described
    from oura_pipeline.defs.freshness import (
        daily_freshness,
        daily_sync_check,
        daily_sync_sensor,
    )
    from oura_pipeline.defs.gaps import gaps_sensor
    from oura_pipeline.defs.graphite_assets import arrival_check, points_asset
    from oura_pipeline.defs.lake import lake_assets, lake_jobs, lake_schedules
    from oura_pipeline.defs.new_people import new_people_sensor, sync_now_sensor
    from oura_pipeline.defs.oura_assets import document_asset
    from oura_pipeline.defs.partitions import daily_partitions
    from oura_pipeline.defs.published import publish_sensor, published
    from oura_pipeline.defs.resources import PipelineResource
    from oura_pipeline.defs.retired_people import retire_people, retired_people_sensor
    from oura_pipeline.defs.run_owners import dead_runs_sensor
    from oura_pipeline.defs.schedules import sync_schedules
    from oura_pipeline.defs.shards_job import shards_job
    from oura_pipeline.defs.subscriptions import (
        maintenance_job,
        maintenance_sensor,
        recorded_subscriptions_check,
        subscriptions,
    )
    from oura_pipeline.defs.sync_job import sync_job
    from oura_pipeline.defs.tidy_job import tidy_job, tidy_schedule
    from oura_pipeline.defs.token_renewal import (
        everyone_connected_check,
        must_reconnect,
        people,
        renew_tokens,
        renewal_job,
        renewal_schedule,
    )
    from oura_pipeline.defs.views import view_assets
    from oura_pipeline.defs.waiting_pushes import waiting_pushes, waiting_sensor
    from oura_pipeline.defs.webhook_events import webhook_events, webhook_sensor
    from oura_pipeline.sync.publish import publish as publish_copy
    from oura_pipeline.sync.subscriptions import maintain


def definitions(document_types: tuple[DocumentType, ...] = DOCUMENT_TYPES) -> dg.Definitions:
    """Return the assets, checks, jobs, schedules and sensors for these document types."""
    partitions = daily_partitions()
    publish = dg.define_asset_job("publish", selection=[published])
    tasks = task_assets(partitions)
    return dg.Definitions(
        assets=[
            *(document_asset(document_type, partitions) for document_type in document_types),
            *(points_asset(document_type, partitions) for document_type in document_types),
            described(published, publish_copy, freshness_policy=daily_freshness()),
            *view_assets(),
            *(spec for task in tasks for spec in task.specs),
        ],
        asset_checks=[
            *(document_checks(document_type, partitions) for document_type in document_types),
            *(arrival_check(document_type, partitions) for document_type in document_types),
            daily_sync_check,
            everyone_connected_check,
            recorded_subscriptions_check,
        ],
        jobs=[
            *(sync_job(document_types), shards_job(document_types), publish),
            *task_jobs(tasks),
            *(retire_people, tidy_job, waiting_pushes, webhook_events),
        ],
        schedules=[
            *sync_schedules(partitions),
            export_schedule(partitions),
            renewal_schedule(),
            tidy_schedule(),
            *lake_schedules(),
        ],
        sensors=[
            daily_sync_sensor(),
            dead_runs_sensor(),
            gaps_sensor(),
            maintenance_sensor(),
            must_reconnect,
            new_people_sensor(partitions),
            publish_sensor(publish),
            retired_people_sensor(),
            sync_now_sensor(partitions),
            waiting_sensor(),
            webhook_sensor(),
        ],
        resources={"pipeline": PipelineResource()},
        # A backfill from the UI uses the code location's executor, not a job's. One process and one
        # connection pool are enough: the work is concurrent inside a step.
        executor=dg.in_process_executor,
    )


def task_assets(partitions: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets that jobs of their own make: accounts, exports, upkeep."""
    return [
        described(apple_health_asset(partitions), apple_health_asset),
        described(people, renew_tokens),
        described(subscriptions, maintain),
        *(described(asset, lake_assets) for asset in lake_assets()),
    ]


def task_jobs(tasks: Sequence[dg.AssetsDefinition]) -> list[dg.JobDefinition]:
    """Return the jobs that do what is no part of "Materialize all": accounts, exports, upkeep.

    Elsewhere the UI shows their assets as made by something else, which it leaves alone.
    """
    jobs = [renewal_job(), maintenance_job(), export_job(), *lake_jobs()]
    alone = dg.Definitions(
        assets=tasks,
        asset_checks=[everyone_connected_check],
        jobs=jobs,
        resources={"pipeline": PipelineResource()},
        executor=dg.in_process_executor,
    )
    return [alone.resolve_job_def(job.name) for job in jobs]


with warnings.catch_warnings():
    # Backfill policies are how a range of days becomes one run; Dagster calls them beta, and checks
    # of days a preview.
    warnings.simplefilter("ignore", dg.BetaWarning)
    warnings.simplefilter("ignore", dg.PreviewWarning)
    defs = definitions()
