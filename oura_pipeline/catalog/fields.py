"""The words in which `documents.py` describes a field: its kind, its unit, what becomes of it.

What surprises: an `INSTANT` may carry an offset that means nothing (Oura writes `T00:00:00+00:00`
for people in every zone); a `LOCAL` instant carries the offset in force where the ring was. Only
the latter tell where a person was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a field holds."""

    TEXT = auto()
    TEXTS = auto()
    INTEGER = auto()
    NUMBER = auto()
    FLAG = auto()
    DAY = auto()
    INSTANT = auto()
    LOCAL = auto()
    SERIES = auto()  # {"interval": seconds, "items": [number or null, ...], "timestamp": instant}
    DIGITS = auto()  # a text with one digit per interval
    OBJECT = auto()
    OBJECTS = auto()


class Merge(Enum):
    """How two values that fall into one interval become one."""

    MEAN = "mean"  # levels: bpm, ms, met, score, temperature, percent
    SUM = "sum"  # amounts: durations, calories, distances, counts
    LAST = "last"  # codes: phases, movement, class


SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.TEXTS: "VARCHAR[]",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.FLAG: "BOOLEAN",
    Kind.DAY: "DATE",
    Kind.INSTANT: "TIMESTAMPTZ",
    Kind.LOCAL: "TIMESTAMPTZ",
    Kind.SERIES: 'STRUCT("interval" DOUBLE, "items" DOUBLE[], "timestamp" TIMESTAMPTZ)',
    Kind.DIGITS: "VARCHAR",
}


@dataclass(frozen=True)
class Field:
    """One field of a document, under Oura's own name.

    Attributes:
        name: Oura's name.
        kind: what it holds.
        description: what it means, with its unit; becomes the column's comment.
        required: an answer in which it is absent or null is one that we do not understand.
        merge: how two values in one interval become one.
        sent: False for numbers that say nothing on their own: a copy, a zone, a raw form.
        metric: its whole name within the series in Graphite, where that is not its path.
        codes: the texts that are sent as numbers.
        zero_is_missing: Oura writes 0 where it means null.
        interval: seconds between the items of a `SERIES` or the characters of `DIGITS`, and so the
            interval at which Graphite stores them.
        low: the lowest number that can be true, in the unit of the description.
        high: the highest.
        fields: what an `OBJECT`, or each of `OBJECTS`, holds.
    """

    name: str
    kind: Kind
    description: str
    _: KW_ONLY
    required: bool = False
    merge: Merge = Merge.MEAN
    sent: bool = True
    metric: str | None = None
    codes: Mapping[str, int] | None = None
    zero_is_missing: bool = False
    interval: int | None = None
    low: float | None = None
    high: float | None = None
    fields: tuple[Field, ...] = ()

    @property
    def sql_type(self) -> str:
        """The DuckDB type of its column."""
        if self.kind not in (Kind.OBJECT, Kind.OBJECTS):
            return SQL_TYPES[self.kind]
        inner = ", ".join(f'"{field.name}" {field.sql_type}' for field in self.fields)
        return f"STRUCT({inner})" + ("[]" if self.kind is Kind.OBJECTS else "")
