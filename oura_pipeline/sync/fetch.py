"""One document type, for a set of people and a range of days: ask, land, remember.

What surprises: everybody is asked before DuckDB is opened, so the file is held for a moment only;
and one person's trouble stays that person's: an entry in the ledger, not an exception. Between
asking and landing another run may ask and land the same days: whose answer was overtaken like that
is asked once more, so that an older answer never replaces a newer one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec

from oura_pipeline.accounts.errors import AccountsBusy, PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.oura.errors import ScopeNotGranted
from oura_pipeline.oura.offsets import OffsetTimeline
from oura_pipeline.oura.pages import Document
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.progress import Progress, progress
from oura_pipeline.warehouse.errors import UnusableDocuments
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.spool import Spool

PEOPLE_AT_ONCE = 8
FETCHED_STATES = (PersonState.CONNECTED, PersonState.SIGN_IN_REQUIRED)


@dataclass(kw_only=True)
class PersonResult:
    """What came of asking for one person, from when to when."""

    username: str
    asked_at: datetime
    received_at: datetime
    status: FetchStatus = FetchStatus.LANDED
    error: Exception | None = None
    requests: int = 0
    pages: int = 0


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """What came of one document type.

    Attributes:
        days: the days that were asked.
        answers: one per person.
        fetches: the ledger rows that were written, one per person and day.
        landing: what changed in the warehouse; None when nobody's answer could be landed.
        seconds: how long it took.
    """

    days: Sequence[date]
    answers: Sequence[PersonResult]
    fetches: Sequence[Fetch]
    landing: Landing | None
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests it took."""
        return sum(answer.requests for answer in self.answers)

    @property
    def pages(self) -> int:
        """How many of them brought documents, or told that there are none."""
        return sum(answer.pages for answer in self.answers)

    @property
    def failed(self) -> list[PersonResult]:
        """The people whose question failed."""
        return [answer for answer in self.answers if answer.status is FetchStatus.FAILED]

    def by_day(self) -> dict[date, list[Fetch]]:
        """The ledger rows of every day, in order."""
        days: dict[date, list[Fetch]] = {day: [] for day in self.days}
        for fetch in self.fetches:
            days[fetch.day].append(fetch)
        return days


def people_to_fetch(
    pipeline: Pipeline, usernames: Iterable[str] = (), *, some_may_have_left: bool = False
) -> list[Person]:
    """The people of these names, or everybody, without who disconnected or left.

    Who must sign in again is asked all the same, so that the ledger and the checks say why there is
    nothing of them.

    Args:
        pipeline: whose people.
        usernames: of whom; nobody means everybody.
        some_may_have_left: whether they were named some time ago, so that a name which nobody has
            any more is no mistake.

    Raises:
        LookupError: there is no such person, or none of them any more.
    """
    everybody = {person.username: person for person in pipeline.accounts.people.all()}
    wanted = list(usernames) or list(everybody)
    strangers = set(wanted) - everybody.keys()
    if strangers and not some_may_have_left:
        raise UnknownPerson(strangers, everybody)
    if strangers and strangers == set(wanted):
        # Without names: whoever has left is to be named nowhere any more.
        raise LookupError("none of these people is here (any more); look at whom the run is for")
    here = [everybody[name] for name in wanted if name in everybody]
    return [person for person in here if person.state in FETCHED_STATES]


def fetch_and_land(
    pipeline: Pipeline,
    document_type: DocumentType,
    people: Sequence[Person],
    *,
    first_day: date,
    last_day: date,
    run_id: str,
) -> FetchResult:
    """Ask for all people's documents of these days, both included, and land what was answered.

    For a document type without days the range is ignored and the day is that of the fetch.
    """
    began = time.monotonic()
    hear = progress.get()
    now = datetime.now(UTC)
    if not document_type.partitioned:
        first_day = last_day = now.date()
    hear.started(document_type.name, len(people))
    with pipeline.warehouse.spool(document_type) as spool:

        def ask(person: Person) -> PersonResult | None:
            return _ask(
                pipeline,
                document_type,
                person,
                days=(first_day, last_day),
                spool=spool,
                hear=hear,
            )

        days = days_between(first_day, last_day)
        question = Question(first_day=first_day, last_day=last_day, fetched_at=now, run_id=run_id)
        answers = _answers(ask, people)
        with pipeline.accounts.lock(f"land {document_type.name}"):
            late = _overtaken(pipeline, document_type, answers, days)
            for username in late:
                spool.forget(username)
            answers = [answer for answer in answers if answer.username not in late]
            answers += _answers(ask, [person for person in people if person.username in late])
            landing = _land(pipeline, document_type, answers, spool, question)
            fetches = [
                _entry(document_type, answer, day, landing, run_id=run_id)
                for answer in answers
                for day in days
            ]
            pipeline.accounts.fetches.record(fetches)
    return FetchResult(
        days=days,
        answers=answers,
        fetches=fetches,
        landing=landing,
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked, when and by which run."""

    first_day: date
    last_day: date
    fetched_at: datetime
    run_id: str


def _answers(
    ask: Callable[[Person], PersonResult | None], people: Sequence[Person]
) -> list[PersonResult]:
    """Everybody's answer, several at once; without who has left."""
    with ThreadPoolExecutor(max_workers=PEOPLE_AT_ONCE) as pool:
        return [answer for answer in pool.map(ask, people) if answer]


def _overtaken(
    pipeline: Pipeline,
    document_type: DocumentType,
    answers: Sequence[PersonResult],
    days: Sequence[date],
) -> set[str]:
    """Whose days somebody else landed with what Oura said after it began to answer us.

    Call it under the lock of the type: nobody lands between this and the landing.
    """
    asked = {a.username: a.asked_at for a in answers if a.status is FetchStatus.LANDED}
    rows = pipeline.accounts.fetches.find(
        document_type.name,
        usernames=asked,
        first_day=days[0],
        last_day=days[-1],
        statuses=[FetchStatus.LANDED, FetchStatus.EMPTY],
        after=min(asked.values(), default=None),
    )
    return {row.username for row in rows if row.at > asked[row.username]}


def _land(
    pipeline: Pipeline,
    document_type: DocumentType,
    answers: Sequence[PersonResult],
    spool: Spool,
    question: Question,
) -> Landing | None:
    """Land what was answered; somebody whose documents cannot be used is left out."""
    while landed := [a for a in answers if a.status is FetchStatus.LANDED]:
        try:
            return pipeline.warehouse.land(
                document_type,
                spool,
                usernames=[answer.username for answer in landed],
                first_day=question.first_day,
                last_day=question.last_day,
                fetched_at=question.fetched_at,
                run_id=question.run_id,
            )
        except UnusableDocuments as error:
            for answer in landed:
                if answer.username in error.usernames:
                    answer.status, answer.error = FetchStatus.FAILED, error
    return None


def _ask(
    pipeline: Pipeline,
    document_type: DocumentType,
    person: Person,
    *,
    days: tuple[date, date],
    spool: Spool,
    hear: Progress,
) -> PersonResult | None:
    """Spool one person's documents; whatever goes wrong is the answer. None: they have left."""
    asked_at = datetime.now(UTC)
    answer = PersonResult(username=person.username, asked_at=asked_at, received_at=asked_at)
    try:
        client = pipeline.client(person.username)
    except UnknownPerson:
        return None
    timeline = OffsetTimeline(pipeline.accounts.offsets.find(person.username))
    learned: list[tuple[datetime, timedelta]] = []
    try:
        for page in client.documents(document_type, *days, offsets=timeline):
            if document_type.identifies:
                _identify(pipeline, person, page.documents)
            spool.add(person.username, page.documents, asked=True)
            spool.add(person.username, page.outside, asked=False)
            learned.extend(page.offsets)
            hear.page(document_type.name, person.username, len(page.documents))
        pipeline.accounts.offsets.record(person.username, learned)
    except UnknownPerson:
        spool.discard(person.username)
        return None
    except ScopeNotGranted as error:
        answer.status, answer.error = FetchStatus.NOT_GRANTED, error
    except (OuraError, AccountsBusy, PersonRefused, UnusableDocuments) as error:
        answer.status, answer.error = FetchStatus.FAILED, error
    if answer.error:
        spool.discard(person.username)
    answer.requests, answer.pages = client.requests, client.pages
    answer.received_at = datetime.now(UTC)
    hear.person_done(document_type.name, person.username)
    return answer


class _Identity(msgspec.Struct):
    """What a document says about whose it is."""

    id: str


_IDENTITY = msgspec.json.Decoder(_Identity)


def _identify(pipeline: Pipeline, person: Person, documents: Sequence[Document]) -> None:
    """Remember Oura's id of a person where it is news.

    Raises:
        PersonRefused: it is somebody else's, or they had another one.
    """
    for document in documents:
        oura_id = _IDENTITY.decode(document.raw).id
        if oura_id != person.oura_id:
            pipeline.accounts.people.identify(person.username, oura_id)


def _entry(
    document_type: DocumentType,
    answer: PersonResult,
    day: date,
    landing: Landing | None,
    *,
    run_id: str,
) -> Fetch:
    """The ledger's row for one person and day."""
    status, documents, changed = answer.status, 0, 0
    if status is FetchStatus.LANDED and landing:
        count = landing.days[answer.username, day]
        documents, changed = count.documents, count.changed
        status = FetchStatus.LANDED if documents else FetchStatus.EMPTY
    return Fetch(
        username=answer.username,
        document_type=document_type.name,
        day=day,
        status=status,
        documents=documents,
        changed=changed,
        error=str(answer.error) if answer.error else None,
        run_id=run_id,
        at=answer.received_at,
    )
