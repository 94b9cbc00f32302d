"""How the events of a run are read that stand in the database of all runs, not in its own."""

import sqlite3
from pathlib import Path

from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME

from oura_pipeline.defs.event_texts import unpacked_row

# In a run's own database: events which are in the index only, from an id there on, and the ids that
# they have in the run.
CREATE_IN_INDEX = (
    "CREATE TABLE IF NOT EXISTS in_index (id INTEGER, index_id INTEGER, events INTEGER)"
)
# A temporary view comes before the table of its name in all of Dagster's queries.
_ALL_EVENTS = """
CREATE TEMP VIEW event_logs AS
SELECT id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition
FROM main.event_logs
UNION ALL
SELECT kept.id + events.id - kept.index_id, events.run_id, events.event,
    events.dagster_event_type, events.timestamp, events.step_key, events.asset_key, events.partition
FROM main.in_index AS kept JOIN all_runs.event_logs AS events
    ON events.id BETWEEN kept.index_id AND kept.index_id + kept.events - 1
    -- A process that was killed, or somebody who wiped an asset, leaves ids to others.
    AND events.run_id = (SELECT run_id FROM main.event_logs LIMIT 1)
    AND events.dagster_event_type LIKE 'ASSET_%'
"""


def read_packed(connection: sqlite3.Connection, record: object) -> None:
    """Let a connection read the texts of events."""
    # Below Dagster's own queries, which read them in a dozen places.
    connection.row_factory = unpacked_row


def read_with_index(connection: sqlite3.Connection, record: object) -> None:
    """Let a connection to a run's own database read all events of the run."""
    read_packed(connection, record)
    tables = "SELECT 1 FROM sqlite_master WHERE name = 'in_index'"
    # A run without a batch, or of an older version, has all of its events itself.
    if connection.execute(tables).fetchone():
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        index = Path(file).with_name(f"{INDEX_SHARD_NAME}.db")
        connection.execute("ATTACH ? AS all_runs", (str(index),))
        connection.execute(_ALL_EVENTS)
