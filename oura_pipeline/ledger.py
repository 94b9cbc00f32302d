"""Records of what was fetched and pushed, by person, document type and day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

MEMBERSHIP_LAPSED = "membership lapsed"
"""With this begins the error of every fetch that Oura refused for it."""


LOSS_SETTLES_AFTER = timedelta(hours=20)
"""When an answer with a sudden loss is so old, the next one that says the same is believed."""


class FetchStatus(StrEnum):
    """What came of fetching a day.

    An empty table is no evidence: there may be nothing, or it was not granted, failed, or was never
    fetched. The last one has no row in the ledger.
    """

    LANDED = "landed"
    EMPTY = "empty"
    NOT_GRANTED = "not_granted"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class PersonDay:
    """One person, document type and day: what the rows of all ledgers are about.

    Attributes:
        username: the person.
        document_type: name of the document type.
        day: Oura's day; for a type without days the day of the fetch.
    """

    username: str
    document_type: str
    day: date


@dataclass(frozen=True, kw_only=True)
class Fetch(PersonDay):
    """The newest fetch of one person, document type and day.

    Attributes:
        status: what came of it.
        documents: how many documents the day has.
        changed: how many documents are new, different or gone since the last fetch.
        error: for `failed` and `not_granted`: why, in one line without secrets.
        run_id: the Dagster run.
        at: when, UTC.
        attempts: how many times in a row it failed; 0 after a success. Counted by the ledger.
        lost_from: how many documents the day had, if an answer suddenly had fewer than half of
            those of its days, and no later one has settled it.
        lost_at: when that answer came, UTC. Kept by the ledger.
    """

    status: FetchStatus
    documents: int = 0
    changed: int = 0
    error: str | None = None
    run_id: str
    at: datetime
    attempts: int = 0
    lost_from: int | None = None
    lost_at: datetime | None = None


Pair = tuple[str, str]  # username and name of a document type


class FetchSum(NamedTuple):
    """A checksum of all fetches of one person and document type.

    Attributes:
        rows: how many.
        newest: the newest `at`, UTC.
        seconds: the sum of `at` in whole seconds since 1970.
        documents: the sum of the documents.
        placed: the sum of the documents by the square of the day of the year, which changes when a
            document moves to another day.
    """

    rows: int
    newest: datetime
    seconds: int
    documents: int
    placed: int


class PushState(StrEnum):
    """How far the points of a day have got."""

    PENDING = "pending"  # about to be sent; a crash leaves it like this
    SENT = "sent"  # carbon read every byte, which proves nothing about storing them
    MISSING = "missing"  # sent several times, and still cannot be read back
    DELIVERED = "delivered"  # read back twice, or written to a file


@dataclass(frozen=True, kw_only=True)
class Push(PersonDay):
    """The newest push for one person, document type and day.

    Attributes:
        points: how many points the day has.
        digest: of all its points; the same digest means that nothing changed.
        state: how far they have got.
        index: which metrics have points at which times, packed by `graphite.points`: a later push
            needs it to see that a value was withdrawn.
        at: when, UTC.
        source: a digest of the documents that have these points; empty: they must be flattened
            anew, because nobody knows or because not everything in them could be sent.
    """

    points: int
    digest: str
    state: PushState
    index: bytes
    at: datetime
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Withdrawn(PersonDay):
    """Points of withdrawn values that Graphite still has, since it cannot delete points.

    Attributes:
        metric: the full name in Graphite.
        times: UTC seconds since 1970.
        at: when it was noticed, UTC.
    """

    metric: str
    times: tuple[int, ...]
    at: datetime


class PushLedger(Protocol):
    """A store of pushes."""

    def find(
        self,
        document_type: str,
        *,
        usernames: Iterable[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        states: Iterable[PushState] | None = None,
    ) -> list[Push]:
        """Return the rows that match, by username and day; None matches all."""
        ...

    def record(self, pushes: Sequence[Push]) -> set[str]:
        """Add or replace rows, all or none, but of who has left; return these people."""
        ...

    def record_delivered(self, pushes: Sequence[Push], at: datetime) -> None:
        """Record that days arrived, of which these are the rows from before."""
        ...

    def record_sources(self, pushes: Sequence[Push]) -> None:
        """Record the sources of these rows, where the points are still those."""
        ...

    def record_withdrawn(self, withdrawn: Sequence[Withdrawn]) -> None:
        """List points for the operator; new times join those that are listed, all or none."""
        ...
