"""The tables, views and rules of a lake, made once per version instead of while documents land."""

from __future__ import annotations

import duckdb

from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.days import digest
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.unknown_fields import recorded_paths
from oura_pipeline.warehouse.lake import locks, server_log
from oura_pipeline.warehouse.lake.address import LakeAddress
from oura_pipeline.warehouse.ledgers import LEDGERS, VIEWS_DIGEST, ensure_ledgers
from oura_pipeline.warehouse.readme import COLUMNS, DESCRIPTION, lines, write_lines
from oura_pipeline.warehouse.tables import (
    README,
    SCHEMA,
    columns,
    comment_on,
    create_table,
    ensure_descriptions,
    ensure_table,
    existing_comments,
    literal,
    quoted,
)
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.long import long_view
from oura_pipeline.warehouse.views.view import statements

# DuckLake keeps the least and greatest value of every column and file in its catalog: usernames,
# whole documents. There they would outlive the person, and be in every dump of the catalog. Only
# what files are chosen by is kept: days, and the times of rows.
_NO_VALUES = "oura_values_stay_in_files"
_KEPT = {
    "ducklake_file_column_stats": ("day", "timestamp"),
    "ducklake_table_column_stats": ("day",),
}
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_NO_VALUES}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM ducklake_column c WHERE c.table_id = NEW.table_id
        AND c.column_id = NEW.column_id AND c.parent_column IS NULL
        AND c.column_name = ANY (TG_ARGV) AND c.column_type IN ('date', 'timestamptz')
    ) THEN
        NEW.min_value := NULL;
        NEW.max_value := NULL;
        NEW.extra_stats := NULL;
    END IF;
    RETURN NEW;
END $$"""


def keep_values_out(address: LakeAddress) -> None:
    """Let the catalog keep no value out of people's documents, from now on and of before.

    Nor the log of its server, as far as that depends on us.
    """
    connection = locks.connect(address)
    try:
        server_log.silence(connection)
        connection.execute(_FUNCTION)
        for table, kept in _KEPT.items():
            names = ", ".join(map(literal, kept))
            connection.execute(
                f"CREATE OR REPLACE TRIGGER {_NO_VALUES} BEFORE INSERT OR UPDATE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {_NO_VALUES}({names})".encode()
            )
            connection.execute(f"UPDATE {table} SET min_value = min_value".encode())
    finally:
        connection.close()


def prepare(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create and change what this version needs; return False if all of it was there."""
    if is_prepared(connection):
        return False
    _create_missing(connection)
    # Those of an older version.
    for document_type in STORED_TYPES:
        ensure_table(connection, document_type)
    ensure_descriptions(connection)
    ensure_ledgers(connection)
    with transaction(connection):
        _create_views(connection)
        write_lines(connection, lines(STORED_TYPES))
        connection.execute(f"DELETE FROM {VIEWS_DIGEST.full_name}")
        connection.execute(f"INSERT INTO {VIEWS_DIGEST.full_name} VALUES (?)", [_digest()])
    return True


def _create_missing(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that are missing, with their comments."""
    existing = existing_comments(connection)
    tables = [(SCHEMA, one.table, one.description, columns(one)) for one in STORED_TYPES]
    tables += [(one.schema, one.name, one.description, [*one.columns]) for one in LEDGERS]
    tables.append((SCHEMA, README, DESCRIPTION, [*COLUMNS]))
    # In one transaction: DuckLake reads the whole schema anew after each that changes it.
    with transaction(connection):
        for schema, name, description, body in tables:
            if (schema, name) not in existing:
                full_name = f"{quoted(schema)}.{quoted(name)}"
                create_table(connection, schema, full_name, body)
                comment_on(connection, full_name, description, body)


def _create_views(connection: duckdb.DuckDBPyConnection) -> None:
    for view in [*VIEWS[:-1], long_view(recorded_paths(connection))]:
        for statement in statements(view):
            # DuckLake 1.0 has comments of views, and none of their columns.
            if not statement.startswith("COMMENT ON COLUMN"):
                connection.execute(statement)


def is_prepared(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a lake has all that this version needs."""
    try:
        row = connection.execute(f"SELECT digest FROM {VIEWS_DIGEST.full_name}").fetchone()
    except duckdb.CatalogException:
        return False
    return row is not None and row[0] == _digest()


def _digest() -> str:
    """Return a digest of everything that `prepare` makes."""
    tables = [(one.table, one.description, columns(one)) for one in STORED_TYPES]
    views = [line for view in VIEWS for line in statements(view)]
    return digest(repr((tables, LEDGERS, views, _FUNCTION, _KEPT)))
