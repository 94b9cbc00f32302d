"""One person's documents of one type, fetched into the spool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

import msgspec

from oura_pipeline.accounts.errors import AccountsBusy, PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import ScopeNotGranted
from oura_pipeline.oura.halves import Halving, Unanswered
from oura_pipeline.oura.pages import Document
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process import logs
from oura_pipeline.sync.progress import Progress
from oura_pipeline.sync.tracing import subject
from oura_pipeline.warehouse.errors import UnusableDocuments
from oura_pipeline.warehouse.spool import Spool


@dataclass(kw_only=True)
class PersonResult:
    """What came of fetching one person's documents.

    Attributes:
        username: whose.
        asked_at: when the first request was about to be sent, UTC.
        received_at: when the last response was there, UTC.
        status: landed, as long as nothing went wrong.
        error: what went wrong.
        unanswered: days for which it went wrong, where it did not for all.
        requests: how many requests were sent.
        pages: how many responses held documents, or an empty list of them.
    """

    username: str
    asked_at: datetime
    received_at: datetime
    status: FetchStatus = FetchStatus.LANDED
    error: Exception | None = None
    unanswered: list[Unanswered] = field(default_factory=list)
    requests: int = 0
    pages: int = 0


@dataclass(frozen=True, kw_only=True)
class PersonFetcher:
    """The documents of one type and range of days, fetched for one person after the other.

    Attributes:
        pipeline: the pipeline.
        document_type: of the documents.
        days: the first and the last day, both included.
        spool: where the documents go.
        progress: receives a report of every page.
    """

    pipeline: Pipeline
    document_type: DocumentType
    days: tuple[date, date]
    spool: Spool
    progress: Progress

    def fetch(self, person: Person) -> PersonResult | None:
        """Spool a person's documents; None: they have left meanwhile.

        What goes wrong for one person is part of the result and not raised: the others' documents
        are landed all the same.
        """
        now = datetime.now(UTC)
        result = PersonResult(username=person.username, asked_at=now, received_at=now)
        try:
            with (
                self.pipeline.turns,
                logs.about(person=person.id, type=self.document_type.name),
                self._traced(person, result),
            ):
                client = self.pipeline.client(person.username, known=True)
                self._spool(person, client, result)
                result.requests, result.pages = client.requests, client.pages
        except UnknownPerson:
            self.spool.discard(person.username)
            return None
        # Half of somebody's documents must not land: the missing ones would count as deleted.
        if result.error:
            self.spool.discard(person.username)
        result.received_at = datetime.now(UTC)
        self.progress.person_done(self.document_type.name, person.username)
        return result

    @contextmanager
    def _traced(self, person: Person, result: PersonResult) -> Iterator[None]:
        about = partial(subject, person.id, self.document_type, *self.days)
        with self.pipeline.telemetry.stage("request", lambda: [about()]) as stage:
            yield
            failed = int(result.error is not None)
            stage.counts = {"requests": result.requests, "pages": result.pages, "failed": failed}

    def _spool(self, person: Person, client: OuraClient, result: PersonResult) -> None:
        try:
            result.unanswered = self._spool_pages(person, client)
        except ScopeNotGranted as error:
            result.status, result.error = FetchStatus.NOT_GRANTED, error
        except (OuraError, AccountsBusy, PersonRefused, UnusableDocuments) as error:
            result.status, result.error = FetchStatus.FAILED, error

    def _spool_pages(self, person: Person, client: OuraClient) -> list[Unanswered]:
        """Spool what Oura answers, and return the days for which that was no page."""
        halving = Halving(
            lambda first, last, patient: client.documents(
                self.document_type, first, last, patient=patient
            )
        )
        for page in halving.pages(*self.days):
            if self.document_type.identifies:
                self._identify(person, page.documents)
            for documents, requested in ((page.documents, True), (page.outside, False)):
                self.spool.add(person.username, documents, requested, regular=page.regular)
            self.spool.set_aside(person.username, page.unusable)
            self.progress.page(self.document_type.name, person.username, len(page.documents))
        return halving.unanswered

    def _identify(self, person: Person, documents: Sequence[Document]) -> None:
        """Record Oura's id of a person where it is new.

        Raises:
            PersonRefused: it is somebody else's, or they had another one.
        """
        for document in documents:
            oura_id = _IDENTITY.decode(document.raw).id
            if oura_id != person.oura_id:
                self.pipeline.accounts.people.identify(person.username, oura_id)


class _Identity(msgspec.Struct):
    """The part of a document that says whose it is."""

    id: str


_IDENTITY = msgspec.json.Decoder(_Identity)
