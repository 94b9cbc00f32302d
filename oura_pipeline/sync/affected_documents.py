"""The documents that webhook events are about, and what becomes of the events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.inbox import Event
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.days import back_off
from oura_pipeline.oura.errors import MembershipLapsed, ScopeNotGranted
from oura_pipeline.oura.webhooks import DeliveryRefused, WebhookEvent, parse_event
from oura_pipeline.pipeline import Pipeline

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
SYNCS_LAND_WITHIN = timedelta(minutes=10)  # a sync that fetched before the event has landed by then
BELIEVE_CONTRADICTION_AFTER = timedelta(hours=24)  # Oura may contradict itself for that long
GIVE_UP_AFTER = timedelta(days=3)  # an event waits for that long until Oura, or we, work again

DOCUMENT_TYPES_BY_DATA_TYPE = {
    document_type.webhook: document_type
    for document_type in DOCUMENT_TYPES
    if document_type.webhook and document_type.single
}


class Outcome(StrEnum):
    """What became of an event."""

    LANDED = "landed"
    GONE = "gone"
    POSTPONED = "postponed"
    UNREADABLE = "unreadable"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_PERSON = "unknown_person"
    NOT_CONNECTED = "not_connected"  # left, disconnected, must sign in again, no membership
    NOT_GRANTED = "not_granted"
    GIVEN_UP = "given_up"


# Errors after which it is of no use to ask Oura again.
_FINAL_ERRORS: dict[type, Outcome] = {
    UnknownPerson: Outcome.NOT_CONNECTED,
    SignInRequired: Outcome.NOT_CONNECTED,
    MembershipLapsed: Outcome.NOT_CONNECTED,
    ScopeNotGranted: Outcome.NOT_GRANTED,
}

FinishedEvents = list[tuple[Event, Outcome]]


@dataclass(kw_only=True)
class AffectedDocument:
    """One document that events are about, and what is known of it.

    Attributes:
        person: whose it is.
        document_type: of the document.
        id: Oura's id of it; personal.
        events: those received about it.
        deleted_at: when the newest delete event came; None: there is none.
        exists: whether Oura has it now; None: unknown, because of `error`.
        error: why Oura did not say.
        days: the days to fetch.
        failed: whether one of them could not be fetched or landed.
        stored: whether it is in the warehouse after that.
    """

    person: Person
    document_type: DocumentType
    id: str = field(repr=False)
    events: list[Event] = field(default_factory=list)
    deleted_at: datetime | None = None
    exists: bool | None = None
    error: Exception | None = None
    days: set[date] = field(default_factory=set)
    failed: bool = False
    stored: bool = False

    def add(self, event: Event, content: WebhookEvent) -> None:
        """Add an event about it."""
        self.events.append(event)
        if content.event_type == "delete":
            self.deleted_at = max(self.deleted_at or event.received_at, event.received_at)

    @property
    def final_error(self) -> Outcome | None:
        """Why it is of no use to ask Oura again, where that is so."""
        final = (end for kind, end in _FINAL_ERRORS.items() if isinstance(self.error, kind))
        return next(final, None)

    @property
    def received_at(self) -> datetime:
        """When the oldest of its events came."""
        return min(event.received_at for event in self.events)

    @property
    def attempts(self) -> int:
        """How often the most stubborn of its events was postponed."""
        return max(event.attempts for event in self.events)

    def stored_days_wanted(self, now: datetime) -> bool:
        """Whether the days under which it is stored are to be fetched again."""
        age = now - self.received_at
        if self.final_error:
            return False
        if self.exists is None:
            # Before giving up: the days show what the document itself did not.
            return age >= GIVE_UP_AFTER
        # Not found without a delete event may be a passing fault of Oura's, and a fetch would
        # delete the document here.
        return self.exists or self.deleted_at is not None or age >= BELIEVE_CONTRADICTION_AFTER


def document_key(event: Event) -> tuple[str, str, str] | None:
    """Return what identifies the document that an event is about; None: it is unreadable."""
    content = _parse(event)
    return (content.user_id, content.data_type, content.object_id) if content else None


def group_by_document(
    pipeline: Pipeline, events: Sequence[Event]
) -> tuple[list[AffectedDocument], FinishedEvents]:
    """Return the documents that events are about, and the events that are about none of ours."""
    people: dict[str, Person | None] = {}
    documents: dict[tuple[str, str, str], AffectedDocument] = {}
    finished: FinishedEvents = []
    for event in events:
        content = _parse(event)
        if content is None:
            finished.append((event, Outcome.UNREADABLE))
            continue
        if content.user_id not in people:
            people[content.user_id] = pipeline.accounts.people.by_oura_id(content.user_id)
        person = people[content.user_id]
        document_type = DOCUMENT_TYPES_BY_DATA_TYPE.get(content.data_type)
        if person is None:
            finished.append((event, Outcome.UNKNOWN_PERSON))
        elif document_type is None:
            finished.append((event, Outcome.UNKNOWN_TYPE))
        elif person.state is not PersonState.CONNECTED:
            finished.append((event, Outcome.NOT_CONNECTED))
        else:
            key = content.user_id, content.data_type, content.object_id
            new = AffectedDocument(person=person, document_type=document_type, id=content.object_id)
            documents.setdefault(key, new).add(event, content)
    return list(documents.values()), finished


def by_document_type(
    documents: Sequence[AffectedDocument],
) -> Iterator[tuple[DocumentType, list[AffectedDocument]]]:
    """Yield each document type with its documents, in the order of the table of types."""
    groups: dict[str, list[AffectedDocument]] = defaultdict(list)
    for document in documents:
        groups[document.document_type.name].append(document)
    for document_type in DOCUMENT_TYPES:
        if document_type.name in groups:
            yield document_type, groups[document_type.name]


def verdict(
    document: AffectedDocument, event: Event, now: datetime
) -> tuple[Outcome, datetime | None]:
    """Return what becomes of one event: its outcome, and until when it waits; None: finished."""
    if document.final_error:
        return document.final_error, None
    later = now + retry_delay(event.attempts)
    age = now - event.received_at
    if document.exists is None or document.failed:
        return Outcome.GIVEN_UP, later if age < GIVE_UP_AFTER else None
    deleted_at = document.deleted_at
    agreed = document.exists == document.stored and (document.exists or deleted_at is not None)
    if not agreed:
        return Outcome.GIVEN_UP, later if age < BELIEVE_CONTRADICTION_AFTER else None
    # Either deleted and yet there, or gone without a fetch because it was stored nowhere: a sync
    # that fetched before the deletion may still land the document.
    doubtful = document.exists or not document.days
    if doubtful and deleted_at is not None and now < deleted_at + SYNCS_LAND_WITHIN:
        return Outcome.POSTPONED, deleted_at + SYNCS_LAND_WITHIN
    return Outcome.LANDED if document.exists else Outcome.GONE, None


def retry_delay(attempts: int) -> timedelta:
    """Return how long to leave an event alone after so many attempts before this one."""
    return back_off(attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def _parse(event: Event) -> WebhookEvent | None:
    try:
        return parse_event(event.body)
    except DeliveryRefused:
        return None
