"""SQL that turns codes into texts and texts into codes, by the table of document types."""

from __future__ import annotations

from collections.abc import Mapping

from oura_pipeline.catalog.document_types import SLEEP, DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.warehouse.tables import literal

# Oura sends digits for phases and movements; these are the texts that its documentation gives.
PHASES = {1: "deep", 2: "light", 3: "rem", 4: "awake"}
MOVEMENTS = {1: "none", 2: "restless", 3: "tossing", 4: "active"}


def text_of_digit(digit: str, texts: Mapping[int, str]) -> str:
    """Return the text for a digit, itself a text; null for any other character."""
    return _case(digit, {str(code): literal(text) for code, text in texts.items()})


def one_of(texts: Mapping[int, str]) -> str:
    """Return the digits as a list for IN."""
    return ", ".join(f"'{code}'" for code in texts)


def code_of_text(column: str, codes: Mapping[str, int]) -> str:
    """Return the code of the text in a column; null for a text without one."""
    return _case(column, {text: str(code) for text, code in codes.items()})


def interval(name: str) -> int:
    """Return the seconds between two digits of a field of a sleep."""
    return field(SLEEP, name).interval or 0


def field(document_type: DocumentType, name: str) -> Field:
    """Return the field of a name."""
    return next(field for field in document_type.fields if field.name == name)


def _case(value: str, results: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {literal(text)} THEN {result}" for text, result in results.items())
    return f"CASE {value} {cases} END"
