"""Codes become texts, and texts codes, in SQL; what the table of document types says of them.

What surprises: the texts of phases and movements stand here and nowhere else, because Oura sends
digits for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from oura_pipeline.catalog.document_types import SLEEP, DocumentType, Variants
from oura_pipeline.catalog.fields import Field
from oura_pipeline.warehouse.tables import literal

PHASES = {1: "deep", 2: "light", 3: "rem", 4: "awake"}
MOVEMENTS = {1: "none", 2: "restless", 3: "tossing", 4: "active"}


def text_of_digit(digit: str, texts: Mapping[int, str]) -> str:
    """The text for a digit, which is a text itself; null for any other character."""
    cases = " ".join(f"WHEN '{code}' THEN {literal(text)}" for code, text in texts.items())
    return f"CASE {digit} {cases} END"


def one_of(texts: Mapping[int, str]) -> str:
    """The digits as a list for IN."""
    return ", ".join(f"'{code}'" for code in texts)


def code_of_text(document_type: DocumentType, name: str) -> str:
    """The code that the table of document types gives to the text in a field; else null."""
    codes = field(document_type, name).codes or {}
    cases = " ".join(f"WHEN {literal(text)} THEN {code}" for text, code in codes.items())
    return f"CASE {name} {cases} END"


def interval(name: str) -> int:
    """Seconds between two digits of a field of a sleep."""
    return field(SLEEP, name).interval or 0


def variants(document_type: DocumentType) -> Variants:
    """What tells documents of a type apart.

    Raises:
        LookupError: nothing does.
    """
    if document_type.variants is None:
        raise LookupError(f"documents of type {document_type.name} do not differ in kind")
    return document_type.variants


def field(document_type: DocumentType, name: str) -> Field:
    """The row of a field in the table of document types."""
    return next(row for row in document_type.fields if row.name == name)
