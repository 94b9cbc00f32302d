"""A member's own export, landed: every document that it holds, where the API has given none."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import add
from pathlib import Path
from typing import Protocol

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.document_types import (
    SLEEP,
    STORED_TYPES,
    TIME_ZONE,
    DocumentType,
    get_document_type,
)
from oura_pipeline.days import ONE_DAY
from oura_pipeline.ledger import PersonDay
from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.sources import (
    Batch,
    Contents,
    Source,
    find_sources,
    read_batches,
    rows_of,
)
from oura_pipeline.member_export.zones import Zones
from oura_pipeline.oura.pages import Document, Page, PageReader, UnusableDocument
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process import interrupts
from oura_pipeline.sync.redating import record_redated
from oura_pipeline.warehouse.filling import run_of_export
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.spool import Spool

# In one transaction; DuckDB writes smaller ones than its row groups, 122,880 rows, several times.
_LANDED_BYTES = 32_000_000
_FIRST_RING = date(2013, 1, 1)
_AHEAD = timedelta(days=2)  # a day may have begun elsewhere, and a clock may be fast


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
        AccountsError, WarehouseError: a database was busy or unusable; do it again.
    """
    person = _staying(pipeline, username)
    progress = progress or Silent()
    with open_archive(path) as archive, pipeline.warehouse.kept_open():
        contents = find_sources(archive)
        progress.began(sum(source.member.size for source in contents.sources))
        reading = _Reading(contents.sources, progress, archive.made_at)
        with closing(_read_ahead(pipeline, person, reading)) as spooled:
            types = []
            for one in spooled:
                types.append(_import_type(pipeline, person, one, reading))
                landed(types[-1])
    return Imported(made_at=archive.made_at, contents=contents, types=types)


@dataclass(frozen=True, kw_only=True)
class _Spooled:
    """The documents of a type on disk: how many rows they were, and of which days they are."""

    document_type: DocumentType
    spool: Spool
    rows: int
    days: set[date]


def _read_ahead(
    pipeline: Pipeline, person: Person, reading: _Reading
) -> Generator[_Spooled, None, None]:
    """Yield the documents of type after type, while those of the following types are read."""
    # Landing is DuckDB's work and reading is Python's: two cores do both at once.
    with ExitStack() as spools, ExitStack() as reader:
        pool = ThreadPoolExecutor(1, thread_name_prefix="read")
        reader.callback(pool.shutdown, cancel_futures=True)  # before the files go
        reads: list[tuple[ExitStack, Future[_Spooled]]] = []
        for document_type in reading.types:
            own = spools.enter_context(ExitStack())
            spool = own.enter_context(pipeline.warehouse.spool(document_type))
            read = pool.submit(reading.spool, document_type, person.username, spool)
            reads.append((own, read))
        for own, read in reads:
            with own:  # its files go as soon as its documents have landed
                yield read.result()


class _Reading:
    """The documents of an export, read type by type."""

    def __init__(
        self, sources: Sequence[Source], progress: ImportProgress, made_at: datetime
    ) -> None:
        self.made_at = made_at
        self.progress = progress
        self.sources = {
            one.name: [source for source in sources if source.kind.document_type is one]
            for one in STORED_TYPES
        }
        self._zones = _zones(sources)
        self._done = 0
        self._last_day = datetime.now(UTC).date() + _AHEAD

    @property
    def types(self) -> list[DocumentType]:
        """The types of which there are documents, in the order in which they land."""
        # Days follow from offsets, which the other types teach.
        ordered = sorted(STORED_TYPES, key=lambda one: one.dated_by_offset)
        return [one for one in ordered if self.sources[one.name]]

    def spool(self, document_type: DocumentType, username: str, spool: Spool) -> _Spooled:
        """Spool the documents of a type."""
        name, rows, days = document_type.name, 0, set[date]()
        for source in self.sources[name]:
            reader = PageReader(
                document_type,
                wanted=lambda day: _FIRST_RING <= day <= self._last_day,
                today=self.made_at.date(),
            )
            report = lambda size: self.progress.read(name, self._done + size)  # noqa: E731
            for batch in read_batches(source, self._zones, report):
                interrupts.check()
                page = _page(reader, batch)
                spool.add(username, page.documents, regular=page.regular)
                spool.set_aside(
                    username, [*batch.aside, *page.unusable, *map(_of_no_day, page.outside)]
                )
                rows += len(batch.documents) + len(batch.aside)
                days |= {document.day for document in page.documents}
            self._done += source.member.size
        return _Spooled(document_type=document_type, spool=spool, rows=rows, days=days)


def _page(reader: PageReader, batch: Batch) -> Page:
    if batch.unambiguous:
        return reader.unambiguous(batch.documents)
    answer = b'{"data":[%b],"next_token":null}' % b",".join(batch.documents)
    return reader.page(answer, DateRangeQuery())[0]


def _of_no_day(document: Document) -> UnusableDocument:
    return UnusableDocument(None, None, "nobody wore a ring on its day", document.raw)


def _zones(sources: Sequence[Source]) -> Zones:
    """Return the person's offsets, as other tables tell them."""
    changes = [
        (instant, int(offset))
        for instant, offset in _timed(sources, TIME_ZONE, "timestamp", "offset")
        if offset.lstrip("-").isdecimal() and abs(int(offset)) <= 50_400
    ]
    nights = [instant for instant, _ in _timed(sources, SLEEP, "bedtime_start", "day")]
    return Zones(changes, nights)


def _timed(
    sources: Sequence[Source], document_type: DocumentType, instant: str, value: str
) -> Iterator[tuple[datetime, str]]:
    """Yield an instant and a value of each row that has an instant with an offset."""
    of_type = [source for source in sources if source.kind.document_type is document_type]
    for text, other in rows_of(of_type, instant, value):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            continue
        if time.tzinfo is not None:
            yield time, other


def _import_type(
    pipeline: Pipeline, person: Person, spooled: _Spooled, reading: _Reading
) -> ImportedType:
    document_type, landing = spooled.document_type, Landing(days={})
    reading.progress.landing(document_type.name)
    if spooled.rows:
        landing = _land(
            pipeline, person, document_type, spooled.spool, spooled.days, reading.made_at
        )
    counts = landing.days | landing.elsewhere
    return ImportedType(
        document_type=document_type,
        files=tuple(sorted({one.member.name for one in reading.sources[document_type.name]})),
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
