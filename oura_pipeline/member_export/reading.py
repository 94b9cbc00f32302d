"""The documents of a member's own export, read type by type into spools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import SLEEP, TIME_ZONE, DocumentType
from oura_pipeline.member_export.sources import Batch, Source, read_batches, rows_of
from oura_pipeline.member_export.zones import Zones
from oura_pipeline.oura.pages import Document, Page, PageReader, UnusableDocument
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.spool import Spool

_FIRST_RING = date(2013, 1, 1)
_AHEAD = timedelta(days=2)  # a day may have begun elsewhere, and a clock may be fast

Report = Callable[[str, int], object]
"""Is told the type that is read, and how many bytes of all tables have been."""


@dataclass(frozen=True, kw_only=True)
class Spooled:
    """The documents of a type on disk: how many rows they were, and of which days they are."""

    document_type: DocumentType
    spool: Spool
    rows: int
    days: set[date]


class ExportReader:
    """Reads an export type by type."""

    def __init__(self, sources: Sequence[Source], made_at: datetime, report: Report) -> None:
        self._sources = sources
        self._made_at = made_at
        self._report = report
        self._zones = _zones(sources)
        self._done = 0
        self._last_day = datetime.now(UTC).date() + _AHEAD

    def read(self, document_type: DocumentType, username: str, spool: Spool) -> Spooled:
        """Spool the documents of a type.

        Raises:
            ExportRefused: a line is longer than any of Oura's.
        """
        name, rows, days = document_type.name, 0, set[date]()
        for source in sources_of(self._sources, document_type):
            reader = PageReader(
                document_type,
                wanted=lambda day: _FIRST_RING <= day <= self._last_day,
                today=self._made_at.date(),
            )
            report = lambda size: self._report(name, self._done + size)  # noqa: E731
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
        return Spooled(document_type=document_type, spool=spool, rows=rows, days=days)


def sources_of(sources: Sequence[Source], document_type: DocumentType) -> list[Source]:
    """Return the tables that hold documents of a type."""
    return [source for source in sources if source.kind.document_type is document_type]


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
    for text, other in rows_of(sources_of(sources, document_type), instant, value):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            continue
        if time.tzinfo is not None:
            yield time, other
