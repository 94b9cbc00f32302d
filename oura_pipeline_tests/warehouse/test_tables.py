"""What the tables look like, and how they follow the table of document types."""

from __future__ import annotations

import dataclasses

import duckdb

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    HEARTRATE,
    SLEEP_TIME,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.catalog.fields import Field
from oura_pipeline.warehouse.tables import columns, ensure_table
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import beat, january, land, raw_document, score

OLD_DAILY_SLEEP = dataclasses.replace(
    DAILY_SLEEP,
    description="Scores.",
    fields=tuple(
        dataclasses.replace(field, fields=field.fields[:2]) if field.fields else field
        for field in DAILY_SLEEP.fields
        if field.name != "score"
    ),
)


def described(warehouse: Warehouse, document_type: DocumentType) -> list[tuple[str, str]]:
    rows = warehouse.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?",
        [document_type.table],
    )
    return [(name, sql_type) for name, sql_type in rows]


def comments(warehouse: Warehouse, document_type: DocumentType) -> dict[str, str]:
    """What the columns say of themselves, and under "" the table."""
    return dict(
        warehouse.query(
            "SELECT '', comment FROM duckdb_tables() WHERE table_name = $1 UNION ALL "
            "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = $1",
            [document_type.table],
        )
    )


def test_a_table_has_ouras_names_and_one_day(warehouse: Warehouse) -> None:
    land(warehouse, HEARTRATE, {"ada": [beat(january(1), "10:00:00")]})
    land(warehouse, SLEEP_TIME, {"ada": []})
    assert described(warehouse, HEARTRATE) == [
        ("username", "VARCHAR"),
        ("day", "DATE"),
        ("timestamp", "TIMESTAMP WITH TIME ZONE"),
        ("timestamp_unix", "DOUBLE"),
        ("producer_timestamp", "DOUBLE"),
        ("bpm", "DOUBLE"),
        ("source", "VARCHAR"),
        ("document", "JSON"),
        ("fetched_at", "TIMESTAMP WITH TIME ZONE"),
        ("run_id", "VARCHAR"),
    ]
    assert [name for name, _ in described(warehouse, SLEEP_TIME)] == [
        "username",
        "day",
        "id",
        "optimal_bedtime",
        "recommendation",
        "status",
        "document",
        "fetched_at",
        "run_id",
    ]


def test_tables_and_columns_carry_their_descriptions(warehouse: Warehouse) -> None:
    land(warehouse, HEARTRATE, {"ada": []})
    warehouse.publish(warehouse.path.with_name("analytics.duckdb"))
    assert warehouse.query(
        "SELECT comment FROM duckdb_tables() WHERE table_name = 'heartrate'"
    ) == [("Heart rate around the clock, unevenly spaced.",)]
    assert warehouse.query(
        "SELECT comment FROM duckdb_columns() WHERE column_name IN ('bpm', 'day') "
        "AND table_name = 'heartrate' ORDER BY column_name"
    ) == [("Heart rate, beats per minute.",), ("The person's local date of `timestamp`.",)]


def test_fields_of_a_newer_version_are_filled_from_the_documents(warehouse: Warehouse) -> None:
    """Also one inside an object; odd values are null as if they landed now."""
    documents = [
        score(january(1), 80, contributors={"deep_sleep": 5, "total_sleep": 7}),
        score(january(2), 80.5, contributors={"deep_sleep": 6, "total_sleep": "eight"}),
    ]
    land(warehouse, OLD_DAILY_SLEEP, {"ada": documents})
    assert "score" not in dict(described(warehouse, OLD_DAILY_SLEEP))
    land(warehouse, DAILY_SLEEP, {"bob": []})
    assert warehouse.query(
        "SELECT score, contributors.deep_sleep, contributors.total_sleep, run_id "
        "FROM oura.daily_sleep ORDER BY day"
    ) == [(80, 5, 7, "run-1"), (80.5, 6, None, "run-1")]


def test_new_descriptions_are_there_when_it_is_published(warehouse: Warehouse) -> None:
    """A landing does not look at them; whoever reads, reads what was published."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with duckdb.connect(warehouse.path) as older:
        older.execute("COMMENT ON TABLE oura.daily_sleep IS 'Scores.'")
        older.execute("COMMENT ON COLUMN oura.daily_sleep.score IS 'Points.'")
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 81)]})
    assert comments(warehouse, DAILY_SLEEP)[""] == "Scores."
    assert comments(warehouse, DAILY_SLEEP)["score"] == "Points."
    warehouse.publish(warehouse.path.with_name("analytics.duckdb"))
    assert comments(warehouse, DAILY_SLEEP) == {
        "": DAILY_SLEEP.description,
        **{column.name: column.comment for column in columns(DAILY_SLEEP)},
    }
    assert warehouse.query(
        "SELECT description FROM oura.readme WHERE table_name = 'daily_sleep'"
    ) == [(f"{DAILY_SLEEP.description} One row per person and day.",)]


def test_a_field_whose_kind_changed_is_read_again(warehouse: Warehouse) -> None:
    # As it was: a column of whole numbers, in which a fraction was null.
    integer = dataclasses.replace(
        kinds.INTEGER, sql_type="BIGINT", json_types=frozenset({"UBIGINT"})
    )
    fields = (Field("level", integer, "Level."), Field("level_text", kinds.TEXT, "Text."))
    old = dataclasses.replace(DAILY_SLEEP, fields=fields)
    new = dataclasses.replace(old, fields=(Field("level", kinds.INTEGER, "Level."), fields[1]))
    land(warehouse, old, {"ada": [raw_document(january(1), level=1.5, level_text="x")]})
    land(warehouse, new, {"bob": []})
    assert warehouse.query("SELECT level, level_text FROM oura.daily_sleep") == [(1.5, "x")]


def test_an_older_version_of_the_code_still_lands_and_removes_nothing(warehouse: Warehouse) -> None:
    newer = dataclasses.replace(
        DAILY_SLEEP, fields=(*DAILY_SLEEP.fields, Field("novel", kinds.INTEGER, "New."))
    )
    land(warehouse, newer, {"ada": [score(january(1), novel=5)]})
    land(warehouse, DAILY_SLEEP, {"bob": [score(january(1), novel=6)]})
    before = warehouse.path.stat().st_mtime_ns
    land(warehouse, DAILY_SLEEP, {"bob": [score(january(1), novel=6)]})
    assert warehouse.path.stat().st_mtime_ns == before
    assert warehouse.query(
        "SELECT username, score, novel FROM oura.daily_sleep ORDER BY username"
    ) == [("ada", 80, 5), ("bob", 80, None)]


def test_a_table_that_is_as_described_is_not_touched() -> None:
    with duckdb.connect() as connection:
        for document_type in DOCUMENT_TYPES:
            ensure_table(connection, document_type)
        before = connection.execute("SELECT table_oid FROM duckdb_tables() ORDER BY 1").fetchall()
        for document_type in DOCUMENT_TYPES:
            ensure_table(connection, document_type)
        after = connection.execute("SELECT table_oid FROM duckdb_tables() ORDER BY 1").fetchall()
    assert len(before) == len(DOCUMENT_TYPES)
    assert after == before


def test_the_readme_has_a_line_for_every_table_and_view(warehouse: Warehouse) -> None:
    """One each, and nothing else but topics."""
    warehouse.publish(warehouse.path.with_name("analytics.duckdb"))
    standing = warehouse.query(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'oura' UNION ALL "
        "SELECT view_name FROM duckdb_views() WHERE schema_name = 'oura' ORDER BY ALL"
    )
    lines = "SELECT table_name FROM oura.readme WHERE table_name NOT LIKE 'about %' ORDER BY ALL"
    assert warehouse.query(lines) == standing
    assert warehouse.query(
        "SELECT description FROM oura.readme WHERE table_name IN ('heartrate', 'workout') "
        "ORDER BY table_name"
    ) == [
        (f"{HEARTRATE.description} One row per person, timestamp and source.",),
        (f"{WORKOUT.description} One row per person and id.",),
    ]
