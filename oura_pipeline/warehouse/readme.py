"""`oura.readme`: what somebody who has nothing but the file needs to know.

Lines whose name begins with "about" are topics; all others describe the table or view they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.ledgers import FETCHES, LEDGERS
from oura_pipeline.warehouse.tables import (
    README,
    SCHEMA,
    Column,
    comment_on,
    existing_types,
    table_description,
)
from oura_pipeline.warehouse.views.catalogue import VIEWS

DESCRIPTION = "What this file is, what its terms mean, and a line for every table and view."
COLUMNS = (
    Column("table_name", "VARCHAR", "A table or view of this schema, or a topic: about …."),
    Column("description", "VARCHAR", "What it is and how to read it."),
)
TOPICS = {
    "about this file": "A copy, for reading, of the warehouse of documents from people's Oura "
    "rings. Open it read-only (`duckdb -readonly`). It is replaced as a whole, never changed: "
    "if you have it open you keep the old one; open it again to see the new one.",
    "about where to begin": "Views answer most questions: `daily_summary` has one row per person "
    "and day, `weekly` one per week, `nights` one per main sleep, `tag_nights` the night after "
    "each tag, `heart_rate` and `heart_rate_hourly` the heart rate, `people` who there is, `wear` "
    "how long the ring was worn, `long` one row per number. The tables hold the documents as Oura "
    "sends them. To see what the columns mean: SELECT table_name, column_name, comment FROM "
    "duckdb_columns() WHERE schema_name = 'oura'.",
    "about people": "`username` is the person in every table and view. A query without it mixes "
    "people.",
    "about days": "`day` is Oura's own. A night belongs to the day on which it ends, an activity "
    "day lasts from 04:00 to 04:00 local time. Heart-rate and battery rows have UTC only; "
    "their day is the local date by `offsets`. Never derive a day from a timestamp.",
    "about times": "TIMESTAMPTZ is an instant: the same for everybody, shown in the TimeZone of "
    "the session (SET TimeZone = 'UTC'). Columns that end in `_local` are TIMESTAMP: what the "
    "person's clock showed. `timestamp` of the daily documents is a midnight near the day and "
    "has no other meaning.",
    "about offsets": "How far a person's clock was ahead of UTC is learned from documents that "
    "carry an offset (nights, workouts, activity days, tags) and kept in `offsets`: between two "
    "that differ, the nearer one counts. On the day of a flight, times may be off by hours.",
    "about missing values": "Null is not zero: Oura gave no value. Zero is a value from Oura, "
    "except for the oxygen saturation in `daily_spo2`, where 0 means not measured. Series have a "
    "null for every item that was not measured. A day without a row had no data, was not granted, "
    "failed, or was never fetched; `coverage` and `fetches` say which.",
    "about scores and contributors": "Scores are 0 to 100 without a unit. So are contributors, "
    "whatever their names suggest: `contributors.deep_sleep` is no duration, "
    "`contributors.resting_heart_rate` no pulse.",
    "about HRV": "Heart rate variability is RMSSD in milliseconds, per 5 minutes asleep. Apple "
    "Health shows SDNN, another measure: the two cannot be compared or converted.",
    "about units": "The comment of every column names its unit, and the names of the views' "
    "columns end in it. In the tables durations are in seconds, in the views in minutes.",
    "about series": "A series is STRUCT(interval, items, timestamp): one item every `interval` "
    "seconds, the first at `timestamp`. Texts of digits (`sleep_phase_5_min`, `class_5_min`, …) "
    "have one digit per interval, from the start of the document. `sleep_heart`, `hypnogram`, "
    "`movement` and `met_1min` have them as rows.",
    "about main nights and naps": "The main night of a day is its longest sleep of type "
    "`long_sleep`, on a day without one its longest `sleep`; further ones, `sleep` and `late_nap` "
    "are naps, if 15 minutes were slept; `rest` and `deleted` neither. Oura sends a sleep more "
    "than once at times: of sleeps that overlap, one counts. `oura.sleep` has all documents.",
    "about numbers for null": "Oura writes numbers where it means null: a heart rate of 0 or 255, "
    "and 0 in HRV, breath, SpO2, VO2 max, vascular age and pulse wave velocity. The tables keep "
    "them, in the views they are null.",
    "about changes": "Oura recomputes: a day can change for about a week. `fetched_at` is when "
    "Oura first sent a document as it is now, `run_id` the run that fetched it. `document` has it "
    "exactly as received, with fields that have no column yet (see `unknown_fields`).",
    "about privacy": "These are health data of identifiable people. A person who leaves is deleted "
    "from this file and every later one; delete them from your own copies yourself.",
}
FRESHNESS = "about freshness"
_TABLE = f"{SCHEMA}.{README}"


def write_readme(connection: duckdb.DuckDBPyConnection, published_at: datetime) -> None:
    """Write every line anew: topics, views, tables. The ledgers have to exist."""
    freshness = {FRESHNESS: _freshness(connection, published_at)}
    with transaction(connection):
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_TABLE} (table_name VARCHAR, description VARCHAR)"
        )
        comment_on(connection, _TABLE, DESCRIPTION, COLUMNS)
        write_lines(connection, freshness | TOPICS | lines(existing_types(connection)))


def lines(document_types: Iterable[DocumentType] = DOCUMENT_TYPES) -> dict[str, str]:
    """Return the lines of all views, and of the tables of these types and of ledgers, in order."""
    views = {view.name: view.line for view in VIEWS}
    tables = {one.table: table_description(one) for one in document_types}
    ledgers = {one.name: one.description for one in LEDGERS if one.schema == SCHEMA}
    return {README: DESCRIPTION} | views | tables | ledgers


def write_lines(connection: duckdb.DuckDBPyConnection, lines: Mapping[str, str]) -> None:
    """Replace the lines of the same names; the new ones come last."""
    connection.execute(
        f"DELETE FROM {_TABLE} WHERE table_name IN (SELECT unnest($1::VARCHAR[]))", [list(lines)]
    )
    connection.execute(
        f"INSERT INTO {_TABLE} SELECT unnest($1::VARCHAR[]), unnest($2::VARCHAR[])",
        [list(lines), list(lines.values())],
    )


def _freshness(connection: duckdb.DuckDBPyConnection, published_at: datetime) -> str:
    row = connection.execute(
        "SELECT strftime(max(asked_at), '%Y-%m-%d %H:%M'), "
        f"max(day) FILTER (status = 'landed')::VARCHAR FROM {FETCHES.full_name}"
    ).fetchone()
    asked, newest = row or (None, None)
    known = (
        f"Last fetched from Oura at {asked} UTC; the newest day with documents is {newest}."
        if asked
        else "Nothing has been fetched from Oura yet."
    )
    return (
        f"Published at {published_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. {known} Oura itself "
        "has a night only after the ring has synced with the phone. By person and type: "
        "SELECT username, document_type, max(asked_at), max(day) FILTER (status = 'landed') FROM "
        "oura.fetches GROUP BY ALL."
    )
