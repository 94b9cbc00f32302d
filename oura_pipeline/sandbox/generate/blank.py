"""A document with everything that may be null set to null."""

from __future__ import annotations

from typing import Any

from oura_pipeline.sandbox.catalog import BY_NAME

Document = dict[str, Any]


def blank(collection: str, document: Document) -> Document:
    """`document`, changed in position: every field that Oura's schema lets be null is null."""
    for path in BY_NAME[collection].nullable:
        *parents, leaf = path.split(".")
        inner: Any = document
        for parent in parents:
            inner = inner.get(parent) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[leaf] = None
    return document


def is_blank_day(habits: frozenset[str], ordinal: int) -> bool:
    """Whether this is the day of a fortnight on which the sparse person's documents are blank."""
    return "sparse" in habits and ordinal % 14 == 3
