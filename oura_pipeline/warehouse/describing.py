"""Everything that the published copy holds besides documents: tables, ledgers, views, readme."""

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
    """Create every missing table and view, bring all descriptions up to date, and checkpoint."""
    for document_type in DOCUMENT_TYPES:
        # Views name every table, and DuckDB binds a view when it is created.
        ensure_table(connection, document_type)
    ensure_descriptions(connection)
    ensure_ledgers(connection)
    write_readme(connection, published_at)
    # After everything that makes a column or a comment, or the next digest would be another.
    _renew_views(connection)
    # The copy is of the file alone; whatever still stands in the log would be missing.
    connection.execute("CHECKPOINT")


def _renew_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Recreate the views if they, a table or DuckDB have changed since."""
    # All views are some hundred statements, which take longer than a small copy.
    row = connection.execute(f"SELECT digest FROM {VIEWS_DIGEST.full_name}").fetchone()
    if row is not None and row[0] == _digest(connection):
        return
    ensure_views(connection)
    connection.execute(f"DELETE FROM {VIEWS_DIGEST.full_name}")
    connection.execute(f"INSERT INTO {VIEWS_DIGEST.full_name} VALUES (?)", [_digest(connection)])


def _digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Return a digest of DuckDB's version, the code's views and all columns of the file."""
    existing = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = ? AND database_name = current_database() ORDER BY ALL",
        [SCHEMA],
    ).fetchall()
    statements_of_views = [line for view in VIEWS for line in statements(view)]
    # The version as well: a view is stored as one DuckDB parsed it, which another may read
    # otherwise.
    return digest(repr((duckdb.__version__, statements_of_views, existing)))
