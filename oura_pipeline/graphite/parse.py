"""Read instants, series and digits out of Oura's documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from oura_pipeline.catalog.kinds import END_OF_TIME, INSTANT_YEARS
from oura_pipeline.catalog.numbers import loads, number_in
from oura_pipeline.graphite.aggregate import MICRO, Value, all_usable, usable

_NUMBER_OR_NULL = {int, float, type(None)}
_DECODER = msgspec.json.Decoder()


@dataclass(frozen=True)
class ParsedSeries:
    """Values at equal intervals.

    Attributes:
        start: the instant of the first value, μs since 1970.
        interval: from one value to the next, μs.
        values: None where a value is missing.
    """

    # Whole μs: Oura writes intervals as floats (`300.0`) and starts with milliseconds.
    start: int
    interval: int
    values: Sequence[Value | None]

    def until(self, end: int | None) -> ParsedSeries:
        """Return the series without the values that would begin at an instant (μs) or later."""
        if end is None or end <= self.start:
            return self
        # Rounded up: the last interval may be a part of one.
        return replace(self, values=self.values[: -((self.start - end) // self.interval)])

    def without(self, missing: Collection[int]) -> ParsedSeries:
        """Return the series with None for some numbers."""
        if not missing:
            return self
        if set(map(type, self.values)) <= _NUMBER_OR_NULL:
            values = [None if one in missing else one for one in self.values]
        else:
            # Numbers that are written as text are numbers here, as in the columns.
            values = [None if number_in(one) in missing else one for one in self.values]
        return replace(self, values=values)


class Unreadable(ValueError):
    """A part of a document cannot be read; the message says what it lacks."""


def decode(document: bytes) -> dict[str, Any]:
    """Return the document as a dictionary.

    Raises:
        Unreadable: it is no JSON object.
    """
    try:
        value = _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # msgspec refuses a number that no double can hold. The standard library reads it as
        # infinity, so that one number is lost instead of the document.
        value = _decode_leniently(document)
    if not isinstance(value, dict):
        raise Unreadable("no JSON object")
    return value


def instant(value: object) -> int | None:
    """Return an instant as μs since 1970; None: it is no instant that a column can hold."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        known = moment.tzinfo is not None and moment.year in INSTANT_YEARS
        return round(moment.timestamp() * MICRO) if known else None
    except (ValueError, OverflowError):
        return None


def instants(values: Sequence[str | None]) -> list[int] | None:
    """Return instants as `instant` does, but several times as fast; None: one may be none."""
    try:
        moments = list(map(datetime.fromisoformat, values))  # type: ignore[arg-type]
        first, last = min(moments), max(moments)
    except (TypeError, ValueError):  # also where only some have an offset
        return None
    # A year less at either end, because years are those of the offset.
    usual = first.year - 1 in INSTANT_YEARS and last.year + 1 in INSTANT_YEARS
    if first.tzinfo is None or not usual:
        return None
    return [round(moment.timestamp() * MICRO) for moment in moments]


def looks_like_series(value: dict[str, Any]) -> bool:
    """Return whether an unknown object has the shape of a series."""
    return isinstance(value.get("items"), list) and ("interval" in value or "timestamp" in value)


def series(value: dict[str, Any]) -> ParsedSeries:
    """Read a series object: `{"interval": seconds, "items": [...], "timestamp": instant}`.

    Raises:
        Unreadable: it has no list of items, no positive interval, or no instant.
    """
    items = value.get("items")
    if not isinstance(items, list):
        raise Unreadable("series without items")
    seconds = usable(number_in(value.get("interval")))
    # Of the views, too: below a microsecond all items would stand at one instant.
    interval = round(seconds * MICRO) if seconds and 1 / MICRO <= seconds < END_OF_TIME else 0
    if interval <= 0:
        raise Unreadable("series without a positive interval")
    start = instant(value.get("timestamp"))
    if start is None:
        raise Unreadable("series without an instant")
    if start + len(items) * interval >= END_OF_TIME * MICRO:
        raise Unreadable("series beyond the end of time")
    return ParsedSeries(start, interval, items)


def digits(value: object, start: int | None, interval: int) -> ParsedSeries:
    """Read a text with one digit per `interval` seconds; other characters become None.

    Args:
        value: for instance a `sleep_phase_5_min`.
        start: the instant of the first digit, μs since 1970; None: unknown.
        interval: seconds per digit.

    Raises:
        Unreadable: it is no text, or nothing says when it begins.
    """
    if not isinstance(value, str):
        raise Unreadable("no text of digits")
    if start is None:
        raise Unreadable("digits without an instant")
    # `isascii` first: `int` and `isdigit` take other scripts' digits too. The whole text at once is
    # the usual case, and several times as fast as digit by digit.
    if value.isascii() and value.isdigit():
        return ParsedSeries(start, interval * MICRO, list(map(int, value)))
    values = [int(char) if char.isascii() and char.isdigit() else None for char in value]
    return ParsedSeries(start, interval * MICRO, values)


def clean(values: Sequence[Any]) -> tuple[list[Value | None], int]:
    """Replace what is no finite number by None; also return how many of those were not null."""
    # A day of activity has 1,440 values: look at all of them at once before looking at each.
    if set(map(type, values)) <= _NUMBER_OR_NULL:
        present = [value for value in values if value is not None]
        if all_usable(present):
            return list(values), 0
    numbers = [usable(number_in(value)) for value in values]
    missing = sum(value is None for value in values)
    return numbers, sum(number is None for number in numbers) - missing


def holds_numbers(value: object) -> bool:
    """Return whether there is a number anywhere in a list or object."""
    if isinstance(value, dict):
        return any(map(holds_numbers, value.values()))
    if isinstance(value, list):
        return any(map(holds_numbers, value))
    return type(value) in (int, float)


def seconds(micros: int) -> Value:
    """Return microseconds as seconds, an integer where that is exact."""
    whole, rest = divmod(micros, MICRO)
    return whole if not rest else micros / MICRO


def _decode_leniently(document: bytes) -> Any:
    try:
        return loads(document)
    except (ValueError, RecursionError):
        raise Unreadable("no JSON") from None
