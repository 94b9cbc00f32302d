"""Checks of landed documents: unknown fields and impossible numbers.

Only names of fields and counts leave here, never a value.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field, walk
from oura_pipeline.warehouse.drift import shapes
from oura_pipeline.warehouse.measured import present
from oura_pipeline.warehouse.tables import quoted, table_name
from oura_pipeline.warehouse.warehouse import Warehouse


def unknown_fields(
    warehouse: Warehouse,
    document_type: DocumentType,
    usernames: Collection[str],
    days: Sequence[date] | None,
) -> list[str]:
    """Return paths in documents of these days that the table of document types does not have."""
    rows = _query_documents(
        warehouse, document_type, usernames, days, "SELECT DISTINCT json_structure(document)"
    )
    found: set[str] = set()
    for (text,) in rows:
        found |= shapes.unknown_fields(json.loads(text), document_type.fields)
    return sorted(found)


def out_of_range(
    warehouse: Warehouse,
    document_type: DocumentType,
    usernames: Collection[str],
    days: Sequence[date] | None,
) -> dict[str, int]:
    """Return, by path, how many documents of these days have a number out of its range."""
    conditions = dict(_conditions(document_type.fields))
    if not conditions:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {text})" for text in conditions.values())
    rows = _query_documents(warehouse, document_type, usernames, days, f"SELECT {counts}")
    return {
        name: count for row in rows for name, count in zip(conditions, row, strict=True) if count
    }


def _conditions(fields: Iterable[Field]) -> Iterator[tuple[str, str]]:
    for path, field in walk(fields, lists=False):
        column = ".".join(map(quoted, path))
        ends = [
            f"{column} {sign} {end}"
            for sign, end in (("<", field.low), (">", field.high))
            if end is not None
        ]
        if ends:
            # Of what means null nobody needs to be told.
            yield ".".join(path), f"({' OR '.join(ends)}) AND {present(column, field)}"


def _query_documents(
    warehouse: Warehouse,
    document_type: DocumentType,
    usernames: Collection[str],
    days: Sequence[date] | None,
    select: str,
) -> list[tuple[Any, ...]]:
    where = "list_contains($usernames::VARCHAR[], username)"
    parameters: dict[str, object] = {"usernames": list(usernames)}
    if days is not None:
        where += " AND day BETWEEN $first AND $last"
        parameters |= {"first": days[0], "last": days[-1]}
    try:
        return warehouse.query(
            f"{select} FROM {table_name(document_type)} WHERE {where}", parameters
        )
    except duckdb.CatalogException:
        return []  # nothing of this type has landed yet
