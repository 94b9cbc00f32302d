"""Decoders that refuse documents that would be landed under a wrong key or as a wrong number.

Almost everything may be null or absent, and unknown fields pass: a document is kept as it came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.oura.errors import GarbledAnswer, UnexpectedAnswer

# Nobody's offset matters in other centuries, and at either end of time converting to UTC fails.
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DocumentFacts:
    """What a document says about itself.

    Attributes:
        day: Oura's day, where it has one.
        instant: when it happened, where it has no day.
        offsets: the instants (UTC) and the person's offset from UTC that it contains.
    """

    day: date | None
    instant: datetime | None
    offsets: list[tuple[datetime, timedelta]]


class DocumentDecoder:
    """A decoder of one document type; building it costs more than decoding a document."""

    def __init__(self, document_type: DocumentType) -> None:
        self._type = document_type
        self._instant = document_type.starts_at if document_type.day_field is None else None
        keys = {*document_type.key, document_type.day_field, self._instant}
        fields = [(field, field.required or field.name in keys) for field in document_type.fields]
        self._decoder = msgspec.json.Decoder(_struct(document_type.name, fields))
        self._local_fields = tuple(field for field in document_type.fields if field.tells_offset)

    def read(self, raw: bytes | msgspec.Raw) -> DocumentFacts:
        """Return what a document says about itself.

        Raises:
            GarbledAnswer: it is not JSON.
            UnexpectedAnswer: it is not a document of this type; the message names the field.
        """
        try:
            document = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise UnexpectedAnswer(mismatch_message(self._type.name, str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise GarbledAnswer(not_json_message(self._type.name)) from None
        return DocumentFacts(
            day=getattr(document, self._type.day_field) if self._type.day_field else None,
            instant=getattr(document, self._instant) if self._instant else None,
            offsets=list(dict.fromkeys(_offsets(document, self._local_fields))),
        )


def check_unambiguous(body: bytes, name: str) -> None:
    """Raise an error where two parsers of the same JSON could read different things.

    Raises:
        GarbledAnswer: it is not JSON.
        UnexpectedAnswer: an object has a key twice, or a number is infinite.
    """
    try:
        _STRICT.decode(body.decode())
    except _Ambiguous as error:
        raise UnexpectedAnswer(mismatch_message(name, str(error))) from None
    except (ValueError, RecursionError):
        raise GarbledAnswer(not_json_message(name)) from None


def mismatch_message(name: str, what: str) -> str:
    """Return the message for JSON that is not of the expected form."""
    return (
        f"Oura's answer for {name} has an unknown form: {what.replace(' - at `$`', '')}; "
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
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Ambiguous(f"an object has the key {twice[:50]!r} twice")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Ambiguous("a number is too large")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_float=_finite)


def _struct(name: str, fields: list[tuple[Field, bool]]) -> type[msgspec.Struct]:
    members: list[Any] = []
    for field, required in fields:
        if required:
            members.append((field.name, _type_of(field)))
        else:
            members.append((field.name, _type_of(field) | None, None))
    return msgspec.defstruct(name, members, kw_only=True, gc=False)


def _type_of(field: Field) -> Any:
    if field.item:
        item = _type_of(field.item) if field.inside else _type_of(field.item) | None
        return list[item]  # type: ignore[valid-type]
    if field.inside:
        return _struct(field.name, [(member, member.required) for member in field.inside])
    return field.kind.python_type


def _offsets(
    document: msgspec.Struct, fields: tuple[Field, ...]
) -> Iterator[tuple[datetime, timedelta]]:
    for field in fields:
        value = getattr(document, field.name)
        if value is None:
            continue
        if field.inside:
            inside = tuple(inner for inner in field.inside if inner.tells_offset)
            for part in value if isinstance(value, list) else [value]:
                yield from _offsets(part, inside)
        elif _EARLIEST <= value < _LATEST:
            yield value.astimezone(UTC), value.utcoffset()
