"""All views, each after those that it uses."""

from __future__ import annotations

import duckdb

from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.unknown_fields import recorded_paths
from oura_pipeline.warehouse.tables import existing_tables
from oura_pipeline.warehouse.views.activity import MET_1MIN
from oura_pipeline.warehouse.views.baselines import BASELINES
from oura_pipeline.warehouse.views.compliance import COMPLIANCE
from oura_pipeline.warehouse.views.coverage import COVERAGE
from oura_pipeline.warehouse.views.days import DAILY_SUMMARY
from oura_pipeline.warehouse.views.events import TAGS, WORKOUTS
from oura_pipeline.warehouse.views.hearts import (
    HEART_RATE,
    HEART_RATE_5MIN,
    HEART_RATE_HOURLY,
)
from oura_pipeline.warehouse.views.inside_sleeps import HYPNOGRAM, MOVEMENT, SLEEP_HEART
from oura_pipeline.warehouse.views.long import long_view
from oura_pipeline.warehouse.views.moments import REST_MODES, SESSIONS
from oura_pipeline.warehouse.views.people import PEOPLE
from oura_pipeline.warehouse.views.records import DAILY_RECORDS
from oura_pipeline.warehouse.views.regularity import SLEEP_REGULARITY
from oura_pipeline.warehouse.views.sleeps import NAPS, NIGHTS
from oura_pipeline.warehouse.views.tag_nights import TAG_NIGHTS
from oura_pipeline.warehouse.views.training import TRAINING_LOAD
from oura_pipeline.warehouse.views.view import View, statements
from oura_pipeline.warehouse.views.wear import WEAR, WEAR_MONTHLY
from oura_pipeline.warehouse.views.weeks import WEEKLY

VIEWS: tuple[View, ...] = (
    NIGHTS,
    NAPS,
    SLEEP_HEART,
    HYPNOGRAM,
    MOVEMENT,
    MET_1MIN,
    HEART_RATE,
    HEART_RATE_5MIN,
    HEART_RATE_HOURLY,
    WORKOUTS,
    SESSIONS,
    TAGS,
    TAG_NIGHTS,
    REST_MODES,
    DAILY_SUMMARY,
    WEEKLY,
    BASELINES,
    SLEEP_REGULARITY,
    TRAINING_LOAD,
    WEAR,
    WEAR_MONTHLY,
    PEOPLE,
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
    tables = existing_tables(connection)
    # Where a large published copy has become the warehouse.
    stored = [f"DROP TABLE {view.full_name}" for view in views if view.name in tables]
    with transaction(connection):
        connection.execute("; ".join(stored + [line for one in views for line in statements(one)]))
