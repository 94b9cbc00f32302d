"""What is odd about a set of documents, found with DuckDB, judged by `shapes`.

What surprises: nothing is read in Python unless something is odd. One pass collects the shapes
that occur, another the texts that are no day or instant; only documents caught by either are
fetched, and their cleaned text takes the place of the original where the typed columns are filled.
The one oddity that passes both is an integer from 2**63 to 2**64: null in its column, not counted.
"""

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


@dataclass
class DriftScan:
    """Paths, never values.

    Attributes:
        unknown: fields that the table of document types does not have.
        odd: how many values at a path are none of their field's kind.
        paths: of every value that no column can hold, down to the value; odd ones if numbers.
    """

    unknown: set[str] = field(default_factory=set)
    odd: Counter[str] = field(default_factory=Counter)
    paths: set[str] = field(default_factory=set)


def find_odd_documents(
    connection: duckdb.DuckDBPyConnection, source: str, document_type: DocumentType
) -> DriftScan:
    """Look at every document of `source` and make the temporary table `odd_documents`.

    Args:
        connection: where `source` lives.
        source: a relation with `place` (a number that tells rows apart) and `document` (JSON).
        document_type: what the documents should hold.

    Returns:
        What was found. `odd_documents(place, cleaned)` holds the JSON that the typed columns of
        the odd ones are to be read from.
    """
    scan = DriftScan()
    connection.execute("CREATE OR REPLACE TEMP TABLE odd_documents (place BIGINT, cleaned VARCHAR)")
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
    conditions = [*_odd_text_conditions(document_type)]
    if doubtful:
        conditions.append("list_contains($shapes, json_structure(document)::VARCHAR)")
    if not conditions:
        return
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE caught AS "
        f"SELECT place, document FROM {source} "
        f"WHERE {' OR '.join(conditions)}",
        {"shapes": doubtful} if doubtful else {},
    )
    (many,) = connection.execute("SELECT count(*) FROM caught").fetchone() or (0,)
    for start in range(0, many, _CHUNK):
        rows = connection.execute(
            "SELECT place, document FROM caught WHERE rowid >= ? AND rowid < ?",
            [start, start + _CHUNK],
        ).fetchall()
        cleaned = []
        for _, document in rows:
            text, odd = without_odd_values(document, document_type.fields, keep=document_type.key)
            scan.odd += odd
            cleaned.append(text)
        connection.execute(
            "INSERT INTO odd_documents SELECT unnest($places), unnest($cleaned)",
            {"places": [place for place, _ in rows], "cleaned": cleaned},
        )


def _odd_text_conditions(document_type: DocumentType) -> Iterable[str]:
    """Conditions that hold for a document with a text that is no day or instant."""
    for kind, paths in temporal_paths(document_type.fields).items():
        odd = (
            "lambda t: t IS NOT NULL AND NOT "
            f"(regexp_full_match(t, '{kind.pattern}') "
            f"AND try_cast(t AS {kind.sql_type}) IS NOT NULL)"
        )
        single = [path for path in paths if "[*]" not in path]
        if single:
            listed = ", ".join(f"'{path}'" for path in single)
            yield f"len(list_filter(json_extract_string(document, [{listed}]), {odd})) > 0"
        for path in paths:
            if path not in single:
                yield f"len(list_filter(json_extract_string(document, '{path}'), {odd})) > 0"
