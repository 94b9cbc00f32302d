"""Documents whose every number, time and text is at the end of what JSON can hold."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import DAY, DIGITS, FLAG, INSTANT, LOCAL, OBJECT, SERIES, TEXT

Document = dict[str, Any]

NUMBERS = (
    *(-(2**63), 2**63 - 1, 2**63, 2**64, -(10**30), 10**300, 1.7e308, -1.7e308, 1e155, -1e155),
    *(5e-324, -0.0, 0, 255, 40.5, 900, 86_400, -3500, None, True, "7", [1]),
)
NOVEL = {"novel": 1e308}
TIMES = (
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-15:59", "1900-01-01T00:00:00+15:59"),
    *("2199-12-31T23:59:59-15:59", "1970-01-01T00:00:00Z", "294246-01-01T00:00:00Z"),
    *("2026-03-25T24:00:00Z", "2026-02-30T00:00:00Z", "2026-03-25T10:00:00", "", None),
)
TEXTS = ("", "x" * 5000, "'; DROP TABLE oura.sleep; --", "\u0000", "\U0001f600", "%s{}", None)
DIGIT_TEXTS = ("", "1" * 600, "9x²\u0661", "4", None)
INTERVALS = (0, -1, 5e-324, 1e-7, 0.5, 300.0, 1e12, 1.7e308, -(2**63), None)
ITEMS = ([], [1.7e308] * 3, [-1.7e308, 1.7e308], [5e-324, None, 255, 0], [60] * 600, None)


def extremes(document_type: DocumentType, days: Iterable[str], seed: int) -> list[Document]:
    """Return two such documents of each day; only what tells day and key is as it should be."""
    chance = random.Random(f"{seed} {document_type.name}")
    many = 1 if document_type.daily else 2
    return [
        _document(document_type, day, f"{day}-{nth}", chance) for day in days for nth in range(many)
    ]


def types_with_days() -> list[DocumentType]:
    """Return the document types that `extremes` can make."""
    return [document_type for document_type in DOCUMENT_TYPES if document_type.partitioned]


def _document(document_type: DocumentType, day: str, name: str, chance: random.Random) -> Document:
    document = {field.name: _value(field, chance) for field in document_type.fields}
    document["novel"] = chance.choice((*NUMBERS, NOVEL))
    for field in document_type.fields:
        if field.kind is DAY:
            document[field.name] = day
        elif field.required and field.kind in (INSTANT, LOCAL):
            document[field.name] = f"{day}T{chance.randrange(24):02}:00:00+00:00"
    if document_type.variants and chance.random() < 0.9:
        known = sorted({document_type.variants.main, *document_type.variants.others})
        document[document_type.variants.field] = chance.choice(known)
    return document | {"id": name}


def _value(field: Field, chance: random.Random) -> Any:
    if field.kind is OBJECT:
        return {inner.name: _value(inner, chance) for inner in field.fields}
    if field.kind.item is not None:
        return []
    if field.kind is SERIES:
        start = "2026-03-25T10:00:00Z" if chance.random() < 0.7 else chance.choice(TIMES)
        return {
            "interval": chance.choice(INTERVALS),
            "items": chance.choice(ITEMS),
            "timestamp": start,
        }
    # Seldom: each place where it stands makes the query of `long` longer and slower.
    if field.kind.is_number and chance.random() < 0.005:
        return NOVEL
    choices = {DIGITS: DIGIT_TEXTS, INSTANT: TIMES, LOCAL: TIMES, TEXT: TEXTS, FLAG: (True, False)}
    return chance.choice(choices.get(field.kind, NUMBERS))
