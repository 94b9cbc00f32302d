"""A member's own export, landed: every document that it holds, where the API has given none."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import reduce
from operator import add
from pathlib import Path
from typing import Protocol

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.document_types import STORED_TYPES, DocumentType, get_document_type
from oura_pipeline.days import ONE_DAY
from oura_pipeline.ledger import PersonDay
from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.reader_process import reader_process
from oura_pipeline.member_export.reading import Spooled, sources_of
from oura_pipeline.member_export.sources import Contents, Source, find_sources
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.redating import record_redated
from oura_pipeline.warehouse.filling import run_of_export
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.spool import Spool

# In one transaction; DuckDB writes smaller ones than its row groups, 122,880 rows, several times.
_LANDED_BYTES = 32_000_000


class ImportProgress(Protocol):
    """What is told while an export is imported."""

    def began(self, total: int) -> None:
        """All tables have so many bytes."""
        ...

    def read(self, document_type: str, done: int) -> None:
        """So many bytes of all tables are read."""
        ...

    def landing(self, document_type: str) -> None:
        """The documents of this type are landed now."""
        ...


class Silent:
    """Nobody who wants to know."""

    def began(self, total: int) -> None:
        """Say nothing."""

    def read(self, document_type: str, done: int) -> None:
        """Say nothing."""

    def landing(self, document_type: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class ImportedType:
    """What came of the documents of one type.

    Attributes:
        document_type: of the documents.
        files: where they stood.
        rows: how many there were.
        landed: how many are new, or say something else than an older export.
        aside: how many cannot be landed, and are in `oura.quarantine`.
        days: the days whose documents changed.
    """

    document_type: DocumentType
    files: tuple[str, ...]
    rows: int
    landed: int
    aside: int
    days: tuple[date, ...] = ()

    @property
    def known(self) -> int:
        """How many were there already, or belong to days of which the API gave documents."""
        return max(self.rows - self.landed - self.aside, 0)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of an export: when Oura made it, what it held, and what became of each type."""

    made_at: datetime
    contents: Contents
    types: list[ImportedType] = field(default_factory=list)

    @property
    def changed(self) -> list[ImportedType]:
        """The types of which something landed."""
        return [one for one in self.types if one.days]


def import_export(
    pipeline: Pipeline,
    username: str,
    path: Path,
    progress: ImportProgress | None = None,
    landed: Callable[[ImportedType], object] = lambda _: None,
) -> Imported:
    """Land what a member's own export holds and the API has not given.

    Each type lands on its own: what was interrupted is completed by doing it again.

    Args:
        pipeline: accounts and warehouse.
        username: whose export it is.
        path: a ZIP archive, a folder, or one of its tables.
        progress: is told how far it is.
        landed: is given each type once it has landed.

    Raises:
        UnknownPerson: nobody has this username.
        PersonRefused: they have left.
        ExportRefused: it is harmful, or nothing in it is known; nothing was changed.
        ReaderEnded: the process that reads it has ended; do it again.
        AccountsError, WarehouseError: a database was busy or unusable; do it again.
    """
    person = _staying(pipeline, username)
    progress = progress or Silent()
    with open_archive(path) as archive, pipeline.warehouse.kept_open():
        contents = find_sources(archive)
        export = _Export(
            path=path, made_at=archive.made_at, sources=contents.sources, progress=progress
        )
        progress.began(export.bytes)
        with closing(_read_ahead(pipeline, person, export)) as spooled:
            types = []
            for one in spooled:
                types.append(_import_type(pipeline, person, one, export))
                landed(types[-1])
    return Imported(made_at=archive.made_at, contents=contents, types=types)


@dataclass(frozen=True, kw_only=True)
class _Export:
    """An export that was looked into, and who is told how far it is."""

    path: Path
    made_at: datetime
    sources: Sequence[Source]
    progress: ImportProgress

    @property
    def bytes(self) -> int:
        """How large its tables are, unpacked."""
        return sum(source.member.size for source in self.sources)

    @property
    def document_types(self) -> list[DocumentType]:
        """The types of which there are documents, in the order in which they land."""
        # Days follow from offsets, which the other types teach.
        ordered = sorted(STORED_TYPES, key=lambda one: one.dated_by_offset)
        return [one for one in ordered if sources_of(self.sources, one)]


def _read_ahead(
    pipeline: Pipeline, person: Person, export: _Export
) -> Generator[Spooled, None, None]:
    """Yield the documents of type after type, while those of the following types are read."""
    with ExitStack() as spools, ExitStack() as stack:
        pool = ThreadPoolExecutor(1, thread_name_prefix="read")
        stack.callback(pool.shutdown, cancel_futures=True)  # before the files go
        reader = stack.enter_context(reader_process(export.path, export.progress.read))
        reads: list[tuple[ExitStack, Future[Spooled]]] = []
        for document_type in export.document_types:
            own = spools.enter_context(ExitStack())
            spool = own.enter_context(pipeline.warehouse.spool(document_type))
            reads.append((own, pool.submit(reader.read, document_type, person.username, spool)))
        for own, read in reads:
            with own:  # its files go as soon as its documents have landed
                yield read.result()


def _import_type(
    pipeline: Pipeline, person: Person, spooled: Spooled, export: _Export
) -> ImportedType:
    document_type, landing = spooled.document_type, Landing(days={})
    export.progress.landing(document_type.name)
    if spooled.rows:
        landing = _land(
            pipeline, person, document_type, spooled.spool, spooled.days, export.made_at
        )
    counts = landing.days | landing.elsewhere
    return ImportedType(
        document_type=document_type,
        files=tuple(sorted({one.member.name for one in sources_of(export.sources, document_type)})),
        rows=spooled.rows,
        landed=landing.inserted + landing.updated,
        aside=landing.set_aside.total(),
        days=tuple(sorted({day for (_, day), count in counts.items() if count.changed})),
    )


def _land(
    pipeline: Pipeline,
    person: Person,
    document_type: DocumentType,
    spool: Spool,
    days: set[date],
    made_at: datetime,
) -> Landing:
    """Land what was spooled, and have the days that it changes pushed."""
    now = datetime.now(UTC)
    first, last = min(days, default=made_at.date()), max(days, default=made_at.date())
    if document_type.dated_by_offset:  # the day of the place is one beside that in UTC
        first, last = first - ONE_DAY, last + ONE_DAY
    pieces = [(first, last)]
    if document_type.dated_by_offset and not spool.unusable_files([person.username]):
        pieces = spool.pieces([person.username], first, last, heaviest=_LANDED_BYTES)
    with pipeline.landing(document_type):
        # Whoever deletes them waits for this lock: afterwards nothing of theirs may come.
        _staying(pipeline, person.username, person.id)
        # Before the landing as well: a crash right after it must not leave days that nobody pushes.
        _wait_for_push(pipeline, person, document_type, days)
        landing = reduce(
            add,
            (
                pipeline.warehouse.land(
                    document_type,
                    spool,
                    usernames=[person.username],
                    first_day=piece[0],
                    last_day=piece[1],
                    fetched_at=made_at,
                    run_id=run_of_export(made_at),
                    piece=len(pieces) > 1,
                    fills=True,
                )
                for piece in pieces
            ),
        )
        changed = {day for (_, day), count in landing.days.items() if count.changed}
        elsewhere = {day for _, day in landing.elsewhere}
        _wait_for_push(pipeline, person, document_type, changed | elsewhere)
    for name in landing.redated:
        record_redated(pipeline, get_document_type(name), now)
    return landing


def _wait_for_push(
    pipeline: Pipeline, person: Person, document_type: DocumentType, days: Iterable[date]
) -> None:
    pipeline.accounts.waiting.add(
        [
            PersonDay(username=person.username, document_type=document_type.name, day=day)
            for day in days
        ],
        at=datetime.now(UTC),
    )


def _staying(pipeline: Pipeline, username: str, person_id: str | None = None) -> Person:
    """Return a person who is here, and is the same as before."""
    person = pipeline.accounts.people.get(username)
    if person.state is PersonState.RETIRED or person_id not in (None, person.id):
        raise PersonRefused("they have left, and their data is being deleted")
    return person
