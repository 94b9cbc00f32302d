"""The search for unknown fields and odd values in a set of documents, with DuckDB."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.drift.shapes import (
    may_not_fit,
    paths_of_numbers,
    temporal_paths,
    unknown_fields,
    unknown_paths,
    without_odd_values,
)

_CHUNK = 1000  # documents
_MAY_BE_INFINITE = "regexp_matches(document::VARCHAR, '[0-9][eE][+]?[0-9]{3}|[0-9]{300}')"


@dataclass
class DriftScan:
    """The result of a scan: paths, never values.

    Attributes:
        unknown: fields that the table of document types does not have.
        odd: how many values at a path are of the wrong kind.
        paths: of every value that no column can hold, down to the value; odd ones if numbers.
        found: whether there are odd documents.
    """

    unknown: set[str] = field(default_factory=set)
    odd: Counter[str] = field(default_factory=Counter)
    paths: set[str] = field(default_factory=set)
    found: bool = False


def find_odd_documents(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    document_type: DocumentType,
    *,
    regular: bool = False,
) -> DriftScan:
    """Scan every document of `source` and create the temporary table `odd_documents`.

    Args:
        connection: where `source` lives.
        source: a relation with `row_id` (a number that tells rows apart) and `document` (JSON).
        document_type: what the documents should hold.
        regular: whether it is known that they hold that; then nothing is searched.

    Returns:
        What was found. `odd_documents(row_id, cleaned, odd)` holds the JSON from which the typed
        columns of odd documents are read, and the paths of their odd values.
    """
    # One query collects the shapes that occur (few differ), another the texts that are no day or
    # instant and the numbers that may be infinite; only documents found by either are read here, in
    # Python.
    scan = DriftScan()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE odd_documents (row_id BIGINT, cleaned VARCHAR, odd VARCHAR[])"
    )
    if regular:
        return scan
    doubtful = []
    for (text,) in connection.execute(
        f"SELECT DISTINCT json_structure(document) FROM {source}"
    ).fetchall():
        shape = json.loads(text)
        scan.unknown |= unknown_fields(shape, document_type.fields)
        scan.paths |= unknown_paths(shape, document_type.fields)
        if may_not_fit(shape, document_type.fields):
            doubtful.append(text)
    _clean(connection, source, document_type, doubtful, scan)
    for text in doubtful:
        scan.paths |= paths_of_numbers(json.loads(text)) & scan.odd.keys()
    return scan


def _clean(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    document_type: DocumentType,
    doubtful: list[str],
    scan: DriftScan,
) -> None:
    conditions = [_MAY_BE_INFINITE, *_odd_text_conditions(document_type)]
    if doubtful:
        conditions.append("list_contains($shapes, json_structure(document)::VARCHAR)")
    connection.execute(
        # A table, because its rows are read in chunks while others are written on this connection.
        # With numbers of its own: those of DuckDB begin anywhere inside of a transaction.
        "CREATE OR REPLACE TEMP TABLE caught AS "
        f"SELECT row_number() OVER () AS number, row_id, document FROM {source} "
        f"WHERE {' OR '.join(conditions)}",
        {"shapes": doubtful} if doubtful else {},
    )
    (many,) = connection.execute("SELECT count(*) FROM caught").fetchone() or (0,)
    scan.found = many > 0
    for start in range(0, many, _CHUNK):
        rows = connection.execute(
            "SELECT row_id, document FROM caught WHERE number > ? AND number <= ?",
            [start, start + _CHUNK],
        ).fetchall()
        cleaned, paths = [], []
        for _, document in rows:
            text, odd = without_odd_values(document, document_type.fields, keep=document_type.key)
            scan.odd += odd
            cleaned.append(text)
            paths.append(sorted(odd))
        connection.execute(
            "INSERT INTO odd_documents SELECT unnest($row_ids::BIGINT[]), "
            "unnest($cleaned::VARCHAR[]), unnest($paths::VARCHAR[][])",
            {"row_ids": [row_id for row_id, _ in rows], "cleaned": cleaned, "paths": paths},
        )


def _odd_text_conditions(document_type: DocumentType) -> Iterable[str]:
    """Yield conditions for a document with a text that is no day or instant, as SQL."""
    for kind, paths in temporal_paths(document_type.fields).items():
        odd = (
            "lambda t: t IS NOT NULL AND NOT "
            f"(regexp_full_match(t, '{kind.pattern}') "
            f"AND try_cast(t AS {kind.sql_type}) IS NOT NULL)"
        )
        # Several paths are read in one pass, but one with a wildcard gives a list of its own.
        single = [path for path in paths if "[*]" not in path]
        if single:
            listed = ", ".join(f"'{path}'" for path in single)
            yield f"len(list_filter(json_extract_string(document, [{listed}]), {odd})) > 0"
        for path in paths:
            if path not in single:
                yield f"len(list_filter(json_extract_string(document, '{path}'), {odd})) > 0"
