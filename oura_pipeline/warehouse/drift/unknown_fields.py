"""What Oura sends and the table of document types does not know, kept in `oura.unknown_fields`.

What surprises: a path there goes down to the value, and a field that is known stands there too when
it held a number that its column cannot hold: in place of a text, or a fraction for an integer. Of
a type at most `MAX_PATHS` are kept: an object whose keys are dates would bring new ones every day,
and each is a part of the view `long`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import groupby

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.ledgers import UNKNOWN_FIELDS, ensure_ledgers

MAX_PATHS = 100  # paths of a document type


def record_paths(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    paths: Collection[str],
    seen_at: datetime,
) -> None:
    """Keep the paths that are new, as long as there is room; nothing is written when none is."""
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
    """The paths in `oura.unknown_fields`, by the name of the document type."""
    rows = connection.execute(
        f"SELECT document_type, path FROM {UNKNOWN_FIELDS.full_name} ORDER BY ALL"
    ).fetchall()
    return {
        name: [path for _, path in group] for name, group in groupby(rows, key=lambda row: row[0])
    }
