"""What the shape of documents gives away: fields nobody described, values that are no such value.

What surprises: DuckDB reads 1.5 into an integer column as 2 and "12" into a number as 12, without
a word. So the shapes of all documents (few differ) are compared with the table of document types,
and only documents that look doubtful are read here, in Python, value by value.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from oura_pipeline.catalog.fields import Field, Kind

DAY_PATTERN = r"\d{4}-\d\d-\d\d"
INSTANT_PATTERN = DAY_PATTERN + r"T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?"  # none: UTC
LOCAL_PATTERN = DAY_PATTERN + r"T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)"
PATTERNS = {Kind.DAY: DAY_PATTERN, Kind.INSTANT: INSTANT_PATTERN, Kind.LOCAL: LOCAL_PATTERN}

SERIES_FIELDS = (
    Field("interval", Kind.NUMBER, "Seconds between two items."),
    Field("timestamp", Kind.LOCAL, "The instant of the first item."),
)
NUMBERS = {"UBIGINT", "BIGINT", "DOUBLE", "HUGEINT", "UHUGEINT"}  # as json_type() calls them
_OF_SERIES = {"interval", "items", "timestamp"}
_INTEGERS = {"UBIGINT", "BIGINT"}

Shape = Any  # a type's name, [shape of the items] or {name: shape}, as json_structure() tells


def unknown_fields(shape: Shape, fields: Iterable[Field], path: str = "") -> set[str]:
    """Paths in a document's shape that the table of document types does not have."""
    if isinstance(shape, list):
        return unknown_fields(shape[0], fields, path)
    if not isinstance(shape, dict):
        return set()
    known = {field.name: field for field in fields}
    found: set[str] = set()
    for name, inner in shape.items():
        if name not in known:
            found.add(path + name)
        elif inside := _fields_inside(known[name]):
            found |= unknown_fields(inner, inside, f"{path}{name}.")
    return found


def unknown_paths(shape: Shape, fields: Iterable[Field]) -> set[str]:
    """The dotted paths of all values in a document's shape for which there is no field."""
    return {".".join(path) for path, _ in _leaves(shape, ()) if not _is_known(path, fields)}


def paths_of_numbers(shape: Shape) -> set[str]:
    """The dotted paths of all numbers in a document's shape."""
    return {".".join(path) for path, kind in _leaves(shape, ()) if kind in NUMBERS}


def is_doubtful(shape: Shape, fields: Iterable[Field]) -> bool:
    """Whether a document of this shape may hold a value that is none of its field's kind."""
    return any(not _fits(shape.get(field.name, "NULL"), field) for field in fields)


def without_odd_values(
    document: str, fields: Iterable[Field], keep: Iterable[str] = ()
) -> tuple[str, Counter[str]]:
    """The document with null for every value that is none of its field's kind.

    Args:
        document: JSON object.
        fields: what it should hold.
        keep: names of fields that are reported but stay as they are.

    Returns:
        JSON text for the typed columns, and how many odd values stood at which path.
    """
    odd: Counter[str] = Counter()
    decoded = json.loads(document)
    kept = {name: decoded[name] for name in keep if name in decoded}
    decoded = _clean_object(decoded, fields, "", odd)
    return json.dumps({**decoded, **kept}, ensure_ascii=False), odd


def same_meaning(one: str, other: str) -> bool:
    """Whether two JSON texts say the same: order of keys, spaces and 1 or 1.0 do not matter."""
    try:
        if msgspec.json.decode(one) != msgspec.json.decode(other):
            return False  # the fast way; it cannot tell true from 1, nor long numbers apart
    except (msgspec.DecodeError, RecursionError):
        pass
    return bool(_meaning(one) == _meaning(other))


def temporal_paths(fields: Iterable[Field], path: str = "$") -> dict[Kind, list[str]]:
    """JSON paths of every text that must be a day or an instant, by kind."""
    found: dict[Kind, list[str]] = {kind: [] for kind in PATTERNS}
    for field in fields:
        here = f'{path}."{field.name}"'
        if field.kind in PATTERNS:
            found[field.kind].append(here)
        elif inside := _fields_inside(field):
            here += "[*]" if field.kind is Kind.OBJECTS else ""
            for kind, paths in temporal_paths(inside, here).items():
                found[kind] += paths
    return found


def _leaves(shape: Shape, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Shape]]:
    if isinstance(shape, list) and isinstance(shape[0], dict):
        shape = shape[0]
    if not isinstance(shape, dict):
        yield path, "list" if isinstance(shape, list) else shape
        return
    for name, inner in shape.items():
        yield from _leaves(inner, (*path, name))


def _is_known(path: tuple[str, ...], fields: Iterable[Field]) -> bool:
    known = next((field for field in fields if field.name == path[0]), None)
    if known is None:
        return False
    below = path[1:]
    if known.kind is Kind.SERIES:
        return not below or (len(below) == 1 and below[0] in _OF_SERIES)
    return not below or _is_known(below, known.fields)


def _fields_inside(field: Field) -> tuple[Field, ...]:
    if field.kind is Kind.SERIES:
        return (*SERIES_FIELDS, Field("items", Kind.TEXTS, "The values."))
    return field.fields


def _fits(shape: Shape, field: Field) -> bool:
    if shape == "NULL":
        return True
    match field.kind:
        case Kind.INTEGER:
            return isinstance(shape, str) and shape in _INTEGERS
        case Kind.NUMBER:
            return isinstance(shape, str) and shape in NUMBERS
        case Kind.FLAG:
            return bool(shape == "BOOLEAN")
        case Kind.TEXTS:
            return shape in (["VARCHAR"], ["NULL"])
        case Kind.OBJECT:
            return _is_object(shape) and not is_doubtful(_named(shape), field.fields)
        case Kind.OBJECTS:
            return isinstance(shape, list) and (
                shape == ["NULL"]
                or (isinstance(shape[0], dict) and not is_doubtful(shape[0], field.fields))
            )
        case Kind.SERIES:
            return isinstance(shape, dict) and _fits_series(shape)
        case _:
            return bool(shape == "VARCHAR")


def _is_object(shape: Shape) -> bool:
    return isinstance(shape, dict) or shape == "JSON"  # the shape of {} is called JSON


def _named(shape: Shape) -> Mapping[str, Shape]:
    return shape if isinstance(shape, dict) else {}


def _fits_series(shape: Mapping[str, Shape]) -> bool:
    items = shape.get("items", "NULL")
    plain = items == "NULL" or (
        isinstance(items, list) and isinstance(items[0], str) and items[0] in {*NUMBERS, "NULL"}
    )
    return plain and not is_doubtful(shape, SERIES_FIELDS)


def _clean_object(value: Any, fields: Iterable[Field], path: str, odd: Counter[str]) -> Any:
    """The object with only its known fields, each with a value of its kind or null."""
    return {
        field.name: _clean(value[field.name], field, path + field.name, odd)
        for field in fields
        if field.name in value
    }


def _clean(value: Any, field: Field, path: str, odd: Counter[str]) -> Any:
    if value is None:
        return None
    match field.kind:
        case Kind.OBJECT if isinstance(value, dict):
            return _clean_object(value, field.fields, f"{path}.", odd)
        case Kind.OBJECTS if isinstance(value, list):
            inner = Field(field.name, Kind.OBJECT, "", fields=field.fields)
            return [_clean(item, inner, path, odd) for item in value]
        case Kind.TEXTS if isinstance(value, list):
            text = Field(field.name, Kind.TEXT, "")
            return [_clean(item, text, path, odd) for item in value]
        case Kind.SERIES if isinstance(value, dict):
            cleaned = _clean_object(value, SERIES_FIELDS, f"{path}.", odd)
            return cleaned | {"items": _clean_items(value.get("items"), f"{path}.items", odd)}
    if _IS_ONE.get(field.kind, _never)(value):
        return value
    odd[path] += 1
    return None


def _clean_items(value: Any, path: str, odd: Counter[str]) -> Any:
    number = Field("items", Kind.NUMBER, "")
    if isinstance(value, list):
        return [_clean(item, number, path, odd) for item in value]
    odd[path] += value is not None
    return None


def _never(value: Any) -> bool:
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and value == int(value) and -(2**63) <= value < 2**63


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_temporal(kind: Kind) -> Callable[[Any], bool]:
    pattern = re.compile(PATTERNS[kind])
    parse: Callable[[str], object] = (
        date.fromisoformat if kind is Kind.DAY else datetime.fromisoformat
    )

    def check(value: Any) -> bool:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            return False
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


_IS_ONE: dict[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: _is_text,
    Kind.DIGITS: _is_text,
    Kind.INTEGER: _is_integer,
    Kind.NUMBER: _is_number,
    Kind.FLAG: _is_flag,
    **{kind: _is_temporal(kind) for kind in PATTERNS},
}


def _meaning(text: str) -> Any:
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(digits: str) -> tuple[str, Decimal]:
    return "number", Decimal(digits)  # in a tuple, because True == Decimal(1)
