"""Webhook events become documents in DuckDB and points in Graphite.

What surprises: an event is only a hint that something happened to a document. Oura is asked what is
true now, so events may come twice, late or in any order, and what they say is never landed. A
delete event carries nothing but an id: its days are those under which the document stands here.

An event is finished when its landing is durable; whatever ends a run before that leaves it waiting.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from oura_pipeline.accounts.errors import AccountsBusy, UnknownPerson
from oura_pipeline.accounts.inbox import Event
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.credentials import OuraError, SignInRequired
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.days import back_off, days_between, runs_of_days
from oura_pipeline.graphite.carbon import GraphiteUnavailable, Metrics
from oura_pipeline.ledger import FetchStatus, PushState
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import (
    DocumentNotFound,
    MembershipLapsed,
    OuraUnavailable,
    RateLimited,
    ScopeNotGranted,
)
from oura_pipeline.oura.webhooks import DeliveryRefused, WebhookEvent, parse_event
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.fetch import PEOPLE_AT_ONCE, FetchResult, fetch_and_land
from oura_pipeline.sync.push import PushedDocuments, push_documents

EVENTS_AT_ONCE = 1000  # events
MAX_BATCHES = 100  # the next run takes what is left
MAX_WAITING = 10_000  # events that are looked through for others about the same documents
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
SYNCS_LAND_WITHIN = timedelta(minutes=10)  # a sync that asked before the event has landed by then
BELIEVE_CONTRADICTION_AFTER = timedelta(
    hours=24
)  # how long Oura may contradict itself about a document
GIVE_UP_AFTER = timedelta(days=3)  # how long an event waits for Oura, or for us, to work again
MAX_UNANSWERED_IN_A_ROW = 3  # in a row, after which a person's other documents are not asked for
PUSH_ENDS_WITHIN = timedelta(minutes=10)  # a push that is under way takes less

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


_REFUSALS: dict[type, Outcome] = {
    UnknownPerson: Outcome.NOT_CONNECTED,
    SignInRequired: Outcome.NOT_CONNECTED,
    MembershipLapsed: Outcome.NOT_CONNECTED,
    ScopeNotGranted: Outcome.NOT_GRANTED,
}


@dataclass(kw_only=True)
class DrainResult:
    """What became of some events.

    Attributes:
        outcomes: how many events came to what.
        fetched: every question for days, with what it landed.
        pushed: every push.
        unsent: why points did not leave, where they did not; the ledger knows which.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    fetched: list[tuple[DocumentType, FetchResult]] = field(default_factory=list)
    pushed: list[tuple[DocumentType, PushedDocuments]] = field(default_factory=list)
    unsent: GraphiteUnavailable | None = None

    @property
    def usernames(self) -> list[str]:
        """Whose days were asked."""
        return sorted({row.username for _, fetched in self.fetched for row in fetched.fetches})

    @property
    def days(self) -> list[date]:
        """The first and the last day that was asked; empty where none was."""
        days = sorted(day for _, fetched in self.fetched for day in fetched.days)
        return [days[0], days[-1]] if days else []

    def add(self, other: DrainResult) -> None:
        """Count another batch in."""
        self.outcomes.update(other.outcomes)
        self.fetched += other.fetched
        self.pushed += other.pushed
        self.unsent = self.unsent or other.unsent


@dataclass(kw_only=True)
class AffectedDocument:
    """One document that events are about, and what is found out about it.

    Attributes:
        person: whose it is.
        document_type: its row.
        id: Oura's id of it; personal.
        events: what was received about it.
        deleted_at: when the newest delete event came; None: there is none.
        exists: whether Oura has it now; None: that could not be found out.
        error: why not.
        days: the days to be asked.
        failed: whether one of them could not be asked, or not be landed.
        stands: whether it stands in the warehouse after that.
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
    stands: bool = False

    def hear(self, event: Event, said: WebhookEvent) -> None:
        """One more event about it."""
        self.events.append(event)
        if said.event_type == "delete":
            self.deleted_at = max(self.deleted_at or event.received_at, event.received_at)

    @property
    def refusal(self) -> Outcome | None:
        """Why it is of no use to ask, where that is so."""
        return _REFUSALS.get(type(self.error))

    @property
    def received_at(self) -> datetime:
        """When the first event came that is still waiting."""
        return min(event.received_at for event in self.events)


def land_due(pipeline: Pipeline, *, run_id: str, now: datetime) -> Iterator[DrainResult]:
    """Land all events that are due at this moment, in batches: what became of each batch."""
    for _ in range(MAX_BATCHES):
        events = due_events(pipeline, now)
        if not events:
            return
        yield land_events(pipeline, events, run_id=run_id, now=now)


def due_events(pipeline: Pipeline, now: datetime) -> list[Event]:
    """The oldest events that are due, and the postponed ones about the same documents."""
    due = pipeline.accounts.inbox.waiting(EVENTS_AT_ONCE, due=now)
    if not due:
        return []
    waiting = pipeline.accounts.inbox.waiting(MAX_WAITING)
    about = {_about(event) for event in due} - {None}
    taken = {event.id for event in due}
    return due + [e for e in waiting if e.id not in taken and _about(e) in about]


def land_events(
    pipeline: Pipeline, events: Sequence[Event], *, run_id: str, now: datetime
) -> DrainResult:
    """Ask Oura what is true of the documents that these events are about, land it, push it.

    Every event is finished or postponed afterwards. A Graphite that is away makes no event wait:
    it is in `unsent`, and `push_pending` sends what did not leave.

    Args:
        pipeline: what is worked with.
        events: of the inbox, not finished.
        run_id: of the run.
        now: the present; an event's age decides how patient we are.
    """
    drained = DrainResult()
    matters, settled = _group_by_document(pipeline, events)
    _probe(pipeline, matters)
    _choose_days(pipeline, matters, now)
    for document_type, some in _by_type(matters):
        _refetch_days(pipeline, document_type, some, drained, run_id)
    _acknowledge(pipeline, matters, settled, drained, now)
    _push(pipeline, drained)
    return drained


def push_pending(pipeline: Pipeline, now: datetime) -> DrainResult:
    """Push again what did not leave in an earlier run, of events or of anything else."""
    drained = DrainResult()
    left: dict[str, dict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    for row in pipeline.accounts.pushes.find(states=[PushState.PENDING]):
        if row.at < now - PUSH_ENDS_WITHIN:
            left[row.document_type][row.username].add(row.day)
    for document_type in DOCUMENT_TYPES:
        _push_days(pipeline, document_type, left[document_type.name], drained)
    return drained


def retry_delay(attempts: int) -> timedelta:
    """Return how long to leave an event alone after so many attempts before this one."""
    return back_off(attempts + 1, first=FIRST_WAIT, longest=LONGEST_WAIT)


def day_ranges(days: Mapping[str, Iterable[date]]) -> dict[tuple[date, date], list[str]]:
    """The fewest questions that are for exactly these people's days: first and last day → who."""
    found: dict[tuple[date, date], list[str]] = defaultdict(list)
    for username, theirs in sorted(days.items()):
        for span in runs_of_days(theirs):
            found[span].append(username)
    return dict(sorted(found.items()))


Finished = list[tuple[Event, Outcome]]


def _read(event: Event) -> WebhookEvent | None:
    try:
        return parse_event(event.body)
    except DeliveryRefused:
        return None


def _about(event: Event) -> tuple[str, str, str] | None:
    """The document that an event is about; None: it cannot be read."""
    said = _read(event)
    return (said.user_id, said.data_type, said.object_id) if said else None


def _group_by_document(
    pipeline: Pipeline, events: Sequence[Event]
) -> tuple[list[AffectedDocument], Finished]:
    """The documents that the events are about, and the events that are about none of ours."""
    people: dict[str, Person | None] = {}
    matters: dict[tuple[str, str, str], AffectedDocument] = {}
    settled: Finished = []
    for event in events:
        said = _read(event)
        if said is None:
            settled.append((event, Outcome.UNREADABLE))
            continue
        if said.user_id not in people:
            people[said.user_id] = pipeline.accounts.people.by_oura_id(said.user_id)
        person, document_type = (
            people[said.user_id],
            DOCUMENT_TYPES_BY_DATA_TYPE.get(said.data_type),
        )
        if person is None or document_type is None or person.state is not PersonState.CONNECTED:
            settled.append((event, _of_nobody(person, document_type)))
            continue
        key = said.user_id, said.data_type, said.object_id
        fresh = AffectedDocument(person=person, document_type=document_type, id=said.object_id)
        matters.setdefault(key, fresh).hear(event, said)
    return list(matters.values()), settled


def _of_nobody(person: Person | None, document_type: DocumentType | None) -> Outcome:
    if person is None:
        return Outcome.UNKNOWN_PERSON
    return Outcome.UNKNOWN_TYPE if document_type is None else Outcome.NOT_CONNECTED


def _probe(pipeline: Pipeline, matters: Sequence[AffectedDocument]) -> None:
    """Ask for each document by its id, several people at once."""
    by_person: dict[str, list[AffectedDocument]] = defaultdict(list)
    for matter in matters:
        by_person[matter.person.username].append(matter)
    with ThreadPoolExecutor(max_workers=PEOPLE_AT_ONCE) as pool:
        list(pool.map(lambda theirs: _probe_person(pipeline, theirs), by_person.values()))


def _probe_person(pipeline: Pipeline, matters: Sequence[AffectedDocument]) -> None:
    """Ask for one person's documents; no more after several in a row without an answer."""
    try:
        client = pipeline.client(matters[0].person.username)
    except UnknownPerson as error:
        for matter in matters:
            matter.error = error
        return
    unanswered = 0
    # Those that were never asked for come first: a document that Oura never manages to give must
    # not keep the others from their turn.
    for matter in sorted(matters, key=lambda m: max(event.attempts for event in m.events)):
        if unanswered >= MAX_UNANSWERED_IN_A_ROW:
            matter.error = OuraUnavailable("not asked: Oura does not answer")
            continue
        _probe_document(client, matter)
        away = isinstance(matter.error, (OuraUnavailable, RateLimited, AccountsBusy))
        unanswered = unanswered + 1 if away else 0


def _probe_document(client: OuraClient, matter: AffectedDocument) -> None:
    try:
        matter.days = {client.document(matter.document_type, matter.id).day}
        matter.exists = True
    except DocumentNotFound:
        matter.exists = False
    except (OuraError, AccountsBusy) as error:
        matter.error = error


def _by_type(
    matters: Sequence[AffectedDocument],
) -> Iterator[tuple[DocumentType, list[AffectedDocument]]]:
    for document_type in DOCUMENT_TYPES:
        if some := [matter for matter in matters if matter.document_type is document_type]:
            yield document_type, some


def _choose_days(pipeline: Pipeline, matters: Sequence[AffectedDocument], now: datetime) -> None:
    """Which days to ask: where each document belongs, and where it stands."""
    for document_type, some in _by_type(matters):
        stored = _stored(pipeline, document_type, some)
        for matter in some:
            if _is_worth_asking(matter, now):
                matter.days |= stored.get((matter.person.username, matter.id), set())
            if matter.days and not document_type.partitioned:
                matter.days = {now.date()}


def _is_worth_asking(matter: AffectedDocument, now: datetime) -> bool:
    """Whether the days where the document stands are asked again."""
    age = now - matter.received_at
    if matter.refusal:
        return False
    if matter.exists is None:
        return age >= GIVE_UP_AFTER
    return matter.exists or matter.deleted_at is not None or age >= BELIEVE_CONTRADICTION_AFTER


def _stored(
    pipeline: Pipeline, document_type: DocumentType, matters: Sequence[AffectedDocument]
) -> dict[tuple[str, str], set[date]]:
    return pipeline.warehouse.days_of(
        document_type,
        usernames={matter.person.username for matter in matters},
        ids={matter.id for matter in matters},
    )


def _refetch_days(
    pipeline: Pipeline,
    document_type: DocumentType,
    matters: Sequence[AffectedDocument],
    drained: DrainResult,
    run_id: str,
) -> None:
    """Ask for exactly the days that are concerned, and see what stands afterwards."""
    people = {matter.person.username: matter.person for matter in matters}
    days: dict[str, set[date]] = defaultdict(set)
    for matter in matters:
        days[matter.person.username] |= matter.days
    failed: set[tuple[str, date]] = set()
    for (first, last), usernames in day_ranges(days).items():
        fetched = fetch_and_land(
            pipeline,
            document_type,
            [people[username] for username in usernames],
            first_day=first,
            last_day=last,
            run_id=run_id,
        )
        drained.fetched.append((document_type, fetched))
        failed |= {(a.username, day) for a in fetched.failed for day in days_between(first, last)}
    stored = _stored(pipeline, document_type, matters) if any(days.values()) else {}
    for matter in matters:
        matter.failed = any((matter.person.username, day) in failed for day in matter.days)
        matter.stands = (matter.person.username, matter.id) in stored


def _acknowledge(
    pipeline: Pipeline,
    matters: Sequence[AffectedDocument],
    settled: Finished,
    drained: DrainResult,
    now: datetime,
) -> None:
    """Finish and postpone the events, and count them."""
    finished = list(settled)
    later: dict[datetime, list[int]] = defaultdict(list)
    for matter in matters:
        for event in matter.events:
            outcome, until = verdict(matter, event, now)
            if until is None:
                finished.append((event, outcome))
            else:
                later[until].append(event.id)
                drained.outcomes[Outcome.POSTPONED] += 1
    drained.outcomes.update(outcome for _, outcome in finished)
    pipeline.accounts.inbox.finish([event.id for event, _ in finished])
    for until, ids in later.items():
        pipeline.accounts.inbox.postpone(ids, until)


def verdict(
    matter: AffectedDocument, event: Event, now: datetime
) -> tuple[Outcome, datetime | None]:
    """What becomes of one of the events about a document: why it is finished, or until when not."""
    if matter.refusal:
        return matter.refusal, None
    later = now + retry_delay(event.attempts)
    if matter.exists is None or matter.failed:
        return Outcome.GIVEN_UP, later if now - event.received_at < GIVE_UP_AFTER else None
    deleted_at = matter.deleted_at
    agreed = matter.exists == matter.stands and (matter.exists or deleted_at is not None)
    if not agreed:
        return (
            Outcome.GIVEN_UP,
            later if now - event.received_at < BELIEVE_CONTRADICTION_AFTER else None,
        )
    # Deleted and there; or gone without having been asked, as it stood nowhere: once more later.
    doubtful = matter.exists or not matter.days
    if doubtful and deleted_at is not None and now < deleted_at + SYNCS_LAND_WITHIN:
        return Outcome.POSTPONED, deleted_at + SYNCS_LAND_WITHIN
    return Outcome.LANDED if matter.exists else Outcome.GONE, None


def _push(pipeline: Pipeline, drained: DrainResult) -> None:
    """Push every day that was asked, and those that lost a document to one or got one."""
    for document_type in DOCUMENT_TYPES:
        days: dict[str, set[date]] = defaultdict(set)
        for fetched in (one for row, one in drained.fetched if row is document_type):
            for row in fetched.fetches:
                if row.status in (FetchStatus.LANDED, FetchStatus.EMPTY):
                    days[row.username].add(row.day)
            for username, day in fetched.landing.elsewhere if fetched.landing else ():
                days[username].add(day)
        _push_days(pipeline, document_type, days, drained)


def _push_days(
    pipeline: Pipeline,
    document_type: DocumentType,
    days: Mapping[str, Iterable[date]],
    drained: DrainResult,
) -> None:
    for (first, last), usernames in day_ranges(days).items():
        some = days_between(first, last) if document_type.partitioned else None
        carried = pipeline if drained.unsent is None else replace(pipeline, sender=_Away())
        try:
            pushed = push_documents(carried, document_type, usernames, some)
        except GraphiteUnavailable as error:
            drained.unsent = drained.unsent or error
        else:
            drained.pushed.append((document_type, pushed))


class _Away:
    """In the place of a carbon that did not answer: nothing leaves, the ledger says what should."""

    confirms_delivery = False

    def send(self, metrics: Metrics) -> None:
        """Nothing."""
        raise GraphiteUnavailable("Graphite is away", retryable=False)
