"""What a document says: instants, series, digits. Nothing here knows a metric's name.

What surprises: Oura writes intervals as floats (`300.0`) and the instants of series with
milliseconds, so everything is counted in whole microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from oura_pipeline.graphite.aggregate import MICRO, Value, all_usable, usable

_PLAIN = {int, float, type(None)}
_END_OF_TIME = 253_402_300_800  # year 10000, seconds
_DECODER = msgspec.json.Decoder()


@dataclass(frozen=True)
class ParsedSeries:
    """Values at equal distances.

    Attributes:
        start: the instant of the first, μs since 1970.
        interval: from one to the next, μs.
        values: None where there is none.
    """

    start: int
    interval: int
    values: Sequence[Value | None]


class Unreadable(ValueError):
    """A part of a document cannot be understood; the message says what it lacks."""


def decoded(document: bytes) -> dict[str, Any]:
    """The document as a dictionary.

    Raises:
        Unreadable: it is no JSON object.
    """
    try:
        value = _DECODER.decode(document)
    except msgspec.DecodeError:
        # The standard library reads a number that no double can hold as infinity: one number
        # is lost instead of the document.
        value = _decoded_leniently(document)
    if not isinstance(value, dict):
        raise Unreadable("no JSON object")
    return value


def instant(value: object) -> int | None:
    """An instant of a document, μs since 1970; None: it is none, or has no offset."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else round(moment.timestamp() * MICRO)
    except (ValueError, OverflowError):
        return None


def looks_like_series(value: dict[str, Any]) -> bool:
    """Whether an unknown object has the shape of a series."""
    return isinstance(value.get("items"), list) and ("interval" in value or "timestamp" in value)


def series(value: dict[str, Any]) -> ParsedSeries:
    """A series object: `{"interval": seconds, "items": [...], "timestamp": instant}`.

    Raises:
        Unreadable: it has no list of items, no positive interval, or no instant.
    """
    items = value.get("items")
    if not isinstance(items, list):
        raise Unreadable("series without items")
    seconds = usable(value.get("interval"))
    interval = round(seconds * MICRO) if seconds and abs(seconds) < _END_OF_TIME else 0
    if interval <= 0:
        raise Unreadable("series without a positive interval")
    start = instant(value.get("timestamp"))
    if start is None:
        raise Unreadable("series without an instant")
    if start + len(items) * interval >= _END_OF_TIME * MICRO:
        raise Unreadable("series beyond the end of time")
    return ParsedSeries(start, interval, items)


def digits(value: object, start: int | None, interval: int) -> ParsedSeries:
    """A text with one digit per `interval` seconds; other characters become None.

    Raises:
        Unreadable: it is no text, or nothing says when it begins.
    """
    if not isinstance(value, str):
        raise Unreadable("no text of digits")
    if start is None:
        raise Unreadable("digits without an instant")
    if value.isascii() and value.isdigit():
        return ParsedSeries(start, interval * MICRO, list(map(int, value)))
    values = [int(one) if one.isascii() and one.isdigit() else None for one in value]
    return ParsedSeries(start, interval * MICRO, values)


def cleaned(values: Sequence[Any]) -> tuple[list[Value | None], int]:
    """The values with None for what is no finite number, and how many of those were not null."""
    if set(map(type, values)) <= _PLAIN:
        there = [value for value in values if value is not None]
        if all_usable(there):
            return list(values), 0
    numbers = [usable(value) for value in values]
    missing = sum(value is None for value in values)
    return numbers, sum(number is None for number in numbers) - missing


def holds_numbers(value: object) -> bool:
    """Whether there is a number anywhere in a list or object."""
    if isinstance(value, dict):
        return any(map(holds_numbers, value.values()))
    if isinstance(value, list):
        return any(map(holds_numbers, value))
    return type(value) in (int, float)


def seconds(micros: int) -> Value:
    """Microseconds as seconds, an integer where that is exact."""
    whole, rest = divmod(micros, MICRO)
    return whole if not rest else micros / MICRO


def _decoded_leniently(document: bytes) -> Any:
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None
