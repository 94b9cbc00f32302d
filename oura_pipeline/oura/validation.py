"""What a document must look like, built from its type's row; a document that does not is refused.

What surprises: almost everything may be null or absent, and what we do not know is let through: the
document is kept as it came. Only what would be landed under a wrong key or as a wrong number is
refused: a missing key, a text for a number, a key written twice.
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

# Of other centuries nobody's offset is asked, and at the ends of time there is no UTC.
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DocumentFacts:
    """What a document says about itself.

    Attributes:
        day: Oura's day, where it has one.
        instant: when it happened, where it has no day.
        offsets: the instants (UTC) at which it tells the person's offset from UTC.
    """

    day: date | None
    instant: datetime | None
    offsets: list[tuple[datetime, timedelta]]


class DocumentDecoder:
    """Reads documents of one type; build it once per answer, not once per document."""

    def __init__(self, document_type: DocumentType) -> None:
        self._type = document_type
        self._instant = document_type.starts_at if document_type.day_field is None else None
        keys = {*document_type.key, document_type.day_field, self._instant}
        fields = [(field, field.required or field.name in keys) for field in document_type.fields]
        self._decoder = msgspec.json.Decoder(_struct(document_type.name, fields))
        self._telling = tuple(field for field in document_type.fields if field.tells_offset)

    def read(self, raw: bytes | msgspec.Raw) -> DocumentFacts:
        """What the document says about itself.

        Raises:
            GarbledAnswer: it is no JSON.
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
            offsets=list(dict.fromkeys(_offsets(document, self._telling))) if self._telling else [],
        )


def check_unambiguous(body: bytes, name: str) -> None:
    """Refuse what two readers of the same JSON could take for different things.

    Raises:
        GarbledAnswer: it is no JSON.
        UnexpectedAnswer: a key stands twice in one object, or a number is infinite.
    """
    try:
        _STRICT.decode(body.decode())
    except _Misfit as error:
        raise UnexpectedAnswer(mismatch_message(name, str(error))) from None
    except (ValueError, RecursionError):
        raise GarbledAnswer(not_json_message(name)) from None


def mismatch_message(name: str, what: str) -> str:
    """The message for an answer that is JSON and yet not what we know."""
    return (
        f"Oura answered {name} with something else than we know: {what.replace(' - at `$`', '')}; "
        "if Oura changed it, documents.py has to follow"
    )


def not_json_message(name: str) -> str:
    """The message for an answer that is no JSON."""
    return f"Oura's answer for {name} is no JSON, or cut short; ask again later"


class _Misfit(Exception):
    """JSON, but not to be trusted."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    """Which of two values would count? Nothing is given back, so nothing piles up."""
    if len(dict(pairs)) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Misfit(f"an object has the key {twice[:50]!r} twice")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Misfit("a number is too large")
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
    document: msgspec.Struct, telling: tuple[Field, ...]
) -> Iterator[tuple[datetime, timedelta]]:
    for field in telling:
        value = getattr(document, field.name)
        if value is None:
            continue
        if field.inside:
            inside = tuple(inner for inner in field.inside if inner.tells_offset)
            for part in value if isinstance(value, list) else [value]:
                yield from _offsets(part, inside)
        elif _EARLIEST <= value < _LATEST:
            yield value.astimezone(UTC), value.utcoffset()
