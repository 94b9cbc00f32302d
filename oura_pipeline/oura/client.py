"""Oura's API as one person sees it: documents by ranges of days, or by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
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
    UnusablePage,
)
from oura_pipeline.oura.http import MAX_BYTES, send
from oura_pipeline.oura.pages import Document, Page, PageReader
from oura_pipeline.oura.responses import TokenRefused, TooManyRequests, check
from oura_pipeline.oura.windows import DateRangeQuery, date_range_queries
from oura_pipeline.process import interrupts

Read = TypeVar("Read")
MAX_PAUSES = 10  # answers with 429 to one request
LONGEST_PAUSE = 60.0  # seconds, where a 429 does not say how long
MAX_EMPTY_PAGES = 20  # in a row
_RETRIED = (OuraUnavailable, GarbledAnswer)


class Tokens(Protocol):
    """A person's access tokens."""

    def access_token(self) -> str:
        """Return the current one."""
        ...

    def renew(self, refused: str) -> str:
        """Return a working one, after this one was refused; the same if a renewal did not help.

        Raises:
            SignInRequired: the person has to consent again.
        """
        ...

    def trial(self) -> AbstractContextManager[object]:
        """Hold back others who were refused, until a renewed one was tried."""
        ...

    def renewed_in_vain(self, token: str) -> None:
        """Remember that this one was refused although it was just renewed."""
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
        today: returns the day of a fetch.
        attempts: how often a request is sent that gets no answer, or a garbled one.
        seconds: after how long it is not sent again.
        max_bytes: the longest answer that is read.

    Attributes:
        requests: how many were sent.
        pages: how many responses held documents, or an empty list of them.
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
        patient: bool = True,
    ) -> Iterator[Page]:
        """Yield all documents of the days from the first to the last, both included, in pages.

        Args:
            document_type: of the documents.
            first_day: of the range; ignored for types without days.
            last_day: of the range.
            patient: whether an answer that is not JSON is asked for again.

        Raises:
            ScopeNotGranted: the person did not grant this type.
            MembershipLapsed: Oura keeps this person's data back.
            SignInRequired: the person has to consent again.
            RateLimited: Oura asks for a long pause.
            OuraUnavailable: no answer after some attempts.
            UnusablePage: an answer that is no page; the earlier pages are incomplete then.
            UnexpectedAnswer: any other answer of an unknown form.
        """
        if document_type.ask is Ask.ONE:
            reader = self._reader(document_type)
            yield self._ask(_Request(document_type, document_type.path, reader.single))
        elif document_type.ask is Ask.ALL:
            yield from self._pages(self._reader(document_type), DateRangeQuery())
        elif first_day is None or last_day is None:
            raise ValueError(f"{document_type.name} needs the first and the last day of a range")
        else:
            reader = self._reader(document_type, lambda day: first_day <= day <= last_day)
            for query in date_range_queries(document_type, first_day, last_day):
                yield from self._pages(reader, query, patient)

    def document(self, document_type: DocumentType, document_id: str) -> Document:
        """Return one document by its id, also one that cannot be landed, if its day is known.

        Raises:
            DocumentNotFound: there is none (any more).
            OuraError: as for `documents`.
        """
        if not document_type.single:
            raise ValueError(f"{document_type.name} has no documents with ids")
        if document_id.strip(".") == "":
            raise DocumentNotFound(
                f"{document_id!r} is not the id of a {document_type.name} document"
            )
        reader = self._reader(document_type)
        path = f"{document_type.path}/{quote(document_id, safe='')}"
        return self._ask(_Request(document_type, path, reader.dated, single=True))

    def personal_info(self) -> Document:
        """Return who the person is at Oura: at least the id, which needs no scope."""
        reader = self._reader(PERSONAL_INFO)
        return self._ask(_Request(PERSONAL_INFO, PERSONAL_INFO.path, reader.only))

    def _reader(
        self,
        document_type: DocumentType,
        wanted: Callable[[date], bool] = lambda day: True,
    ) -> PageReader:
        return PageReader(document_type, wanted=wanted, today=self._today())

    def _pages(
        self, reader: PageReader, query: DateRangeQuery, patient: bool = True
    ) -> Iterator[Page]:
        seen, empty = set[str](), 0
        parameters = dict(query.parameters)
        while True:
            request = _Request(
                document_type=reader.document_type,
                path=reader.document_type.path,
                read=lambda body: reader.page(body, query),
                parameters=parameters,
                retried=_RETRIED if patient else (OuraUnavailable,),
            )
            page, token = self._ask(request)
            yield page
            if token is None:
                return
            empty = 0 if page.documents or page.outside or page.unusable else empty + 1
            # Nothing promises that following `next_token` ends.
            if token in seen or len(seen) >= query.max_pages or empty >= MAX_EMPTY_PAGES:
                raise UnusablePage(
                    f"Oura's answer for {reader.document_type.name} does not end after "
                    f"{len(seen) + 1} pages; try again later"
                )
            seen.add(token)
            parameters["next_token"] = token

    def _ask(self, request: _Request[Read]) -> Read:
        """Return the answer, with one renewal of the access token if that is refused."""
        token = self._tokens.access_token()
        with suppress(TokenRefused):
            return self._with_pauses(request, token)
        with self._tokens.trial():
            renewed = self._tokens.renew(token)
            if renewed != token:
                with suppress(TokenRefused):
                    return self._with_pauses(request, renewed)
                self._tokens.renewed_in_vain(renewed)
        # The same for every document type, so that it can be said once.
        raise UnexpectedAnswer(
            "Oura refuses a token that was just renewed (401), as it does when nothing was allowed "
            "at Oura; the person can check on their page what they allow, and sign in again"
        )

    def _with_pauses(self, request: _Request[Read], token: str) -> Read:
        """Return the answer, after the pauses that Oura asks for."""
        for pauses in range(MAX_PAUSES):
            try:
                return self._with_retries(request, token)
            except TooManyRequests as refusal:
                wanted = refusal.retry_after
            # The first pause is as Oura says; if that was not enough, pauses double.
            doubling = min(2.0**pauses, LONGEST_PAUSE) if pauses or wanted is None else 0.0
            pause = max(wanted or 0.0, doubling)
            self._budget.pause(pause)  # the limit is the application's, so everyone pauses
        raise RateLimited(pause)

    def _with_retries(self, request: _Request[Read], token: str) -> Read:
        """Return the answer, sending the request again after none, or a garbled one."""
        interrupts.check()  # between pages
        # Before the retries begin: waiting for the budget must not use up their time.
        self._budget.acquire(self._share)
        for attempt in stamina.retry_context(
            on=request.retried,
            attempts=self._attempts,
            timeout=self._seconds,
            wait_initial=0.5,
            wait_max=20.0,
        ):
            interrupts.check()
            with attempt:
                if attempt.num > 1:
                    self._budget.acquire(self._share)
                return self._send(request, token)
        raise AssertionError("an attempt either returns or raises")

    def _send(self, request: _Request[Read], token: str) -> Read:
        sent = self._http.build_request(
            "GET",
            _url(self._api_url + request.path, tuple(request.parameters.items())),
            headers={"Authorization": f"Bearer {token}"},
        )
        self.requests += 1
        answer = send(self._http, sent, max_bytes=self._max_bytes)
        body = check(
            answer, document_type=request.document_type, single=request.single, secrets=(token,)
        )
        read = request.read(body)
        self.pages += 1
        return read


@lru_cache(maxsize=128)
def _url(address: str, parameters: tuple[tuple[str, str], ...]) -> httpx.URL:
    # The same for everybody, and httpx looks at each of its letters.
    return httpx.URL(address, params=parameters)


@dataclass(frozen=True)
class _Request(Generic[Read]):
    """One request, and how its answer is read."""

    document_type: DocumentType
    path: str
    read: Callable[[bytes], Read]
    parameters: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    retried: tuple[type[Exception], ...] = _RETRIED
