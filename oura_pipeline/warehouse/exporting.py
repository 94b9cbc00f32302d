"""The export of one person's documents of a type as a Parquet file, with the table's columns."""

from __future__ import annotations

from pathlib import Path

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.tables import literal, quoted, table_name


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, username: str, folder: Path
) -> int:
    """Write `<table>.parquet` unless there are no rows; return their number."""
    table, theirs = table_name(document_type), f"username = {literal(username)}"
    # COPY would write a file without rows.
    found = connection.execute(f"SELECT 1 FROM {table} WHERE {theirs} LIMIT 1").fetchone()
    if found is None:
        return 0
    order = ", ".join(quoted(name) for name in dict.fromkeys(("day", *document_type.key)))
    path = literal(str(folder / f"{document_type.table}.parquet"))
    row = connection.execute(
        f"COPY (SELECT * FROM {table} WHERE {theirs} ORDER BY {order}) "
        f"TO {path} (FORMAT parquet, COMPRESSION zstd)"
    ).fetchone()
    return int(row[0]) if row else 0
