"""The Dagster code location; nothing but assembly."""

import warnings

import dagster as dg

from oura_pipeline.defs.checks import document_checks
from oura_pipeline.defs.gaps import gaps_sensor
from oura_pipeline.defs.graphite_assets import arrival_check, points_asset
from oura_pipeline.defs.oura_assets import document_asset
from oura_pipeline.defs.partitions import days
from oura_pipeline.defs.published import publish_sensor, published
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import schedules
from oura_pipeline.defs.webhook_events import webhook_events, webhook_sensor
from oura_pipeline.documents import DOCUMENT_TYPES, DocumentType


def definitions(document_types: tuple[DocumentType, ...] = DOCUMENT_TYPES) -> dg.Definitions:
    """Everything Dagster knows of these document types."""
    partitions = days()
    sync = dg.define_asset_job("sync", selection=dg.AssetSelection.all())
    return dg.Definitions(
        assets=[
            *(document_asset(row, partitions) for row in document_types),
            *(points_asset(row, partitions) for row in document_types),
            published,
        ],
        asset_checks=[
            *(document_checks(row) for row in document_types),
            *(arrival_check(row) for row in document_types),
        ],
        jobs=[sync, webhook_events],
        schedules=schedules(sync, partitions),
        sensors=[gaps_sensor(sync), publish_sensor(sync), webhook_sensor()],
        resources={"pipeline": PipelineResource()},
        # A backfill from the UI uses the code location's executor, not a job's. One process and one
        # connection pool; the work is concurrent inside a step.
        executor=dg.in_process_executor,
    )


with warnings.catch_warnings():
    # Backfill policies are how a range of days becomes one run; Dagster calls them beta.
    warnings.simplefilter("ignore", dg.BetaWarning)
    defs = definitions()
