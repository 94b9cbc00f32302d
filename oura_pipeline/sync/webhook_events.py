"""Webhook events, turned into documents in DuckDB and points in Graphite.

An event is only a hint that something happened to a document. Oura is asked what is true now, so
events may come twice, late or in any order, and their content is never landed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime

from oura_pipeline.accounts.errors import AccountsBusy, UnknownPerson
from oura_pipeline.accounts.inbox import Event
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import DocumentNotFound, OuraUnavailable, RateLimited
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.affected_documents import (
    AffectedDocument,
    FinishedEvents,
    Outcome,
    by_document_type,
    document_key,
    group_by_document,
    verdict,
)
from oura_pipeline.sync.fetch import FetchResult, fetch_and_land
from oura_pipeline.sync.push import PushedDocuments, push_documents
from oura_pipeline.sync.waiting import day_ranges

EVENTS_AT_ONCE = 1000
MAX_BATCHES = 100  # the next run takes the rest
MAX_WAITING = 10_000  # events that are searched for others about the same documents
MAX_UNANSWERED_IN_A_ROW = 3  # then a person's other documents wait for the next run


@dataclass(kw_only=True)
class DrainResult:
    """What became of some events.

    Attributes:
        outcomes: how many events came to what.
        fetched: the result of every range of days that was fetched.
        pushed: the result of every push.
        unsent: why points were not sent, where that failed; the ledger knows which.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    fetched: list[tuple[DocumentType, FetchResult]] = field(default_factory=list)
    pushed: list[tuple[DocumentType, PushedDocuments]] = field(default_factory=list)
    unsent: GraphiteUnavailable | None = None

    @property
    def usernames(self) -> list[str]:
        """Whose days were fetched."""
        return sorted({row.username for _, fetched in self.fetched for row in fetched.fetches})

    @property
    def days(self) -> list[date]:
        """The first and the last day that was fetched; empty where none was."""
        days = sorted(day for _, fetched in self.fetched for day in fetched.days)
        return [days[0], days[-1]] if days else []

    def add(self, other: DrainResult) -> None:
        """Add the result of another batch."""
        self.outcomes.update(other.outcomes)
        self.fetched += other.fetched
        self.pushed += other.pushed
        self.unsent = self.unsent or other.unsent


def land_due(pipeline: Pipeline, *, run_id: str, now: datetime) -> Iterator[DrainResult]:
    """Land all events that are due, in batches, and yield what became of each batch."""
    for _ in range(MAX_BATCHES):
        events = due_events(pipeline, now)
        if not events:
            return
        yield land_events(pipeline, events, run_id=run_id, now=now)


def due_events(pipeline: Pipeline, now: datetime) -> list[Event]:
    """Return the oldest events that are due, and the postponed ones about the same documents."""
    due = pipeline.accounts.inbox.waiting(EVENTS_AT_ONCE, due=now)
    if not due:
        return []
    waiting = pipeline.accounts.inbox.waiting(MAX_WAITING)
    keys = {document_key(event) for event in due} - {None}
    taken = {event.id for event in due}
    return due + [e for e in waiting if e.id not in taken and document_key(e) in keys]


def land_events(
    pipeline: Pipeline, events: Sequence[Event], *, run_id: str, now: datetime
) -> DrainResult:
    """Ask Oura about the documents that events are about, land their days and push them.

    Every event is finished or postponed afterwards. No event waits for Graphite: why points were
    not sent is in `unsent`, and `push_waiting` sends them later.

    Args:
        pipeline: the pipeline.
        events: of the inbox, not finished.
        run_id: the Dagster run.
        now: the present moment; the age of an event decides for how long it is tried.
    """
    result = DrainResult()
    documents, finished = group_by_document(pipeline, events)
    _probe(pipeline, documents)
    _choose_days(pipeline, documents, now)
    for document_type, some in by_document_type(documents):
        _refetch_days(pipeline, document_type, some, result, run_id)
    # Only now is the landing durable: a run that ends before this leaves its events waiting.
    _acknowledge(pipeline, documents, finished, result, now)
    _push(pipeline, result)
    return result


def _probe(pipeline: Pipeline, documents: Sequence[AffectedDocument]) -> None:
    """Ask Oura for each document by its id, for several people at once."""
    by_person: dict[str, list[AffectedDocument]] = defaultdict(list)
    for document in documents:
        by_person[document.person.username].append(document)
    with ThreadPoolExecutor(max_workers=pipeline.people_at_once) as pool:
        list(pool.map(lambda some: _probe_person(pipeline, some), by_person.values()))


def _probe_person(pipeline: Pipeline, documents: Sequence[AffectedDocument]) -> None:
    try:
        client = pipeline.client(documents[0].person.username)
    except UnknownPerson as error:
        for document in documents:
            document.error = error
        return
    unanswered = 0
    # The least tried first: a document that Oura never manages to return must not keep the others
    # from their turn.
    for document in sorted(documents, key=lambda document: document.attempts):
        if unanswered >= MAX_UNANSWERED_IN_A_ROW:
            document.error = OuraUnavailable("not requested: Oura does not respond")
            continue
        _probe_document(client, document)
        away = isinstance(document.error, (OuraUnavailable, RateLimited, AccountsBusy))
        unanswered = unanswered + 1 if away else 0


def _probe_document(client: OuraClient, document: AffectedDocument) -> None:
    try:
        document.days = {client.document(document.document_type, document.id).day}
        document.exists = True
    except DocumentNotFound:
        document.exists = False
    except (OuraError, AccountsBusy) as error:
        document.error = error


def _choose_days(pipeline: Pipeline, documents: Sequence[AffectedDocument], now: datetime) -> None:
    """Choose the days to fetch: those to which each document belongs, and where it is stored."""
    for document_type, some in by_document_type(documents):
        # A delete event carries only an id, and a document may have moved to another day.
        stored = _stored_days(pipeline, document_type, some)
        for document in some:
            if document.stored_days_wanted(now):
                document.days |= stored.get((document.person.username, document.id), set())
            if document.days and not document_type.partitioned:
                document.days = {now.date()}


def _stored_days(
    pipeline: Pipeline, document_type: DocumentType, documents: Sequence[AffectedDocument]
) -> dict[tuple[str, str], set[date]]:
    return pipeline.warehouse.days_of(
        document_type,
        usernames={document.person.username for document in documents},
        ids={document.id for document in documents},
    )


def _stored_documents(
    pipeline: Pipeline, document_type: DocumentType, documents: Sequence[AffectedDocument]
) -> set[tuple[str, str | None]]:
    """Return the (username, id) that are stored; one that is set aside is stored too."""
    usernames = {document.person.username for document in documents}
    aside = pipeline.warehouse.quarantined(usernames, document_type)
    landed = _stored_days(pipeline, document_type, documents)
    return {*landed, *((one.username, one.id) for one in aside)}


def _refetch_days(
    pipeline: Pipeline,
    document_type: DocumentType,
    documents: Sequence[AffectedDocument],
    result: DrainResult,
    run_id: str,
) -> None:
    """Fetch exactly the chosen days, and note which documents are stored afterwards."""
    people = {document.person.username: document.person for document in documents}
    days: dict[str, set[date]] = defaultdict(set)
    for document in documents:
        days[document.person.username] |= document.days
    failed: set[tuple[str, date]] = set()
    for (first, last), usernames in day_ranges(days).items():
        fetched = fetch_and_land(
            pipeline,
            document_type,
            [people[username] for username in usernames],
            first_day=first,
            last_day=last,
            run_id=run_id,
            # The document itself is not found either.
            losses_known=any(document.exists is False for document in documents),
        )
        result.fetched.append((document_type, fetched))
        failed |= {
            (row.username, row.day) for row in fetched.fetches if row.status is FetchStatus.FAILED
        }
    stored = _stored_documents(pipeline, document_type, documents) if any(days.values()) else set()
    for document in documents:
        document.failed = any((document.person.username, day) in failed for day in document.days)
        document.stored = (document.person.username, document.id) in stored


def _acknowledge(
    pipeline: Pipeline,
    documents: Sequence[AffectedDocument],
    finished: FinishedEvents,
    result: DrainResult,
    now: datetime,
) -> None:
    """Finish or postpone every event, and count the outcomes."""
    done = list(finished)
    later: dict[datetime, list[int]] = defaultdict(list)
    for document in documents:
        for event in document.events:
            outcome, until = verdict(document, event, now)
            if until is None:
                done.append((event, outcome))
            else:
                later[until].append(event.id)
                result.outcomes[Outcome.POSTPONED] += 1
    result.outcomes.update(outcome for _, outcome in done)
    pipeline.accounts.inbox.finish([event.id for event, _ in done])
    for until, ids in later.items():
        pipeline.accounts.inbox.postpone(ids, until)


def _push(pipeline: Pipeline, result: DrainResult) -> None:
    """Push every day that was fetched, and the days from or to which a document moved."""
    for document_type in DOCUMENT_TYPES:
        days: dict[str, set[date]] = defaultdict(set)
        for fetched in (one for of, one in result.fetched if of is document_type):
            for row in fetched.fetches:
                if row.status in (FetchStatus.LANDED, FetchStatus.EMPTY):
                    days[row.username].add(row.day)
            for username, day in fetched.landing.elsewhere if fetched.landing else ():
                days[username].add(day)
        _push_days(pipeline, document_type, days, result)


def _push_days(
    pipeline: Pipeline,
    document_type: DocumentType,
    days: Mapping[str, Iterable[date]],
    result: DrainResult,
) -> None:
    for (first, last), usernames in day_ranges(days).items():
        if result.unsent:
            return  # each attempt takes a while; the days wait for `push_waiting`
        some = days_between(first, last) if document_type.partitioned else None
        try:
            pushed = push_documents(pipeline, document_type, usernames, some)
        except GraphiteUnavailable as error:
            result.unsent = error
        else:
            result.pushed.append((document_type, pushed))
