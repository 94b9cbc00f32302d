"""Oura's API as one person sees it: pages of documents out of questions over days.

What surprises: Oura's ranges end differently by collection, so we ask from two days before to two
days after and keep by the day that the document itself names (see `windows.py`). And a 401 is
sometimes a missing scope, sometimes a token that is worth one renewal, never both (`answers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx
import stamina

from oura_pipeline.catalog.document_types import PERSONAL_INFO, Ask, DocumentType
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.errors import (
    DocumentNotFound,
    GarbledAnswer,
    OuraUnavailable,
    RateLimited,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import MAX_BYTES, send
from oura_pipeline.oura.offsets import OffsetTimeline
from oura_pipeline.oura.pages import Document, Page, PageReader
from oura_pipeline.oura.responses import TokenRefused, TooManyRequests, check
from oura_pipeline.oura.windows import DateRangeQuery, date_range_queries

Read = TypeVar("Read")
MAX_PAUSES = 10  # times that one question may be answered with 429
LONGEST_PAUSE = 60.0  # seconds, where a 429 does not say how long
EMPTY_PAGES = 20  # in a row


class Tokens(Protocol):
    """Where a person's access token comes from."""

    def access_token(self) -> str:
        """The current one."""
        ...

    def renew(self, refused: str) -> str:
        """A working one, after this one was refused.

        Raises:
            SignInRequired: the person has to consent again.
        """
        ...


def _today() -> date:
    return datetime.now(UTC).date()


class OuraClient:
    """One person's view of the API.

    Args:
        http: shared by all people and threads.
        api_url: address of the API, without a path.
        tokens: the person's.
        budget: the whole application's.
        share: the part of the budget that may be used before these requests wait.
        today: the day of a fetch.
        attempts: how often a question is asked that gets no answer, or a garbled one.
        seconds: after which it is not asked again.
        max_bytes: the longest answer that is read.

    Attributes:
        requests: how many were sent.
        pages: how many of them brought documents, or told that there are none.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        api_url: str,
        tokens: Tokens,
        budget: Budget,
        share: float = 1.0,
        today: Callable[[], date] = _today,
        attempts: int = 6,
        seconds: float = 180.0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._tokens = tokens
        self._budget = budget
        self._share = share
        self._today = today
        self._attempts = attempts
        self._seconds = seconds
        self._max_bytes = max_bytes
        self.requests = 0
        self.pages = 0

    def documents(
        self,
        document_type: DocumentType,
        first_day: date | None = None,
        last_day: date | None = None,
        *,
        offsets: OffsetTimeline | None = None,
    ) -> Iterator[Page]:
        """All documents of the days from the first to the last, both included, page by page.

        Args:
            document_type: the row of the document type.
            first_day: of the range; types without days have none.
            last_day: of the range.
            offsets: where the person was, for rows that tell only UTC.

        Raises:
            ScopeNotGranted: the person did not grant this type.
            MembershipLapsed: Oura keeps this person's data back.
            SignInRequired: the person has to consent again.
            RateLimited: Oura asks for a long pause.
            OuraUnavailable: no answer after some attempts.
            UnexpectedAnswer: an answer that is not what we know; forget the earlier pages as well.
        """
        offsets = offsets or OffsetTimeline()
        if document_type.ask is Ask.ONE:
            reader = self._reader(document_type, offsets)
            yield self._ask(_Asked(document_type, document_type.path, reader.alone))
        elif document_type.ask is Ask.ALL:
            yield from self._pages(self._reader(document_type, offsets), DateRangeQuery())
        elif first_day is None or last_day is None:
            raise ValueError(
                f"{document_type.name} is asked for by days: say the first and the last one"
            )
        else:
            reader = self._reader(document_type, offsets, lambda day: first_day <= day <= last_day)
            for question in date_range_queries(document_type, first_day, last_day):
                yield from self._pages(reader, question)

    def document(
        self,
        document_type: DocumentType,
        document_id: str,
        *,
        offsets: OffsetTimeline | None = None,
    ) -> Document:
        """One document by its id.

        Raises:
            DocumentNotFound: there is none (any more).
            OuraError: as for `documents`.
        """
        if not document_type.single:
            raise ValueError(f"{document_type.name} has no documents that can be asked for by id")
        if document_id.strip(".") == "":
            raise DocumentNotFound(f"{document_id!r} is the id of no {document_type.name} document")
        reader = self._reader(document_type, offsets or OffsetTimeline())
        path = f"{document_type.path}/{quote(document_id, safe='')}"
        return self._ask(_Asked(document_type, path, reader.alone, single=True)).documents[0]

    def personal_info(self) -> Document:
        """Who the person is at Oura; at least the id, which needs no scope."""
        reader = self._reader(PERSONAL_INFO, OffsetTimeline())
        page = self._ask(_Asked(PERSONAL_INFO, PERSONAL_INFO.path, reader.alone))
        return page.documents[0]

    def _reader(
        self,
        document_type: DocumentType,
        offsets: OffsetTimeline,
        wanted: Callable[[date], bool] = lambda day: True,
    ) -> PageReader:
        return PageReader(document_type, wanted=wanted, offsets=offsets, today=self._today())

    def _pages(self, reader: PageReader, question: DateRangeQuery) -> Iterator[Page]:
        """The pages of one question, guarded against an answer without end."""
        seen, empty = set[str](), 0
        parameters = dict(question.parameters)
        while True:
            asked = _Asked(
                document_type=reader.document_type,
                path=reader.document_type.path,
                read=lambda body: reader.page(body, question),
                parameters=parameters,
            )
            page, token = self._ask(asked)
            yield page
            if token is None:
                return
            empty = 0 if page.documents or page.outside else empty + 1
            if token in seen or len(seen) >= question.most_pages or empty >= EMPTY_PAGES:
                raise UnexpectedAnswer(
                    f"Oura's answer for {reader.document_type.name} does not end: "
                    f"{len(seen) + 1} pages, and the last one leads on in a circle "
                    "or to nothing; ask again later"
                )
            seen.add(token)
            parameters["next_token"] = token

    def _ask(self, asked: _Asked[Read]) -> Read:
        """The answer, with one renewal of the access token if that is refused."""
        token = self._tokens.access_token()
        with suppress(TokenRefused):
            return self._with_pauses(asked, token)
        token = self._tokens.renew(token)
        with suppress(TokenRefused):
            return self._with_pauses(asked, token)
        raise UnexpectedAnswer(
            "Oura refuses a token that it has just renewed for "
            f"{asked.document_type.name} (401), without naming a scope; ask again later, and let "
            "the person sign in again if that stays"
        )

    def _with_pauses(self, asked: _Asked[Read], token: str) -> Read:
        """The answer, with the pauses that Oura asks for, which hold for everyone."""
        for pauses in range(MAX_PAUSES):
            try:
                return self._with_retries(asked, token)
            except TooManyRequests as refusal:
                said = refusal.retry_after
            doubling = min(2.0**pauses, LONGEST_PAUSE) if pauses or said is None else 0.0
            pause = max(said or 0.0, doubling)
            self._budget.obey(pause)
        raise RateLimited(pause)

    def _with_retries(self, asked: _Asked[Read], token: str) -> Read:
        """The answer, asked for again where none came, or a garbled one."""
        self._budget.acquire(self._share)  # before the clock of the attempts runs
        for attempt in stamina.retry_context(
            on=(OuraUnavailable, GarbledAnswer),
            attempts=self._attempts,
            timeout=self._seconds,
            wait_initial=0.5,
            wait_max=20.0,
        ):
            with attempt:
                if attempt.num > 1:
                    self._budget.acquire(self._share)
                return self._send(asked, token)
        raise AssertionError("an attempt either returns or raises")

    def _send(self, asked: _Asked[Read], token: str) -> Read:
        request = self._http.build_request(
            "GET",
            self._api_url + asked.path,
            params=dict(asked.parameters),
            headers={"Authorization": f"Bearer {token}"},
        )
        self.requests += 1
        answer = send(self._http, request, max_bytes=self._max_bytes)
        body = check(
            answer, document_type=asked.document_type, single=asked.single, secrets=(token,)
        )
        read = asked.read(body)
        self.pages += 1
        return read


@dataclass(frozen=True)
class _Asked(Generic[Read]):
    """One request, and how its answer is read."""

    document_type: DocumentType
    path: str
    read: Callable[[bytes], Read]
    parameters: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
