"""SQL that takes the numbers that Oura writes for null, such as a pulse of 0 or 255, as null."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field, walk
from oura_pipeline.warehouse.tables import quoted


def present(value: str, field: Field) -> str:
    """Return the condition that a number which is not null was measured."""
    return f"{value} NOT IN ({', '.join(map(str, field.missing))})" if field.missing else "true"


def measured(value: str, field: Field) -> str:
    """Return a number of a field, or null if Oura wrote it for null."""
    return f"CASE WHEN {present(value, field)} THEN {value} END" if field.missing else value


def measured_items(items: str, field: Field) -> str:
    """Return the items of a series with those as null that Oura wrote for null."""
    if not field.missing:
        return items
    return f"list_transform({items}, lambda item: {measured('item', field)})"


def measured_column(document_type: DocumentType, path: str) -> str:
    """Return the column or part of one at a path (with dots), or null if it was not measured."""
    names = tuple(path.split("."))
    return measured(".".join(map(quoted, names)), dict(walk(document_type.fields))[names])
