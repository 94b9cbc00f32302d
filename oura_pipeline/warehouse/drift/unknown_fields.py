"""The paths that Oura sends and the table does not know, kept in `oura.unknown_fields`.

A path goes down to the value. A known field is recorded too if it held a number that its column
cannot hold, because it stood in place of a text.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import groupby

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.ledgers import UNKNOWN_FIELDS, ensure_ledgers

# Per document type. An object whose keys are dates would add paths every day, and each is a part of
# the view `long`.
MAX_PATHS = 100


def record_paths(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    paths: Collection[str],
    seen_at: datetime,
) -> None:
    """Record the paths that are new, up to `MAX_PATHS`."""
    if not paths:
        return
    ensure_ledgers(connection)
    known = recorded_paths(connection).get(document_type.name, ())
    new = sorted(set(paths) - {*known})[: max(0, MAX_PATHS - len(known))]
    if new:
        connection.execute(
            f"INSERT INTO {UNKNOWN_FIELDS.full_name} SELECT $1, unnest($2::VARCHAR[]), $3",
            [document_type.name, new, seen_at],
        )


def recorded_paths(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the paths in `oura.unknown_fields`, by the name of the document type."""
    rows = connection.execute(
        f"SELECT document_type, path FROM {UNKNOWN_FIELDS.full_name} ORDER BY ALL"
    ).fetchall()
    return {
        name: [path for _, path in group] for name, group in groupby(rows, key=lambda row: row[0])
    }
