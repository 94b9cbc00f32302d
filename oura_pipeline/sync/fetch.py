"""Documents of one type, fetched for some people and a range of days, landed and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import reduce
from operator import add

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.document_types import DocumentType, get_document_type
from oura_pipeline.days import batched_by_weight, days_between
from oura_pipeline.ledger import Fetch, FetchStatus, PersonDay
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process import logs
from oura_pipeline.sync.fetch_person import PersonFetcher, PersonResult
from oura_pipeline.sync.history import forget_disproved
from oura_pipeline.sync.progress import progress
from oura_pipeline.sync.redating import record_redated
from oura_pipeline.sync.tracing import subject
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.spool import Spool

LANDED_BYTES, LANDED_PEOPLE = 16_000_000, 500  # in one transaction; a day of heart rate has 100 kB
# Who must sign in again is fetched all the same, so that the ledger and the checks say why there
# is nothing of them.
FETCHED_STATES = (PersonState.CONNECTED, PersonState.SIGN_IN_REQUIRED)


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """What came of one document type.

    Attributes:
        days: the days that were fetched.
        results: one per person.
        fetches: the ledger rows that were written, one per person and day.
        landing: what changed in the warehouse; None when nobody's documents could be landed.
        seconds: how long it took.
    """

    days: Sequence[date]
    results: Sequence[PersonResult]
    fetches: Sequence[Fetch]
    landing: Landing | None
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(result.requests for result in self.results)

    @property
    def pages(self) -> int:
        """How many responses held documents, or an empty list of them."""
        return sum(result.pages for result in self.results)

    @property
    def failed(self) -> list[PersonResult]:
        """The results of people who could not be fetched."""
        return [result for result in self.results if result.status is FetchStatus.FAILED]

    def by_day(self) -> dict[date, list[Fetch]]:
        """Return the ledger rows of every day, in the order of the days."""
        days: dict[date, list[Fetch]] = {day: [] for day in self.days}
        for fetch in self.fetches:
            days[fetch.day].append(fetch)
        return days


def people_to_fetch(
    pipeline: Pipeline, usernames: Iterable[str] = (), *, shards: range | None = None
) -> list[Person]:
    """Return the people of these names, or everybody, except who disconnected or left.

    Args:
        pipeline: the pipeline.
        usernames: whom to return; empty: everybody.
        shards: without usernames, the shards whose people to return; None: all.

    Raises:
        UnknownPerson: nobody has one of the names.
    """
    people = pipeline.accounts.people
    if not (chosen := list(usernames)):
        return people.all(FETCHED_STATES, shards=shards)
    return [person for person in people.named(chosen) if person.state in FETCHED_STATES]


def fetch_and_land(
    pipeline: Pipeline,
    document_type: DocumentType,
    people: Sequence[Person],
    *,
    first_day: date,
    last_day: date,
    run_id: str,
    losses_known: bool = False,
) -> FetchResult:
    """Fetch all people's documents of a range of days, land them and record it in the ledger.

    Args:
        pipeline: the pipeline.
        document_type: of the documents.
        people: whose documents; one person's failure is recorded and does not stop the others.
        first_day: ignored, like `last_day`, for a type without days: its day is that of the fetch.
        last_day: included.
        run_id: the Dagster run.
        losses_known: whether Oura has told otherwise that documents of these days are gone.

    Raises:
        WarehouseError: nothing was landed.
        AccountsError: the ledger could not be written.
    """
    progress.get().started(document_type.name)
    with fetched_documents(
        pipeline,
        document_type,
        people,
        first_day=first_day,
        last_day=last_day,
        run_id=run_id,
        losses_known=losses_known,
    ) as fetched:
        return fetched.land()


@contextmanager
def fetched_documents(
    pipeline: Pipeline,
    document_type: DocumentType,
    people: Sequence[Person],
    *,
    first_day: date,
    last_day: date,
    run_id: str,
    losses_known: bool = False,
) -> Iterator[FetchedDocuments]:
    """Fetch all people's documents of a range of days; they are there until the block ends.

    The arguments are those of `fetch_and_land`.
    """
    now = datetime.now(UTC)
    if not document_type.partitioned:
        first_day = last_day = now.date()
    with pipeline.warehouse.spool(document_type) as spool:
        fetched = FetchedDocuments(
            pipeline=pipeline,
            document_type=document_type,
            people=people,
            days=(first_day, last_day),
            spool=spool,
            began_at=now,
            run_id=run_id,
            losses_known=losses_known,
        )
        # Everybody is fetched before DuckDB is opened, so that its file is held for a moment only.
        fetched.fetch()
        yield fetched


@dataclass(kw_only=True)
class FetchedDocuments:
    """Documents of one type that were fetched and have not landed."""

    pipeline: Pipeline
    document_type: DocumentType
    people: Sequence[Person]
    days: tuple[date, date]
    spool: Spool
    began_at: datetime
    run_id: str
    losses_known: bool
    landed_bytes: int = LANDED_BYTES
    results: list[PersonResult] = field(default_factory=list)
    seconds: float = 0.0

    def fetch(self) -> None:
        """Fetch everybody."""
        began = time.monotonic()
        self.results = self._fetch(self.people)
        self.seconds = time.monotonic() - began

    def land(self) -> FetchResult:
        """Land what was fetched, and record it in the ledger."""
        began, now = time.monotonic(), datetime.now(UTC)
        results = self.results
        while not (landed := self._landed_unless_overtaken(results)):
            results = self.refetch_overtaken(results)
        results, landing, fetches = landed
        forget_disproved(self.pipeline, self.people, fetches)
        for name in landing.redated if landing else ():
            record_redated(self.pipeline, get_document_type(name), now)
        return FetchResult(
            days=days_between(*self.days),
            results=results,
            fetches=fetches,
            landing=landing,
            seconds=self.seconds + time.monotonic() - began,
        )

    def _fetch(self, people: Sequence[Person]) -> list[PersonResult]:
        """Fetch several people at once; who has left has no result."""
        fetcher = PersonFetcher(
            pipeline=self.pipeline,
            document_type=self.document_type,
            days=self.days,
            spool=self.spool,
            progress=progress.get(),
        )
        with ThreadPoolExecutor(max_workers=self.pipeline.people_at_once) as pool:
            return [result for result in pool.map(logs.inheriting(fetcher.fetch), people) if result]

    def _landed_unless_overtaken(
        self, results: Sequence[PersonResult]
    ) -> tuple[list[PersonResult], Landing | None, list[Fetch]] | None:
        """Land results and record them, unless another run has landed such days meanwhile."""
        with self.pipeline.landing(self.document_type):
            if self._overtaken(results):
                return None
            results = self.without_who_left(results)
            landing = self._land(results)
            return results, landing, self.record(results, landing)

    def refetch_overtaken(self, results: Sequence[PersonResult]) -> list[PersonResult]:
        """Fetch again whose days another run has landed meanwhile.

        Otherwise our older answer would replace the newer one of the other run. Nobody waits for
        it: the lock of the document type is held again when its answer lands.
        """
        overtaken = self._overtaken(results)
        for username in overtaken:
            self.spool.forget(username)
        kept = [result for result in results if result.username not in overtaken]
        return kept + self._fetch(
            [person for person in self.people if person.username in overtaken]
        )

    def _overtaken(self, results: Sequence[PersonResult]) -> set[str]:
        asked_at = {r.username: r.asked_at for r in results if r.status is FetchStatus.LANDED}
        # A document with an id may have moved meanwhile to a day that we did not request, and our
        # landing would bring it back.
        first_day, last_day = self.days if self.document_type.daily else (None, None)
        rows = self.pipeline.accounts.fetches.find(
            self.document_type.name,
            usernames=asked_at,
            first_day=first_day,
            last_day=last_day,
            statuses=[FetchStatus.LANDED, FetchStatus.EMPTY],
            after=min(asked_at.values(), default=None),
        )
        # Compared with the moment of our first request: Oura may have changed after that.
        return {row.username for row in rows if row.at > asked_at[row.username]}

    def without_who_left(self, results: Sequence[PersonResult]) -> list[PersonResult]:
        """Forget what was fetched of people who have left meanwhile.

        Whoever deletes them waits for the lock of the document type, so that what was landed before
        is there to be deleted, and nothing comes after.
        """
        known = self.pipeline.accounts.people.all(
            FETCHED_STATES, usernames=[person.username for person in self.people]
        )
        here = {person.id for person in known}
        left = {person.username for person in self.people if person.id not in here}
        for username in left:
            self.spool.forget(username)
        return [result for result in results if result.username not in left]

    def _land(self, results: Sequence[PersonResult]) -> Landing | None:
        """Land what was received."""
        landed = [result for result in results if result.status is FetchStatus.LANDED]
        if not landed:
            return None
        # Before the landing as well: a crash right after it must not leave days that nobody pushes.
        asked = [(one.username, day) for one in landed for day in days_between(*self.days)]
        self._wait_for_push(asked)
        # Some people at a time, and some of their days: memory must not grow with how many there
        # are.
        some_people = batched_by_weight(
            landed,
            lambda result: self.spool.bytes_of([result.username]),
            heaviest=self.landed_bytes,
            longest=LANDED_PEOPLE,
        )
        landing = reduce(add, map(self._land_some, some_people))
        changed = [key for key, count in landing.days.items() if count.changed]
        self._wait_for_push([*changed, *landing.elsewhere])
        return landing

    def _land_some(self, results: Sequence[PersonResult]) -> Landing:
        ids = {person.username: person.id for person in self.people}
        pieces = self._pieces([result.username for result in results])
        with self.pipeline.telemetry.stage(
            "land",
            lambda: [subject(ids[one.username], self.document_type, *self.days) for one in results],
        ):
            return reduce(
                add, (self._land_days(results, days, piece=len(pieces) > 1) for days in pieces)
            )

    def _pieces(self, usernames: Sequence[str]) -> list[tuple[date, date]]:
        """Return the days that land together; those of documents with an id all do."""
        # One with an id may have moved from one day to another, and of one that cannot be landed
        # only the whole question says of which days it may be.
        if not self.document_type.dated_by_offset or self.spool.unusable_files(usernames):
            return [self.days]
        return self.spool.pieces(usernames, *self.days, heaviest=self.landed_bytes)

    def _land_days(
        self, results: Sequence[PersonResult], days: tuple[date, date], *, piece: bool
    ) -> Landing:
        return self.pipeline.warehouse.land(
            self.document_type,
            self.spool,
            usernames=[result.username for result in results],
            first_day=days[0],
            last_day=days[1],
            fetched_at=self.began_at,
            run_id=self.run_id,
            unanswered=[
                (result.username, day)
                for result in results
                for part in result.unanswered
                for day in part.days
            ],
            piece=piece,
        )

    def _wait_for_push(self, days: Sequence[tuple[str, date]]) -> None:
        name = self.document_type.name
        self.pipeline.accounts.waiting.add(
            [PersonDay(username=who, document_type=name, day=day) for who, day in days],
            at=datetime.now(UTC),
        )

    def record(self, results: Sequence[PersonResult], landing: Landing | None) -> list[Fetch]:
        """Write a ledger row per person and day, and return them."""
        fetches = [
            self._ledger_row(result, day, errors.get(day), landing)
            for result in results
            for errors in [_errors_by_day(result)]
            for day in days_between(*self.days)
        ]
        left = self.pipeline.accounts.fetches.record(fetches)
        return [fetch for fetch in fetches if fetch.username not in left]

    def _ledger_row(
        self, result: PersonResult, day: date, error: Exception | None, landing: Landing | None
    ) -> Fetch:
        status, documents, changed, lost_from = result.status, 0, 0, None
        if error:
            status = FetchStatus.FAILED
        elif status is FetchStatus.LANDED and landing:
            count = landing.days[result.username, day]
            documents, changed = count.documents, count.changed
            lost_from = None if self.losses_known else landing.lost.get((result.username, day))
            # What is set aside is not absent.
            there = documents or landing.set_aside[result.username, day]
            status = FetchStatus.LANDED if there else FetchStatus.EMPTY
        error = error or result.error
        return Fetch(
            username=result.username,
            document_type=self.document_type.name,
            day=day,
            status=status,
            documents=documents,
            changed=changed,
            error=str(error) if error else None,
            run_id=self.run_id,
            at=result.received_at,
            lost_from=lost_from,
        )


def _errors_by_day(result: PersonResult) -> dict[date, Exception]:
    return {day: part.error for part in result.unanswered for day in part.days}
