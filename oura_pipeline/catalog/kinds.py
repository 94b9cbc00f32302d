"""The kinds of values that fields hold: a row per kind, with its types in SQL and Python.

A kind that is added here can be used in `document_types.py`; what depends on the kind of a field
asks its row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from oura_pipeline.catalog.numbers import number_in

DAY_PATTERN = r"\d{4}-\d\d-\d\d"
# Nobody wore a ring in other centuries, and at either end of time conversions fail, for everybody
# who reads such an instant among others.
INSTANT_YEARS = range(1900, 2200)
END_OF_TIME = 7_258_118_400  # the year 2200, seconds since 1970
_INSTANT_DAY_PATTERN = r"(19|2[01])\d\d-\d\d-\d\d"
_TIME_PATTERN = r"T\d\d:\d\d(:\d\d(\.\d+)?)?"
_OFFSET_PATTERN = r"(Z|[+-]\d\d(:?\d\d)?)"
# The first group is what the clock showed.
LOCAL_PATTERN = f"({_INSTANT_DAY_PATTERN}{_TIME_PATTERN}){_OFFSET_PATTERN}"
# What DuckDB's json_type() and json_structure() call numbers.
JSON_NUMBERS = frozenset({"UBIGINT", "BIGINT", "DOUBLE", "HUGEINT", "UHUGEINT"})

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


def _never(value: Any) -> bool:
    return False


# Compared by identity, which also makes a kind a key of dictionaries: each exists once.
@dataclass(frozen=True, kw_only=True, eq=False)
class Kind:
    """What a field can hold.

    Attributes:
        name: its name in messages and tests.
        sql_type: the DuckDB type of its column; empty where it follows from what is inside.
        python_type: what `msgspec` decodes a value into; None where it follows from what is inside.
        json_types: what DuckDB's `json_structure` calls values that certainly fit the column.
        check: whether a decoded JSON value is one; never true of lists and objects, whose parts
            are checked.
        pattern: the regular expression that the text of a day or an instant matches.
        item: the kind of the items of a list.
        members: name, kind and description of what is inside, where that is always the same.
        is_number: whether it is a plain number.
        is_spread: whether it holds numbers at equal distances in time.
        is_text: whether it is a text that is not read as numbers.
        tells_offset: whether it says which offset from UTC was in force where the ring was.
    """

    name: str
    sql_type: str = ""
    python_type: Any = None
    json_types: frozenset[str] = frozenset()
    check: Callable[[Any], bool] = _never
    pattern: str | None = None
    item: Kind | None = None
    members: tuple[tuple[str, Kind, str], ...] = ()
    is_number: bool = False
    is_spread: bool = False
    is_text: bool = False
    tells_offset: bool = False

    def __repr__(self) -> str:
        return self.name


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return number_in(value) is not None


def _is_parsed(pattern: str, parse: Callable[[str], object]) -> Callable[[Any], bool]:
    """Return a check for texts that match a pattern and that `parse` accepts."""
    compiled = re.compile(pattern)

    def check(value: Any) -> bool:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            return False
        try:
            parse(value)
        except ValueError:  # 2026-02-30 matches the pattern
            return False
        return True

    return check


def _temporal(name: str, pattern: str, parse: Callable[[str], object], **columns: Any) -> Kind:
    return Kind(
        name=name,
        json_types=_VARCHAR,
        check=_is_parsed(pattern, parse),
        pattern=pattern,
        is_text=True,
        **columns,
    )


_VARCHAR = frozenset({"VARCHAR"})

TEXT = Kind(
    name="TEXT",
    sql_type="VARCHAR",
    python_type=str,
    json_types=_VARCHAR,
    check=_is_text,
    is_text=True,
)
TEXTS = Kind(name="TEXTS", item=TEXT)
# What Oura calls an integer. Its column takes a fraction all the same: what is sent is sent.
INTEGER = Kind(
    name="INTEGER",
    sql_type="DOUBLE",
    python_type=float,
    json_types=JSON_NUMBERS,
    check=_is_number,
    is_number=True,
)
NUMBER = Kind(
    name="NUMBER",
    sql_type="DOUBLE",
    python_type=float,
    json_types=JSON_NUMBERS,
    check=_is_number,
    is_number=True,
)
NUMBERS = Kind(name="NUMBERS", item=NUMBER)
FLAG = Kind(
    name="FLAG",
    sql_type="BOOLEAN",
    python_type=bool,
    json_types=frozenset({"BOOLEAN"}),
    check=_is_flag,
)
DAY = _temporal("DAY", DAY_PATTERN, date.fromisoformat, sql_type="DATE", python_type=date)
# Its offset means nothing: Oura writes `T00:00:00+00:00` for people in every zone. Without one it
# is taken as UTC.
INSTANT = _temporal(
    "INSTANT",
    f"{_INSTANT_DAY_PATTERN}{_TIME_PATTERN}{_OFFSET_PATTERN}?",
    datetime.fromisoformat,
    sql_type="TIMESTAMPTZ",
    python_type=Instant,
)
# Carries the offset in force where the ring was; the only texts that tell where a person was.
LOCAL = _temporal(
    "LOCAL",
    LOCAL_PATTERN,
    datetime.fromisoformat,
    sql_type="TIMESTAMPTZ",
    python_type=Instant,
    tells_offset=True,
)
SERIES = Kind(
    name="SERIES",
    members=(
        # Oura writes 300.0.
        ("interval", NUMBER, "Seconds between two items."),
        ("items", NUMBERS, "The values; null where nothing was measured."),
        ("timestamp", LOCAL, "The instant of the first item."),
    ),
    is_spread=True,
    tells_offset=True,
)
# A text with one digit per interval.
DIGITS = Kind(
    name="DIGITS",
    sql_type="VARCHAR",
    python_type=str,
    json_types=_VARCHAR,
    check=_is_text,
    is_spread=True,
)
OBJECT = Kind(name="OBJECT")
OBJECTS = Kind(name="OBJECTS", item=OBJECT)

TEMPORAL = (DAY, INSTANT, LOCAL)
