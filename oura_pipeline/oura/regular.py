"""Pages whose documents hold what the table of document types says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import DAY, TEMPORAL

# Narrower than what may be: no 29 February, no odd way to write an offset. What does not match is
# looked at more closely, and that is all.
_DAY = (
    r"(19|2[01])\d\d-"
    r"((0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
)
_TIME = r"T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)"


def is_regular(document_type: DocumentType, body: bytes) -> bool:
    """Return whether every value of a page fits its field, and every field is known.

    The page has to be valid JSON. False means nothing: to be sure, look for odd values.
    """
    try:
        _page_decoder(document_type).decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@cache
def _page_decoder(document_type: DocumentType) -> msgspec.json.Decoder[Any]:
    document = _object(document_type.name, document_type.fields)
    page = msgspec.defstruct("page", [("data", list[document])], gc=False)  # type: ignore[valid-type]
    return msgspec.json.Decoder(page)


def _object(name: str, fields: Iterable[Field]) -> Any:
    members = [(f"f{number}", _type(field) | None, None) for number, field in enumerate(fields)]
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
        pattern = _DAY if field.kind is DAY else _DAY + _TIME
        return Annotated[str, msgspec.Meta(pattern=f"^{pattern}\\Z")]
    return field.kind.python_type
