"""Pages of documents, read from Oura's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import cache
from itertools import compress
from typing import Any

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import ONE_DAY, days_between
from oura_pipeline.oura.envelopes import Envelope, open_envelope
from oura_pipeline.oura.errors import GarbledAnswer, UnexpectedAnswer, UnusablePage
from oura_pipeline.oura.regular import is_regular
from oura_pipeline.oura.validation import (
    DocumentDecoder,
    Unusable,
    ambiguity,
    loosely,
    mismatch_message,
    not_json_message,
)
from oura_pipeline.oura.windows import DateRangeQuery


class Document(msgspec.Struct, frozen=True, gc=False):  # made six times as fast as a dataclass
    """One document; its repr shows nothing that was measured.

    Attributes:
        day: the day it belongs to: Oura's own, or the date in UTC of when it happened, until the
            landing knows where the person was, or the day of the fetch.
        raw: its JSON, exactly as received, so that fields that are unknown here survive.
    """

    day: date
    raw: bytes

    def __repr__(self) -> str:
        return f"Document(day={self.day!r})"


@dataclass(frozen=True, slots=True)
class UnusableDocument:
    """A document that cannot be landed.

    Attributes:
        day: the day it belongs to; None: it does not say.
        id: Oura's identifier; None: it has none.
        reason: why it cannot be landed, without any value.
        raw: as received.
    """

    day: date | None
    id: str | None
    reason: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The documents of one answer.

    Attributes:
        documents: those of the requested days.
        outside: those of other days, which come because queries are wider than the days.
        unusable: those of the requested days, or of nobody knows which, that cannot be landed.
        regular: whether all of them certainly hold what the table of document types says.
    """

    documents: list[Document]
    outside: list[Document]
    unusable: list[UnusableDocument] = field(default_factory=list)
    regular: bool = False


class PageReader:
    """A reader of the answers about one document type.

    Args:
        document_type: of the documents.
        wanted: returns whether a day was requested.
        today: the day of the fetch, for documents that have neither day nor instant.
    """

    def __init__(
        self,
        document_type: DocumentType,
        *,
        wanted: Callable[[date], bool],
        today: date,
    ) -> None:
        self.document_type = document_type
        self._decoder = _decoder(document_type)
        self._wanted = wanted
        self._today = today

    def page(self, body: bytes, query: DateRangeQuery) -> tuple[Page, str | None]:
        """Return a page, and the token of the next one, if there is one.

        Raises:
            GarbledAnswer: it is not JSON.
            UnusablePage: it is no list of documents.
        """
        envelope = open_envelope(body, self.document_type.name)
        return self._page(body, envelope, query), envelope.next_token

    def unambiguous(self, documents: list[bytes]) -> Page:
        """Return documents, JSON that can be read in one way only, as a page."""
        body = b'{"data":[%b]}' % b",".join(documents)
        return self._page(body, Envelope(documents, None, doubtful=False), DateRangeQuery())

    def single(self, body: bytes) -> Page:
        """Return a document that came without an envelope as a page, whatever its day.

        Raises:
            GarbledAnswer: it is not JSON.
            UnusablePage: it is no object.
        """
        raw = body.strip()
        try:
            found = loosely(raw)
        except (ValueError, RecursionError):
            raise GarbledAnswer(not_json_message(self.document_type.name)) from None
        if not isinstance(found, dict):
            what = f"it is no object but a {type(found).__name__}"
            raise UnusablePage(mismatch_message(self.document_type.name, what))
        page = Page(documents=[], outside=[])
        self._add(page, raw, DateRangeQuery(), doubtful=True)
        return page

    def dated(self, body: bytes) -> Document:
        """Return the document that came without an envelope, also one that cannot be landed.

        Raises:
            UnexpectedAnswer: nobody knows of which day it is, or as for `single`.
        """
        for unusable in self.single(body).unusable:
            if unusable.day is not None:
                return Document(unusable.day, unusable.raw)
        return self.only(body)

    def only(self, body: bytes) -> Document:
        """Return the document that came without an envelope.

        Raises:
            UnexpectedAnswer: it cannot be used, or as for `single`.
        """
        page = self.single(body)
        for unusable in page.unusable:
            raise UnexpectedAnswer(mismatch_message(self.document_type.name, unusable.reason))
        return page.documents[0]

    def _page(self, body: bytes, envelope: Envelope, query: DateRangeQuery) -> Page:
        known = None if envelope.doubtful else self._decoder.read_page(body)
        regular = known is not None and is_regular(self.document_type, body)
        page = Page(documents=[], outside=[], regular=regular)
        if known is None:
            for raw in envelope.data:
                self._add(page, raw, query, doubtful=envelope.doubtful)
        else:
            self._place(page, known, envelope.data, query)
        return page

    def _add(self, page: Page, raw: bytes, query: DateRangeQuery, *, doubtful: bool) -> None:
        try:
            # The answer as a whole was checked: most need no second look.
            if doubtful and (reason := ambiguity(raw)):
                raise Unusable(reason)
            facts = self._decoder.read(raw)
        except Unusable as error:
            self._add_unusable(page, raw, query, str(error))
            return
        self._place(page, [facts.instant or facts.day], [raw], query)

    def _place(
        self, page: Page, known: Sequence[Any], raws: Iterable[bytes], query: DateRangeQuery
    ) -> None:
        """Add documents, given by their days or instants, to the requested or the other ones."""
        # Rows come by the million: no call for each.
        days: list[date] = [day or self._today for day in known]
        if self._decoder.by_instant:
            owned = [query.first <= instant < query.end for instant in known]
            raws = compress(raws, owned)
            days = [
                (instant if instant.tzinfo is UTC else instant.astimezone(UTC)).date()
                for instant in compress(known, owned)
            ]
        wanted = {day: self._wanted(day) for day in {*days}}
        documents = list(map(Document, days, raws))
        page.documents.extend(compress(documents, [wanted[day] for day in days]))
        page.outside.extend(compress(documents, [not wanted[day] for day in days]))

    def _add_unusable(self, page: Page, raw: bytes, query: DateRangeQuery, reason: str) -> None:
        seen = self._decoder.glimpse(raw)
        day = seen.day
        if seen.instant is not None:
            if not query.owns(seen.instant):
                return
            day = seen.instant.astimezone(UTC).date()
        # One of another day is found when that day is requested.
        if day is None or any(map(self._wanted, self._local_days(day))):
            page.unusable.append(UnusableDocument(day, seen.id, reason, raw))

    def _local_days(self, day: date) -> list[date]:
        """Return the days that a document of a day, or of a date in UTC, can be of."""
        dated = self.document_type.dated_by_offset
        return days_between(day - ONE_DAY, day + ONE_DAY) if dated else [day]


_decoder = cache(DocumentDecoder)  # building one takes as long as decoding a hundred documents
