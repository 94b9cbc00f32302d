"""All views, each after those that it uses."""

from __future__ import annotations

import duckdb

from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.unknown_fields import recorded_paths
from oura_pipeline.warehouse.views.activity import MET_1MIN
from oura_pipeline.warehouse.views.baselines import BASELINES
from oura_pipeline.warehouse.views.compliance import COMPLIANCE
from oura_pipeline.warehouse.views.coverage import COVERAGE
from oura_pipeline.warehouse.views.days import DAILY_SUMMARY
from oura_pipeline.warehouse.views.events import TAGS, WORKOUTS
from oura_pipeline.warehouse.views.hearts import HEART_RATE_5MIN, HEART_RATE_HOURLY
from oura_pipeline.warehouse.views.inside_sleeps import HYPNOGRAM, MOVEMENT, SLEEP_HEART
from oura_pipeline.warehouse.views.long import long_view
from oura_pipeline.warehouse.views.records import DAILY_RECORDS
from oura_pipeline.warehouse.views.sleeps import NAPS, NIGHTS
from oura_pipeline.warehouse.views.view import View, statements

VIEWS: tuple[View, ...] = (
    NIGHTS,
    NAPS,
    SLEEP_HEART,
    HYPNOGRAM,
    MOVEMENT,
    MET_1MIN,
    HEART_RATE_5MIN,
    HEART_RATE_HOURLY,
    WORKOUTS,
    TAGS,
    DAILY_SUMMARY,
    BASELINES,
    COVERAGE,
    COMPLIANCE,
    DAILY_RECORDS,
    long_view(),
)


def ensure_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Recreate every view with its comments.

    The tables of all document types and the ledgers have to exist.
    """
    # Fields that the table of document types lacks are known only from the file.
    views = [*VIEWS[:-1], long_view(recorded_paths(connection))]
    with transaction(connection):
        connection.execute("; ".join(line for view in views for line in statements(view)))
