"""Ways to spoil one document, a row each, and what a client should make of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import msgspec

Document = dict[str, Any]
# `lands`: nothing of it is lost but what Oura did not say. `value missing`: the document is there,
# and what was spoiled in it is null in SQL, no point in Graphite, and reported. `quarantined`: it
# is kept raw and aside, and costs nothing else. `other day`: its day is one that was not asked.
Fate = Literal["lands", "value missing", "quarantined", "other day"]
# What a field is, as its value and its name tell (`spoiling.kinds_of`). `only` is the day of a type
# that has one document a day, `document` no field but all of it.
Kind = Literal[
    "id", "day", "only", "time", "integer", "decimal", "sentinel", "text", "code", "digits", "flag",
    "series", "object", "document",
]  # fmt: skip
# From a document and the path of the field in it to the bodies that are served in its place.
Make = Callable[[Document, str], list[bytes]]


@dataclass(frozen=True)
class Spoil:
    """One way to spoil a document."""

    name: str
    # After "a field that is …" in the reference.
    does: str
    kinds: tuple[Kind, ...]
    fate: Fate
    make: Make
    # The fate where the field is one without which the document cannot be placed.
    needed: Fate | None = None


def literal(text: str | bytes) -> Make:
    """Return a way that puts JSON text in the place of a field."""
    raw = msgspec.Raw(text.encode() if isinstance(text, str) else text)
    return lambda document, path: [_encoded(put(document, path, raw))]


def changed(function: Callable[[Any], Any]) -> Make:
    """Return a way that computes the field anew from what it was."""
    return lambda document, path: [_encoded(put(document, path, function(get(document, path))))]


def whole(text: str | bytes) -> Make:
    """Return a way that serves `text` for the whole document."""
    body = text.encode() if isinstance(text, str) else text
    return lambda document, path: [body]


def bodies(function: Callable[[Document], list[bytes]]) -> Make:
    """Return a way that computes everything that is served from the document."""
    return lambda document, path: function(document)


def get(document: Document, path: str) -> Any:
    """Return the value at a path such as `contributors.timing`."""
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


def put(document: Document, path: str, value: Any) -> Document:
    """Return a copy of a document with another value at a path."""
    name, _, rest = path.partition(".")
    return {**document, name: put(document[name], rest, value) if rest else value}


def _encoded(document: Document) -> bytes:
    return msgspec.json.encode(document)


def _without(document: Document, path: str) -> list[bytes]:
    *parents, name = path.split(".")
    above = get(document, ".".join(parents)) if parents else document
    kept = {key: value for key, value in above.items() if key != name}
    return [_encoded(put(document, ".".join(parents), kept) if parents else kept)]


def _said_twice(document: Document) -> list[bytes]:
    # The first of the two is wrong: readers of JSON do not agree on which of them counts.
    body = _encoded(document)
    numbers = (name for name, value in document.items() if isinstance(value, (int, float)))
    name = next(numbers, list(document)[-1])
    return [b'{"%s":7,%s' % (name.encode(), body[1:])]


def _number_moved(document: Document) -> Document:
    """Return a document that differs in its first number."""
    for name, value in document.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {**document, name: value + 1}
    return {**document, "comment": "another"}


def _second_of_the_day(document: Document, score: Any) -> list[bytes]:
    """Return an older document of the same day, and the document."""
    other = {**_number_moved(document), "id": "00000000-0000-4000-8000-000000000000"}
    if "score" in document:
        other["score"] = score
    return [_encoded(other), _encoded(document)]


def _series(name: str, value: str) -> Make:
    return lambda document, path: literal(value)(document, f"{path}.{name}")


def _items(function: Callable[[list[Any]], Any]) -> Make:
    def make(document: Document, path: str) -> list[bytes]:
        return changed(function)(document, f"{path}.items")

    return make


def _one_item(text: str) -> Make:
    return _items(lambda items: [msgspec.Raw(text.encode()), *items[1:]])


def _no_offset(text: str) -> str:
    return re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text)


def _utc(text: str, ending: str) -> str:
    when = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    return when.isoformat(timespec="milliseconds" if "." in text else "auto") + ending


def _years_away(text: str, days: int) -> str:
    return (date.fromisoformat(text) + timedelta(days=days)).isoformat()


_NUMBERS: tuple[Kind, ...] = ("integer", "decimal")
_FIELDS: tuple[Kind, ...] = ("id", "day", "time", *_NUMBERS, "text", "code", "digits", "series",
                             "object")  # fmt: skip
_PLACES: tuple[Kind, ...] = ("day", "time")
_WORDS: tuple[Kind, ...] = ("text", "code")


def _row(
    name: str,
    does: str,
    kinds: str | tuple[Kind, ...],
    fate: Fate,
    make: Make,
    needed: Fate | None = None,
) -> Spoil:
    return Spoil(name, does, (kinds,) if isinstance(kinds, str) else kinds, fate, make, needed)  # type: ignore[arg-type]


_L: Fate = "lands"
_M: Fate = "value missing"
_Q: Fate = "quarantined"

SPOILS: tuple[Spoil, ...] = (
    _row("null", "a field that is null", _FIELDS, _L, literal("null"), _Q),
    _row("absent", "a field that is not there", _FIELDS, _L, _without, _Q),
    # Times and days.
    _row("no_offset", "a time without its offset", "time", _L, changed(_no_offset), _Q),
    _row("utc_z", "a time in UTC, with Z", "time", _L, changed(lambda t: _utc(t, "Z"))),
    _row("utc_offset", "a time in UTC, +00:00", "time", _L, changed(lambda t: _utc(t, "+00:00"))),
    _row("impossible_time", "a time of 25:61", "time", _L, changed(lambda t: t[:11] + "25:61:00Z"),
         _Q),
    _row("impossible_day", "the 30th of February", _PLACES, _L,
         changed(lambda t: t[:4] + "-02-30" + t[10:]), _Q),
    _row("empty_time", "an empty text for a time or a day", _PLACES, _L, literal('""'), _Q),
    _row("words_for_time", "words for a time or a day", _PLACES, _L, literal('"yesterday"'), _Q),
    _row("number_for_time", "a number for a time or a day", _PLACES, _L, literal("1760000000"), _Q),
    _row("first_year", "a time before the calendar begins", "time", _L,
         literal('"0001-01-01T00:00:00+14:00"'), _Q),
    _row("last_year", "a time after the calendar ends", "time", _L,
         literal('"9999-12-31T23:59:59-12:00"'), _Q),
    _row("past_day", "a day two years before", "day", "other day",
         changed(lambda t: _years_away(t, -730))),
    _row("future_day", "a day two years after", "day", "other day",
         changed(lambda t: _years_away(t, 730))),
    # Numbers.
    _row("number_as_text", "a number as text", _NUMBERS, _L, changed(str)),
    _row("words_for_number", "words for a number", _NUMBERS, _M, literal('"many"')),
    _row("empty_for_number", "an empty text for a number", _NUMBERS, _M, literal('""')),
    _row("list_for_number", "a list for a number", _NUMBERS, _M, changed(lambda n: [n])),
    _row("object_for_number", "an object for a number", _NUMBERS, _M,
         changed(lambda n: {"value": n})),
    _row("flag_for_number", "true for a number", _NUMBERS, _M, literal("true")),
    _row("decimal", "a decimal where Oura says integer", "integer", _L, literal("40.5")),
    _row("beyond_64_bits", "2^63", _NUMBERS, _L, literal(str(2**63))),
    _row("far_beyond_64_bits", "10^30, written out", _NUMBERS, _L, literal(str(10**30))),
    _row("least_integer", "-2^63", _NUMBERS, _L, literal(str(-(2**63)))),
    _row("huge", "1e308", _NUMBERS, _L, literal("1e308")),
    _row("infinite", "1.8e308, more than a double holds", _NUMBERS, _M, literal("1.8e308")),
    _row("huge_exponent", "1e999999999", _NUMBERS, _M, literal("1e999999999")),
    _row("tiny", "5e-324", _NUMBERS, _L, literal("5e-324")),
    _row("sentinel_0", "0 where it means that there is no value", "sentinel", _M, literal("0")),
    _row("sentinel_255", "255 for a heart rate that was not measured", "sentinel", _M,
         literal("255")),
    # Texts and flags.
    _row("number_for_text", "a number for a text", _WORDS, _L, literal("7"), _Q),
    _row("list_for_text", "a list for a text", _WORDS, _M, changed(lambda t: [t]), _Q),
    _row("object_for_text", "an object for a text", _WORDS, _M, changed(lambda t: {"name": t}), _Q),
    _row("unknown_code", "a code that nobody knows", "code", _L, literal('"unheard_of"')),
    _row("overlong", "a text of a million characters", "text", _L, literal(f'"{"x" * 10**6}"')),
    _row("control_characters", "a text with control characters", "text", _L,
         literal(r'"a\u0000b\u001bc\n\td"')),
    _row("lone_surrogate", "half of a surrogate pair", "text", _Q, literal(r'"\ud800"')),
    _row("invalid_utf8", "bytes that are no UTF-8", "text", _Q, literal(b'"\xff\xfe"')),
    _row("words_for_flag", "words for true or false", "flag", _M, literal('"maybe"')),
    _row("number_for_flag", "a number for true or false", "flag", _M, literal("7")),
    _row("number_for_digits", "a run of digits as a number", "digits", _M,
         changed(lambda t: msgspec.Raw(t.lstrip("0").encode() or b"0"))),
    _row("overlong_digits", "a run of digits that is twice as long", "digits", _L,
         changed(lambda t: t + t)),
    _row("unknown_digits", "a run of digits with others in it", "digits", _L,
         changed(lambda t: "9x" + t[2:])),
    # Series and objects.
    _row("interval_0", "a series with an interval of 0", "series", _M, _series("interval", "0")),
    _row("interval_negative", "a series that runs backwards", "series", _M,
         _series("interval", "-300")),
    _row("interval_tiny", "a series with an interval of 1e-300", "series", _M,
         _series("interval", "1e-300")),
    _row("interval_huge", "a series with an interval of 1e300", "series", _M,
         _series("interval", "1e300")),
    _row("interval_null", "a series without an interval", "series", _M,
         _series("interval", "null")),
    _row("series_no_offset", "a series whose time has no offset", "series", _M,
         lambda d, path: changed(_no_offset)(d, f"{path}.timestamp")),
    _row("series_no_time", "a series without a time", "series", _M, _series("timestamp", "null")),
    _row("series_twice_as_long", "a series that is twice as long", "series", _L,
         _items(lambda items: items + items)),
    _row("series_empty", "a series without items", "series", _L, _items(lambda items: [])),
    _row("items_null", "a series whose items are null", "series", _M, _items(lambda items: None)),
    _row("items_object", "a series whose items are an object", "series", _M,
         _items(lambda items: {"0": items[0]})),
    _row("item_words", "words among the items of a series", "series", _M, _one_item('"many"')),
    _row("item_list", "a list among the items of a series", "series", _M, _one_item("[1]")),
    _row("item_huge", "1e308 among the items of a series", "series", _L, _one_item("1e308")),
    _row("item_infinite", "1.8e308 among the items of a series", "series", _M,
         _one_item("1.8e308")),
    _row("bare_list", "a bare list for a series", "series", _M, changed(lambda s: s["items"])),
    _row("list_for_object", "a list for an object", ("object", "series"), _M, literal("[7]")),
    _row("text_for_object", "a text for an object", ("object", "series"), _M, literal('"many"')),
    # Whole documents.
    _row("is_null", "null", "document", _Q, whole("null")),
    _row("is_number", "a number", "document", _Q, whole("7")),
    _row("is_text", "a text", "document", _Q, whole('"x"')),
    _row("is_list", "a list", "document", _Q, whole("[]")),
    _row("is_empty", "an object without fields", "document", _Q, whole("{}")),
    _row("said_twice", "one field twice, first with a wrong value", "document", _Q,
         bodies(_said_twice)),
    _row("unknown_field", "a number that no description knows", "document", _L,
         bodies(lambda d: [_encoded({**d, "of_tomorrow": 17})])),
    _row("unknown_object", "an object that no description knows", "document", _L,
         bodies(lambda d: [_encoded({**d, "of_tomorrow": {"a": [{"b": None}], "c": "x"}})])),
    _row("deep", "lists in lists, 50 deep", "document", _L,
         bodies(lambda d: [_encoded({**d, "deep": msgspec.Raw(b"[" * 50 + b"]" * 50)})])),
    _row("bottomless", "lists in lists, 100,000 deep", "document", _Q,
         bodies(lambda d: [_encoded({**d, "deep": msgspec.Raw(b"[" * 10**5 + b"]" * 10**5)})])),
    _row("twice", "the same document twice", "document", _L, bodies(lambda d: [_encoded(d)] * 2)),
    _row("twice_different", "one id twice, with other values first", "document", _L,
         bodies(lambda d: [_encoded(_number_moved(d)), _encoded(d)])),
    _row("day_twice_scored", "a day twice, both with a score", "only", _L,
         lambda d, path: _second_of_the_day(d, 7)),
    _row("day_twice_unscored", "a day twice, one of them without a score", "only", _L,
         lambda d, path: _second_of_the_day(d, None)),
)  # fmt: skip
BY_WAY: dict[str, Spoil] = {spoil.name: spoil for spoil in SPOILS}
