"""What a reader needs besides documents: every table, the ledgers, the views, the readme.

What surprises: views are made again only where something is not as they were made for. All of them
together are some hundred statements, which take longer than a small copy.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import digest
from oura_pipeline.warehouse.ledgers import VIEWS_DIGEST, ensure_ledgers
from oura_pipeline.warehouse.readme import write_readme
from oura_pipeline.warehouse.tables import SCHEMA, ensure_descriptions, ensure_table
from oura_pipeline.warehouse.views.catalogue import VIEWS, ensure_views
from oura_pipeline.warehouse.views.view import statements


def describe(connection: duckdb.DuckDBPyConnection, published_at: datetime) -> None:
    """Let the file have everything that a reader needs, and nothing in its log."""
    for document_type in DOCUMENT_TYPES:
        ensure_table(connection, document_type)
    ensure_descriptions(connection)
    ensure_ledgers(connection)
    _renew_views(connection)
    write_readme(connection, published_at)
    connection.execute("CHECKPOINT")


def _renew_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views again, unless they stand as they were made for the tables as they are."""
    row = connection.execute(f"SELECT digest FROM {VIEWS_DIGEST.full_name}").fetchone()
    if row is not None and row[0] == _digest(connection):
        return
    ensure_views(connection)
    connection.execute(f"DELETE FROM {VIEWS_DIGEST.full_name}")
    connection.execute(f"INSERT INTO {VIEWS_DIGEST.full_name} VALUES (?)", [_digest(connection)])


def _digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Of the views as the code has them, of everything as it stands, and of this DuckDB."""
    existing = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = ? AND database_name = current_database() ORDER BY ALL",
        [SCHEMA],
    ).fetchall()
    statements_of_views = [line for view in VIEWS for line in statements(view)]
    return digest(repr((duckdb.__version__, statements_of_views, existing)))
