"""Comparison of documents and their shapes with the fields that the table describes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import JSON_NUMBERS, TEMPORAL, Kind
from oura_pipeline.catalog.numbers import loads, number_in

# A type's name, [shape of the items] or {name: shape}, as DuckDB's json_structure() gives it.
Shape = Any


def unknown_fields(shape: Shape, fields: Iterable[Field], path: str = "") -> set[str]:
    """Return paths in a document's shape that the table of document types does not have."""
    if isinstance(shape, list):
        return unknown_fields(shape[0], fields, path)
    if not isinstance(shape, dict):
        return set()
    known = {field.name: field for field in fields}
    found: set[str] = set()
    for name, inner in shape.items():
        if name not in known:
            found.add(path + name)
        elif inside := known[name].inside:
            found |= unknown_fields(inner, inside, f"{path}{name}.")
    return found


def unknown_paths(shape: Shape, fields: Iterable[Field]) -> set[str]:
    """Return the dotted paths of all values in a document's shape that have no field."""
    return {".".join(path) for path, _ in _leaves(shape, ()) if not _is_known(path, fields)}


def paths_of_numbers(shape: Shape) -> set[str]:
    """Return the dotted paths of all numbers in a document's shape."""
    return {".".join(path) for path, kind in _leaves(shape, ()) if kind in JSON_NUMBERS}


def may_not_fit(shape: Shape, fields: Iterable[Field]) -> bool:
    """Return whether a document of this shape may hold a value of the wrong kind."""
    # DuckDB reads true into a number as 1, and "x" as null, without a warning.
    return any(not _fits(shape.get(field.name, "NULL"), field) for field in fields)


def without_odd_values(
    document: str, fields: Iterable[Field], keep: Iterable[str] = ()
) -> tuple[str, Counter[str]]:
    """Return the document with null for every value of the wrong kind.

    Args:
        document: JSON object.
        fields: what it should hold.
        keep: names of fields that are counted but stay as they are.

    Returns:
        JSON text for the typed columns, and the number of odd values by path.
    """
    odd: Counter[str] = Counter()
    decoded = loads(document)
    # The key has to stay the one by which the landing matches the row.
    kept = {name: decoded[name] for name in keep if name in decoded}
    decoded = _clean_object(decoded, fields, "", odd)
    return json.dumps({**decoded, **kept}, ensure_ascii=False), odd


def same_meaning(one: str, other: str) -> bool:
    """Return whether two JSON texts mean the same, whatever their spaces and order of keys."""
    try:
        if msgspec.json.decode(one) != msgspec.json.decode(other):
            # Fast, but equal is not certain: true equals 1 here, and long numbers are rounded.
            return False
    except (msgspec.DecodeError, RecursionError):
        pass
    # Exact and slow: only for texts that the fast comparison could not tell apart.
    return bool(_meaning(one) == _meaning(other))


def temporal_paths(fields: Iterable[Field], path: str = "$") -> dict[Kind, list[str]]:
    """Return the JSON paths of every text that must be a day or an instant, by kind."""
    found: dict[Kind, list[str]] = {kind: [] for kind in TEMPORAL}
    for field in fields:
        here = f'{path}."{field.name}"'
        if field.kind.pattern:
            found[field.kind].append(here)
        elif inside := field.inside:
            here += "[*]" if field.item else ""
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
    # A known object with an unknown part is unknown down to that part.
    return not path[1:] or _is_known(path[1:], known.inside)


def _fits(shape: Shape, field: Field) -> bool:
    if shape == "NULL":
        return True
    if field.item:
        # The shape of a list whose items differ in type is called [JSON].
        return isinstance(shape, list) and shape != ["JSON"] and _fits(shape[0], field.item)
    if field.inside:
        # The shape of {} is called JSON.
        is_object = isinstance(shape, dict) and not may_not_fit(shape, field.inside)
        return is_object or shape == "JSON"
    return isinstance(shape, str) and shape in field.kind.json_types


def _clean_object(value: Any, fields: Iterable[Field], path: str, odd: Counter[str]) -> Any:
    """Return the object with its known fields only, each with a value of its kind or null."""
    return {
        field.name: _clean(value[field.name], field, path + field.name, odd)
        for field in fields
        if field.name in value
    }


def _clean(value: Any, field: Field, path: str, odd: Counter[str]) -> Any:
    if value is None:
        return None
    if field.item and isinstance(value, list):
        return [_clean(item, field.item, path, odd) for item in value]
    if field.inside and not field.item and isinstance(value, dict):
        return _clean_object(value, field.inside, f"{path}.", odd)
    if field.kind.check(value):
        return number_in(value) if field.kind.is_number else value
    odd[path] += 1
    return None


def _meaning(text: str) -> Any:
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(digits: str) -> tuple[str, Decimal]:
    return "number", Decimal(digits)  # in a tuple, because True == Decimal(1)
