"""The part that a document plays in its day, where the documents of a type differ in that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class Part(StrEnum):
    """What a document of a type with variants is; one that never counts is none of these."""

    MAIN = "night"
    OTHER = "nap"
    SHORT = "short"  # too little of it to count as one


class StoredDocument(NamedTuple):
    """A document as it is kept.

    Attributes:
        day: Oura's day.
        raw: the JSON.
        part: its part in the day; None: its type has no variants, or it does not count.
    """

    day: date
    raw: bytes
    part: Part | None = None


class StoredDay(NamedTuple):
    """The documents of a person's day as they are kept, by key.

    Attributes:
        raws: the JSON of each.
        parts: the part of each in the day.
        digest: of all that; empty: nobody computed it.
    """

    # Two lists instead of a list of documents: a day of heart rate has a thousand.
    raws: Sequence[bytes]
    parts: Sequence[Part | None]
    digest: str = ""
