"""The tables of a member's own export: which files hold which documents, read in batches."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import IO

import msgspec

from oura_pipeline.catalog.kinds import DAY
from oura_pipeline.days import batched
from oura_pipeline.member_export.archive import Archive, ExportMember, verify
from oura_pipeline.member_export.documents import DocumentBuilder
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.member_export.file_kinds import TRENDS, FileKind, is_personal, kinds_of, name_of
from oura_pipeline.member_export.zones import UnknownOffset, Zones
from oura_pipeline.oura.pages import UnusableDocument

_BATCH = 500  # rows; what is larger than a core's cache takes longer
_LONGEST_LINE = 1_000_000  # characters; a night has some ten thousand
_LARGEST_JSON = 100_000_000  # bytes; it is read at once
_DELIMITERS = ";,\t"
_SEPARATOR_LINE = "sep="  # for Excel

Report = Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table in a file, and what its rows are; of a JSON file the name of a list in it."""

    member: ExportMember
    kind: FileKind
    columns: tuple[str, ...] = ()
    delimiter: str = ";"
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an export holds.

    Attributes:
        sources: what is read.
        personal: how many files are never read, since they are about the account or places.
        unknown: the names of files that nobody knows.
        unusable: files that are known and cannot be read, and why.
    """

    sources: list[Source] = field(default_factory=list)
    personal: int = 0
    unknown: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Some rows of a table: documents, and what is none.

    Attributes:
        unambiguous: whether the documents are JSON that can be read in one way only.
    """

    documents: list[bytes]
    aside: list[UnusableDocument]
    unambiguous: bool


def find_sources(archive: Archive, *, verified: bool = False) -> Contents:
    """Return what an export holds.

    Args:
        archive: the export.
        verified: whether its files are known to be whole.

    Raises:
        ExportRefused: nothing of it is known.
    """
    contents = Contents()
    personal = 0
    for member in archive.members:
        if is_personal(member.name):
            personal += 1
        elif not _is_known(member):
            contents.unknown.append(member.name)
        else:
            if not verified:
                verify(member)
            found, problem = _look_into(member)
            contents.sources.extend(found)
            contents.unusable.update({member.name: problem} if problem else {})
    if not contents.sources:
        raise ExportRefused(_nothing_known(archive, contents))
    return replace(contents, personal=personal)


def read_batches(
    source: Source, zones: Zones, report: Report = lambda size: None
) -> Iterator[Batch]:
    """Yield the rows of a table; `report` gets how many bytes were read."""
    if source.key:
        with source.member.open() as stream:
            documents = _lists(stream.read())[source.key]
        for some in batched(documents, _BATCH):
            yield Batch(list(map(bytes, some)), [], unambiguous=False)
    else:
        with source.member.open() as stream, _decoded(stream) as text:
            for batch in _csv_batches(source, text, zones):
                yield batch
                report(stream.tell())
    report(source.member.size)


def rows_of(sources: Iterable[Source], *names: str) -> Iterator[tuple[str, ...]]:
    """Yield these columns of the rows of all tables that have them."""
    for source in sources:
        if source.key or not {*names} <= {*source.columns}:
            continue
        places = [source.columns.index(name) for name in names]
        with source.member.open() as stream, _decoded(stream) as text:
            for cells, _ in _rows(source, text):
                if len(cells) == len(source.columns):
                    yield tuple(cells[place] for place in places)


def _is_known(member: ExportMember) -> bool:
    return bool(kinds_of(member.name)) or _is_json(member)


def _is_json(member: ExportMember) -> bool:
    return member.name.lower().endswith(".json")


def _nothing_known(archive: Archive, contents: Contents) -> str:
    if any(TRENDS in name_of(name) for name in contents.unknown):
        return (
            "these are the trends of Oura's web site, a table that everybody composes anew: ask "
            "for all your data at https://membership.ouraring.com/data-export"
        )
    if contents.unusable:
        return "; ".join(f"{name}: {why}" for name, why in sorted(contents.unusable.items()))
    return (
        f"none of its {len(archive.members)} tables is one of Oura's: give the file as it came, "
        "from https://membership.ouraring.com/data-export"
    )


def _look_into(member: ExportMember) -> tuple[list[Source], str]:
    """Return the tables in a file, or why there are none."""
    if _is_json(member):
        with member.open() as stream:
            return _json_sources(member, stream.read(_LARGEST_JSON + 1))
    with member.open() as stream, _decoded(stream) as text:
        header = _header(_lines(text))
    delimiter = max(_DELIMITERS, key=header.count)
    readable = header.encode(errors="backslashreplace").decode()
    cells = next(csv.reader([readable], delimiter=delimiter), [])
    columns = tuple(cell.strip().lower() for cell in cells)
    kinds = [kind for kind in kinds_of(member.name) if not _missing(kind, columns)]
    if kinds:
        source = Source(member=member, kind=kinds[0], columns=columns, delimiter=delimiter)
        return [source], ""
    missing = ", ".join(_missing(kinds_of(member.name)[0], columns))
    return [], f"it has no column {missing}, so no row can be told from another"


def _missing(kind: FileKind, columns: Sequence[str]) -> list[str]:
    """Return the columns that are missing, and without which no document can be made."""
    document_type = kind.document_type
    needed = {*document_type.key, *kind.has, document_type.day_field}
    needed |= {one.name for one in document_type.fields if one.required}
    there = {kind.renamed.get(column, column) for column in columns} | {*columns}
    return sorted({name for name in needed if name} - there)


def _json_sources(member: ExportMember, body: bytes) -> tuple[list[Source], str]:
    if len(body) > _LARGEST_JSON:
        return [], f"as JSON it may have {_LARGEST_JSON // 10**6} MB; use the CSV files"
    sources = []
    for key in _lists(body):
        if kinds := (kinds_of(key) or kinds_of(member.name)):
            sources.append(Source(member=member, kind=kinds[0], key=key))
    return sources, "" if sources else "it is no JSON with lists of documents"


def _lists(body: bytes) -> dict[str, list[msgspec.Raw]]:
    """Return the lists in an object; what is none, or no JSON, has none."""
    try:
        values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    lists = {}
    for key, raw in values.items():
        try:
            lists[key] = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return lists


def _csv_batches(source: Source, text: io.TextIOWrapper, zones: Zones) -> Iterator[Batch]:
    builder = DocumentBuilder(source.kind, source.columns, zones)
    for rows in batched(_rows(source, text), _BATCH):
        try:
            documents = builder.documents([cells for cells, _ in rows])
            batch = Batch(documents, [], builder.unambiguous)
        except (ValueError, UnknownOffset):
            batch = _read_one_by_one(source, builder, rows)
        yield batch


def _read_one_by_one(
    source: Source, builder: DocumentBuilder, rows: Iterable[tuple[list[str], int]]
) -> Batch:
    """Return rows of which some may be no documents."""
    batch = Batch([], [], builder.unambiguous)
    for cells, line in rows:
        try:
            batch.documents.extend(builder.documents([_complete(source, cells)]))
        except _Unusable as error:
            batch.aside.append(_unusable(source, line, cells, str(error)))
        except UnknownOffset:
            batch.aside.append(
                _unusable(source, line, cells, "nothing says where the person was then")
            )
        except UnicodeEncodeError:
            batch.aside.append(_unusable(source, line, cells, "it is not UTF-8"))
    return batch


def _rows(source: Source, text: io.TextIOWrapper) -> Iterator[tuple[list[str], int]]:
    """Yield the rows below the header: their cells, and the number of their last line below it."""
    lines = _lines(text)
    _header(lines)
    # A quotation mark opens a cell only where it begins: JSON stands with and without around it.
    reader = csv.reader(lines, delimiter=source.delimiter)
    numbered = zip(reader, map(attrgetter("line_num"), repeat(reader)), strict=False)
    while True:
        try:
            yield from filter(itemgetter(0), numbered)
            return
        except csv.Error:
            yield [], reader.line_num  # longer than any cell of Oura's


def _complete(source: Source, cells: list[str]) -> list[str]:
    """Return the cells of a row, one for each column."""
    columns = source.columns
    if len(cells) == len(columns):
        return cells
    if len(cells) == len(columns) - 1 and columns[0] == "id" and "day" in columns:
        # Some rows come without their id, and then without its separator as well.
        completed = ["", *cells]
        if DAY.check(completed[columns.index("day")]):
            return completed
    raise _Unusable(f"it has {len(cells)} cells, and the file {len(columns)} columns")


class _Unusable(Exception):
    """A row that is no document; the message says why."""


def _unusable(source: Source, line: int, cells: list[str], why: str) -> UnusableDocument:
    raw = source.delimiter.join(cells).encode(errors="backslashreplace")
    return UnusableDocument(None, None, f"line {line + 1} of {source.member.name}: {why}", raw)


def _decoded(stream: IO[bytes]) -> io.TextIOWrapper:
    # What is no UTF-8 costs its row and not the file.
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while block := text.read(_LONGEST_LINE):
        # Many at once: line by line takes as long as all the rest.
        lines = io.StringIO(block + text.readline(_LONGEST_LINE), newline="").readlines()
        if max(map(len, lines)) >= _LONGEST_LINE:
            raise ExportRefused("a line in it is longer than any of Oura's")
        yield from lines


def _header(lines: Iterator[str]) -> str:
    """Take the line with the names of the columns from the lines, and return it."""
    first = next(lines, "")
    return next(lines, "") if first.lower().startswith(_SEPARATOR_LINE) else first
