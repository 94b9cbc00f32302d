"""Pages of documents, read from Oura's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.oura.errors import GarbledAnswer, UnexpectedAnswer
from oura_pipeline.oura.offsets import Observation, OffsetTimeline
from oura_pipeline.oura.validation import (
    DocumentDecoder,
    DocumentFacts,
    check_unambiguous,
    mismatch_message,
    not_json_message,
)
from oura_pipeline.oura.windows import DateRangeQuery


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Attributes:
        day: the day it belongs to: Oura's own, or the local date of when it happened, or the day of
            the fetch.
        raw: its JSON, exactly as received, so that fields that are unknown here survive.
    """

    day: date
    raw: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The documents of one answer.

    Attributes:
        documents: those of the requested days.
        outside: those of other days, which come because queries are wider than the days.
        offsets: the person's offsets from UTC that any of them contains.
    """

    documents: list[Document]
    outside: list[Document]
    offsets: list[Observation]


class Envelope(msgspec.Struct):
    """The object around every list."""

    data: list[msgspec.Raw]
    next_token: str | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)


class PageReader:
    """A reader of the answers about one document type.

    Args:
        document_type: of the documents.
        wanted: returns whether a day was requested.
        offsets: the person's, for documents without a day.
        today: the day of the fetch, for documents that have neither day nor instant.
    """

    def __init__(
        self,
        document_type: DocumentType,
        *,
        wanted: Callable[[date], bool],
        offsets: OffsetTimeline,
        today: date,
    ) -> None:
        self.document_type = document_type
        self._decoder = DocumentDecoder(document_type)
        self._wanted = wanted
        self._offsets = offsets
        self._today = today

    def page(self, body: bytes, query: DateRangeQuery) -> tuple[Page, str | None]:
        """Return a page, and the token of the next one, if there is one.

        Raises:
            GarbledAnswer: it is not JSON.
            UnexpectedAnswer: it is not a list of such documents.
        """
        envelope = self._envelope(body)
        page = Page(documents=[], outside=[], offsets=[])
        for raw in envelope.data:
            facts = self._decoder.read(raw)
            if facts.instant is None or query.owns(facts.instant):
                document = Document(self._day(facts), bytes(raw))
                (page.documents if self._wanted(document.day) else page.outside).append(document)
            page.offsets.extend(facts.offsets)
        return page, envelope.next_token or None

    def single(self, body: bytes) -> Page:
        """Return a document that came without an envelope as a page, whatever its day.

        Raises:
            GarbledAnswer: it is not JSON.
            UnexpectedAnswer: it is not such a document.
        """
        check_unambiguous(body, self.document_type.name)
        raw = body.strip()
        facts = self._decoder.read(raw)
        return Page(documents=[Document(self._day(facts), raw)], outside=[], offsets=facts.offsets)

    def _day(self, facts: DocumentFacts) -> date:
        if facts.day is not None:
            return facts.day
        return self._today if facts.instant is None else self._offsets.local_day(facts.instant)

    def _envelope(self, body: bytes) -> Envelope:
        check_unambiguous(body, self.document_type.name)
        try:
            return _ENVELOPE.decode(body)
        except msgspec.ValidationError as error:
            raise UnexpectedAnswer(mismatch_message(self.document_type.name, str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise GarbledAnswer(not_json_message(self.document_type.name)) from None
