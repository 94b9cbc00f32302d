"""The table of the files in a member's own export: a row per kind, and which are never read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from oura_pipeline.catalog import document_types as types
from oura_pipeline.catalog.document_types import DocumentType

_DIGITS_BEFORE = re.compile(r"^\d{6,}[_-]")  # of whoever uploaded it
_DATES_AFTER = re.compile(r"([_-]\d{4}-\d\d-\d\d([t_ ]\d\d[-.:]\d\d[-.:]\d\d)?)+$")
_SEPARATORS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file.

    Attributes:
        document_type: of the document that each row is.
        names: what it is called besides the type, without capitals and separators.
        renamed: column → field, where the names differ.
        wrapped: field → what is inside of its object, where a bare number stands for it.
        has: columns without which a file is of another kind.
    """

    document_type: DocumentType
    names: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    wrapped: Mapping[str, str] = field(default_factory=dict)
    has: frozenset[str] = frozenset()

    @property
    def all_names(self) -> tuple[str, ...]:
        """What it is called, without capitals and separators."""
        return (_SEPARATORS.sub("", self.document_type.table), *self.names)


FILE_KINDS: tuple[FileKind, ...] = (
    FileKind(document_type=types.DAILY_ACTIVITY),
    FileKind(document_type=types.DAILY_CARDIOVASCULAR_AGE),
    FileKind(document_type=types.DAILY_READINESS),
    FileKind(document_type=types.DAILY_RESILIENCE),
    FileKind(document_type=types.DAILY_SLEEP),
    FileKind(document_type=types.DAILY_SPO2, wrapped={"spo2_percentage": "average"}),
    FileKind(document_type=types.DAILY_STRESS),
    FileKind(
        document_type=types.ENHANCED_TAG,
        names=("tag",),
        renamed={"custom_tag_name": "custom_name"},
        has=frozenset({"tag_type_code"}),
    ),
    FileKind(document_type=types.HEARTRATE, renamed={"heart_rate": "bpm"}),
    FileKind(document_type=types.REST_MODE_PERIOD),
    FileKind(document_type=types.RING_BATTERY_LEVEL),
    FileKind(document_type=types.RING_CONFIGURATION),
    FileKind(document_type=types.SESSION),
    FileKind(document_type=types.SLEEP, names=("sleepmodel",)),
    FileKind(document_type=types.SLEEP_TIME, names=("bedtime",)),
    FileKind(document_type=types.TAG, has=frozenset({"tags"})),
    FileKind(document_type=types.VO2_MAX),
    FileKind(document_type=types.WORKOUT),
    FileKind(document_type=types.BLOOD_GLUCOSE),
    FileKind(document_type=types.BLOOD_PRESSURE),
    FileKind(document_type=types.DAILY_BLOOD_PRESSURE_SIGNALS),
    FileKind(document_type=types.DAILY_METABOLIC_SCORE),
    FileKind(document_type=types.DAILY_SMOOTHED_CARDIOVASCULAR_AGE),
    FileKind(document_type=types.DAYTIME_STRESS),
    FileKind(document_type=types.FOOD_ITEM),
    FileKind(document_type=types.LAB_TEST_RESULT),
    FileKind(document_type=types.MEAL),
    # Until March 2026 its column was called like the table.
    FileKind(document_type=types.TEMPERATURE, renamed={"temperature": "skin_temp"}),
    FileKind(document_type=types.TIME_ZONE),
)

# Never opened, not even to count rows.
_PERSONAL = frozenset(
    {
        *("account", "contact", "paymentmethod", "payment", "invoice", "subscription"),
        *("personalinfo", "profile", "email", "address"),
        *("rawlocation", "smoothedlocation", "location"),
    }
)
_PERSONAL_FOLDERS = frozenset({"subscriptions", "partner event store"})
TRENDS = "trends"


def name_of(path: str) -> str:
    """Return the name of a file without what differs between exports: capitals, dates, prefixes."""
    stem = PurePosixPath(path).stem.lower()
    stem = _DIGITS_BEFORE.sub("", stem).removeprefix("oura_")
    return _SEPARATORS.sub("", _DATES_AFTER.sub("", stem))


def is_personal(path: str) -> bool:
    """Return whether a file is about the account, payments or places."""
    folders = {part.lower() for part in PurePosixPath(path).parts[:-1]}
    return name_of(path) in _PERSONAL or bool(folders & _PERSONAL_FOLDERS)


def kinds_of(path: str) -> list[FileKind]:
    """Return the kinds that a file of this name can be of; its columns decide between several."""
    name = name_of(path)
    return [kind for kind in FILE_KINDS if name in kind.all_names]
