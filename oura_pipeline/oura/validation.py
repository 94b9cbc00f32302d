"""Decoders that find the documents that would be landed under a wrong key or as a wrong number.

Almost everything may be null, absent or of another kind, and unknown fields pass: a document is
kept as it came. Only what decides whose it is, which one and of which day has to be right.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.kinds import INSTANT, LOCAL

# Nobody wore a ring in other centuries, and at either end of time converting to UTC fails.
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
NOT_JSON = "it is not JSON"
_LONGEST_ID = 200  # characters; Oura's have 36
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Unusable(Exception):
    """A document that cannot be landed; the text says why, without any value."""


class DocumentFacts(msgspec.Struct, frozen=True, gc=False):  # made six times as fast as a dataclass
    """What a document says about itself.

    Attributes:
        day: Oura's day, where it has one.
        instant: when it happened, where it has no day.
    """

    day: date | None
    instant: datetime | None


@dataclass(frozen=True)
class Glimpse:
    """What can be read of a document that cannot be used; None: not even that."""

    id: str | None
    day: date | None
    instant: datetime | None


class DocumentDecoder:
    """A decoder of one document type.

    Attributes:
        by_instant: whether documents have an instant and no day.
    """

    def __init__(self, document_type: DocumentType) -> None:
        self._type = document_type
        self._instant = document_type.starts_at if document_type.day_field is None else None
        self.by_instant = self._instant is not None
        keys = {*document_type.key, document_type.day_field, self._instant}
        needed = [field for field in document_type.fields if field.required or field.name in keys]
        members = [(field.name, field.kind.python_type) for field in needed]
        struct = msgspec.defstruct(document_type.name, members, kw_only=True, gc=False)
        page = msgspec.defstruct("page", [("data", list[struct])], gc=False)  # type: ignore[valid-type]
        self._decoder = msgspec.json.Decoder(struct)
        self._page_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(page)
        self._belongs_to = attrgetter(document_type.day_field or self._instant or "__class__")
        self._times = [field.name for field in needed if field.kind in (INSTANT, LOCAL)]

    def read_page(self, body: bytes) -> list[Any] | None:
        """Return the day of each document of a page; None: one of them cannot be used.

        Of a type without days it is the instant instead, and None of a type with neither. One by
        one, documents take three times as long. The page has to be valid JSON.
        """
        try:
            documents = self._page_decoder.decode(body).data
        except (msgspec.ValidationError, *_NO_JSON):
            return None
        for name in self._times if documents else ():
            times = list(map(attrgetter(name), documents))
            if min(times) < _EARLIEST or max(times) >= _LATEST:
                return None
        if self._type.day_field or self._instant:
            return list(map(self._belongs_to, documents))
        return [None] * len(documents)

    def read(self, raw: bytes | msgspec.Raw) -> DocumentFacts:
        """Return what a document says about itself.

        Raises:
            Unusable: it is no JSON, or lacks what it takes to land it; the reason names the field.
        """
        try:
            document = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise Unusable(reason(error)) from None
        except _NO_JSON:
            raise Unusable(NOT_JSON) from None
        return self._facts(document)

    def _facts(self, document: Any) -> DocumentFacts:
        for name in self._times:
            if not _EARLIEST <= getattr(document, name) < _LATEST:
                raise Unusable(f"{name}: nobody wore a ring then")
        return DocumentFacts(
            getattr(document, self._type.day_field) if self._type.day_field else None,
            getattr(document, self._instant) if self._instant else None,
        )

    def glimpse(self, raw: bytes | msgspec.Raw) -> Glimpse:
        """Return what can be read of a document that cannot be used."""
        try:
            document = loosely(bytes(raw))
        except (ValueError, RecursionError):
            document = None
        values = document if isinstance(document, dict) else {}
        instant = self._part(values, self._instant)
        return Glimpse(
            id=_shown(self._part(values, "id")),
            day=self._part(values, self._type.day_field),
            instant=instant if instant and _EARLIEST <= instant < _LATEST else None,
        )

    def _part(self, values: dict[str, Any], name: str | None) -> Any:
        field = next((field for field in self._type.fields if field.name == name), None)
        try:
            return field and msgspec.convert(values.get(field.name), field.kind.python_type)
        except (msgspec.ValidationError, UnicodeEncodeError):  # of what was no UTF-8
            return None


def _shown(identifier: str | None) -> str | None:
    """Return an id as it can be stored and shown, whatever it holds."""
    if identifier is None or identifier.isprintable():
        return identifier and identifier[:_LONGEST_ID]
    return ascii(identifier)[1 : _LONGEST_ID + 1]


def ambiguity(text: bytes) -> str | None:
    """Return why two parsers of a JSON text could read different things; None: they could not."""
    if _comes_out_as_it_went_in(text):
        return None
    try:
        _STRICT.decode(text.decode())
    except _Ambiguous as error:
        return str(error)
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except (ValueError, RecursionError):
        return NOT_JSON
    return None


def _comes_out_as_it_went_in(text: bytes) -> bool:
    """Return whether a JSON text is the same after it was read and written.

    Then no object has a key twice, for the first one would be missing, and everything is written in
    the usual way. Most texts are like that, and looking at every object takes twice as long.
    """
    try:
        return msgspec.json.encode(msgspec.json.decode(text)) == text
    except (*_NO_JSON, UnicodeEncodeError):
        return False


def loosely(text: bytes) -> Any:
    """Return JSON as lenient parsers read it: with NaN, control characters and broken UTF-8.

    Integers are not read.

    Raises:
        ValueError: it is not even that.
        RecursionError: it nests too deeply.
    """
    return _LOOSE.decode(text.decode(errors="surrogateescape"))


def reason(error: msgspec.ValidationError) -> str:
    """Return what is wrong, beginning with the field."""
    what, _, where = str(error).partition(" - at `$")
    path = where.strip("`.")
    return f"{path}: {what[0].lower()}{what[1:]}" if path else f"{what[0].lower()}{what[1:]}"


def mismatch_message(name: str, what: str) -> str:
    """Return the message for JSON that is not of the expected form."""
    return (
        f"Oura's answer for {name} has an unknown form: {what}; "
        "if Oura changed it, change catalog/document_types.py"
    )


def not_json_message(name: str) -> str:
    """Return the message for an answer that is not JSON."""
    return f"Oura's answer for {name} is not JSON, or cut short; try again later"


class _Ambiguous(Exception):
    """JSON that two parsers could read differently."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    # Returns nothing: objects need not be built to be checked.
    if len(dict(pairs)) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counted.items() if count > 1)
        raise _Ambiguous(f"an object has the key {twice[:50]!r} twice")


def _no_number(name: str) -> None:
    raise _Ambiguous(f"{name} is no number in JSON")


# Integers are not read, for Python refuses those of more than 4300 digits; `len` is the cheapest
# function that takes their digits.
_any_number = len
_STRICT = json.JSONDecoder(
    object_pairs_hook=_no_key_twice,
    parse_int=_any_number,
    parse_constant=_no_number,
)
_LOOSE = json.JSONDecoder(strict=False, parse_int=_any_number)
