"""One page of an answer, taken apart: documents of the asked days, others, and what they teach.

What surprises: a document is kept as the very bytes that came, so that a field which nobody here
knows survives as it was.
"""

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
        raw: its JSON, exactly as received.
    """

    day: date
    raw: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The documents of one answer.

    Attributes:
        documents: those of the asked days.
        outside: those of other days, which came because we ask wide.
        offsets: the person's offsets from UTC, as told by any of them.
    """

    documents: list[Document]
    outside: list[Document]
    offsets: list[Observation]


class Envelope(msgspec.Struct):
    """What every list comes in."""

    data: list[msgspec.Raw]
    next_token: str | None = None


_ENVELOPE = msgspec.json.Decoder(Envelope)


class PageReader:
    """Reads the answers to questions about one document type.

    Args:
        document_type: its row.
        wanted: whether a day is asked for.
        offsets: where the person was, for documents without a day.
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
        self._shape = DocumentDecoder(document_type)
        self._wanted = wanted
        self._offsets = offsets
        self._today = today

    def page(self, body: bytes, question: DateRangeQuery) -> tuple[Page, str | None]:
        """A page and the token of the next one, if there is one.

        Raises:
            GarbledAnswer: it is no JSON.
            UnexpectedAnswer: it is not a list of such documents.
        """
        envelope = self._envelope(body)
        page = Page(documents=[], outside=[], offsets=[])
        for raw in envelope.data:
            facts = self._shape.read(raw)
            if facts.instant is None or question.owns(facts.instant):
                document = Document(self._day(facts), bytes(raw))
                (page.documents if self._wanted(document.day) else page.outside).append(document)
            page.offsets.extend(facts.offsets)
        return page, envelope.next_token or None

    def alone(self, body: bytes) -> Page:
        """A document that came without an envelope, as a page; its day is not asked about.

        Raises:
            GarbledAnswer: it is no JSON.
            UnexpectedAnswer: it is not such a document.
        """
        check_unambiguous(body, self.document_type.name)
        raw = body.strip()
        facts = self._shape.read(raw)
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
