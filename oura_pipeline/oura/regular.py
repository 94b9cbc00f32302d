"""Pages whose documents hold what the table of document types says, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import DAY, TEMPORAL

# Narrower than what may be: no 29 February, no odd way to write an offset. What does not match is
# looked at more closely, and that is all.
# `\d` would take other scripts' digits, too.
_DAY = (
    r"(?:19|2[01])[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|"
    r"(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = (
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
)


def is_regular(document_type: DocumentType, body: bytes) -> bool:
    """Return whether every value of a page fits its field, and every field is known.

    The page has to be valid JSON. False means nothing: to be sure, look for odd values.
    """
    decoder, texts = _page_decoder(document_type)
    try:
        documents = decoder.decode(body).data
    except (msgspec.DecodeError, RecursionError):
        return False
    return all(
        _all_match(pattern, list(map(attrgetter(name), documents))) for name, pattern in texts
    )


def _all_match(pattern: re.Pattern[str], values: list[str | None]) -> bool:
    # All at once: one by one, as deeper inside of documents, they take five times as long.
    present = [value for value in values if value is not None]
    text = "".join([f"{value}\n" for value in present])
    return text.count("\n") == len(present) and pattern.fullmatch(text) is not None


@cache
def _page_decoder(
    document_type: DocumentType,
) -> tuple[msgspec.json.Decoder[Any], list[tuple[str, re.Pattern[str]]]]:
    """Return a decoder of pages, and the attributes that are days and times, with their pattern."""
    fields = document_type.fields
    texts = [
        (f"f{number}", re.compile(f"(?:{_pattern(field)}\n)*"))
        for number, field in enumerate(fields)
        if field.kind in TEMPORAL
    ]
    document = _object(document_type.name, fields, at_the_top=True)
    page = msgspec.defstruct("page", [("data", list[document])], gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(page), texts


def _object(name: str, fields: Iterable[Field], *, at_the_top: bool = False) -> Any:
    members = [
        (
            f"f{number}",
            (str if at_the_top and field.kind in TEMPORAL else _type(field)) | None,
            None,
        )
        for number, field in enumerate(fields)
    ]
    names = {f"f{number}": field.name for number, field in enumerate(fields)}
    return msgspec.defstruct(
        name, members, rename=names, forbid_unknown_fields=True, kw_only=True, gc=False
    )


def _type(field: Field) -> Any:
    if field.item:
        return list[_type(field.item) | None]  # type: ignore[misc]
    if field.inside:
        return _object(field.name, field.inside)
    if field.kind in TEMPORAL:
        return Annotated[str, msgspec.Meta(pattern=f"^{_pattern(field)}\\Z")]
    return field.kind.python_type


def _pattern(field: Field) -> str:
    return _DAY if field.kind is DAY else _DAY + _TIME
