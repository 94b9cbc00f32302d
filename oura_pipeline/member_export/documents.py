"""A row of a CSV file becomes the JSON document that the API would have sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import FLAG, INSTANT, LOCAL
from oura_pipeline.member_export.file_kinds import FileKind
from oura_pipeline.member_export.zones import Zones

Convert = Callable[[Sequence[str]], Iterable[bytes]]  # the cells of a column → their JSON

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_FLAGS = {"true": b"true", "false": b"false"}
_NULL = b"null"
# Some programs write these where Oura leaves a cell empty; a text may be one of them in earnest.
_NULL_WORDS = frozenset({"", "null", "none", "nan"})
_encode = msgspec.json.encode
_encode_lines = msgspec.json.Encoder().encode_lines


class DocumentBuilder:
    """Builds the documents of a file.

    What a value is follows from the table of document types and never from its looks: a run of
    digits is a text where it is one at Oura, and a column that is absent is no null.

    Attributes:
        unambiguous: whether every document can be read in one way only: none takes over JSON.
    """

    def __init__(self, kind: FileKind, columns: Sequence[str], zones: Zones) -> None:
        fields = {field.name: field for field in kind.document_type.fields}
        self._width = len(columns)
        self._columns: list[tuple[Convert, int]] = []
        names = []
        self.unambiguous = True
        seen = set[str]()
        for place, column in enumerate(columns):
            name = kind.renamed.get(column, column)
            if name in seen:  # the old and the new name of a column
                continue
            seen.add(name)
            self._columns.append((self._converter(kind, fields.get(name), zones), place))
            names.append(_encode(name).replace(b"%", b"%%") + b":%b")
        self._template = b"{" + b",".join(names) + b"}"

    def documents(self, rows: Sequence[Sequence[str]]) -> list[bytes]:
        """Return the documents of rows.

        Raises:
            UnicodeEncodeError: a cell is not UTF-8.
            UnknownOffset: a time has no offset, and nobody knows it.
            ValueError: a row has not a cell for each column.
        """
        if any(len(cells) != self._width for cells in rows):
            raise ValueError("a row has not a cell for each column")
        # Rows come by the million: no call for each.
        columns = list(zip(*rows, strict=True))
        values = [convert(columns[place]) for convert, place in self._columns]
        return list(map(self._template.__mod__, zip(*values, strict=True)))

    def _converter(self, kind: FileKind, field: Field | None, zones: Zones) -> Convert:
        if field is not None and _is_localized(kind, field):
            return lambda cells: _texts([zones.completed(cell) for cell in cells])
        if field is None:
            self.unambiguous = False
            return _each(_unknown)
        if field.kind.sql_type in ("VARCHAR", "DATE", "TIMESTAMPTZ"):
            return _texts  # a run of digits is one, too
        if field.kind.is_number:
            return _each(_number)
        if field.kind is FLAG:
            return _each(_flag)
        self.unambiguous = False
        wrapped = kind.wrapped.get(field.name)
        return _each(_json if wrapped is None else lambda cell: _wrapped(cell, wrapped))


def _is_localized(kind: FileKind, field: Field) -> bool:
    """Return whether a time says where the person was, or its day follows from that."""
    by_offset = kind.document_type.dated_by_offset and field.name == kind.document_type.starts_at
    return field.kind is LOCAL or (field.kind is INSTANT and by_offset)


def _texts(cells: Sequence[str]) -> Sequence[bytes]:
    return _encode_lines([cell or None for cell in cells]).split(b"\n")[:-1]


def _each(convert: Callable[[str], bytes]) -> Convert:
    """Return what converts the cells of a column, each that comes again only once."""
    return lambda cells: map({cell: convert(cell) for cell in {*cells}}.__getitem__, cells)


def _unknown(cell: str) -> bytes:
    # Nothing else than JSON looks like an object; a run of digits may be a text or a number.
    return _json(cell) if cell.startswith(("{", "[")) else _encode(cell or None)


def _number(cell: str) -> bytes:
    if _NUMBER.fullmatch(cell):
        return cell.encode()  # as it is written: 98.465 stays that
    return _NULL if cell.lower() in _NULL_WORDS else _encode(cell)


def _flag(cell: str) -> bytes:
    lower = cell.lower()
    if lower in _NULL_WORDS:
        return _NULL
    return _FLAGS.get(lower) or _encode(cell)


def _wrapped(cell: str, name: str) -> bytes:
    if _NUMBER.fullmatch(cell):
        return b"{" + _encode(name) + b":" + cell.encode() + b"}"
    return _json(cell)


def _json(cell: str) -> bytes:
    if cell.lower() in _NULL_WORDS:
        return _NULL
    # Before 2026 it was escaped twice.
    for text in (cell, cell.strip('"').replace('""', '"')):
        raw = text.encode()
        try:
            msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            continue
        return raw
    return _encode(cell)
