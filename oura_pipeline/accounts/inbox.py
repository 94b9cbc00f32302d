"""The inbox of webhook events: kept as they were received until they are dealt with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, literal_column, select, update

from oura_pipeline.accounts.base import Store, now
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.schema import (
    deliveries,
    people,
    webhook_inbox,
)
from oura_pipeline.days import digest

_TOTAL = deliveries.c["count"] + literal_column("excluded.count")


class Receipt(StrEnum):
    """What became of an event that was received."""

    KEPT = "kept"
    REPEATED = "repeated"  # the same bytes are in the inbox, waiting or finished
    UNKNOWN_PERSON = "unknown_person"  # nobody who is here; also somebody who has left
    UNKNOWN_TYPE = "unknown_type"


@dataclass(frozen=True, kw_only=True)
class ReceivedEvent:
    """An event that has just been received.

    Attributes:
        body: the bytes; personal data, not for logs.
        oura_id: whose it is, as far as Oura said.
        data_type: Oura's name of the kind of document.
        known_type: whether that is one of ours.
    """

    body: bytes = field(repr=False)
    oura_id: str | None = field(repr=False)
    data_type: str
    known_type: bool


@dataclass(frozen=True, kw_only=True)
class EventCount:
    """How many events of a kind were received.

    Attributes:
        receipt: what became of them.
        data_type: Oura's name of the kind of document.
        count: how many, ever.
        last_at: when the last one came, UTC.
    """

    receipt: Receipt
    data_type: str
    count: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Event:
    """One webhook event as it was received.

    Attributes:
        id: ascending in the order of arrival.
        oura_id: whose it is.
        body: the bytes that were received; personal data, not for logs.
        received_at: when, UTC.
        attempts: how often it was postponed.
        next_at: when it is to be dealt with, UTC; at once, until it is postponed.
    """

    id: int
    oura_id: str | None
    body: bytes
    received_at: datetime
    attempts: int
    next_at: datetime

    def __repr__(self) -> str:
        """Without what it says about a person."""
        return f"Event(id={self.id}, received_at={self.received_at}, attempts={self.attempts})"


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What is not finished.

    Attributes:
        waiting: how many events.
        oldest: when the oldest of them was received, UTC; None: there is none.
    """

    waiting: int
    oldest: datetime | None


class Inbox(Store):
    """Webhook events that were received, and how many of each kind."""

    def receive(self, events: Sequence[ReceivedEvent]) -> list[Receipt]:
        """Keep the events that are new and ours; return what became of each, in their order.

        What was kept survives a power cut.
        """
        if not events:
            return []
        # One transaction with a handful of statements, however many events: Oura waits for an
        # answer for seconds only, so nobody looks into them here.
        at = now()
        digests = [digest(event.body) for event in events]
        with self._database.writing(webhook_inbox) as connection:
            known = _known(connection, events)
            refusals = [_refusal(event, known) for event in events]
            wanted = {
                name: _row(event, name, at)
                for event, name, refusal in zip(events, digests, refusals, strict=True)
                if refusal is None
            }
            kept = self._keep(connection, wanted)
            receipts = [
                refusal or _receipt(name, kept)
                for name, refusal in zip(digests, refusals, strict=True)
            ]
            self._count(connection, events, receipts, at)
        return receipts

    def counts(self) -> list[EventCount]:
        """Return how many events of each kind were received, by receipt and data type."""
        query = select(deliveries).order_by(deliveries.c.receipt, deliveries.c.data_type)
        with self._database.reading() as connection:
            return [
                EventCount(**dict(row._mapping) | {"receipt": Receipt(row.receipt)})
                for row in connection.execute(query)
            ]

    def waiting(self, limit: int = 1000, *, due: datetime | None = None) -> list[Event]:
        """Return the oldest unfinished events, those that are due by then where that is given."""
        columns = [webhook_inbox.c[name] for name in Event.__dataclass_fields__]
        waiting = select(*columns).where(webhook_inbox.c.done_at.is_(None))
        if due is not None:
            waiting = waiting.where(webhook_inbox.c.next_at <= due)
        with self._database.reading() as connection:
            found = connection.execute(waiting.order_by(webhook_inbox.c.id).limit(limit))
            return [Event(**row._mapping) for row in found]

    def backlog(self) -> Backlog:
        """Return how many events wait, and since when."""
        numbers = select(func.count(), func.min(webhook_inbox.c.received_at))
        with self._database.reading() as connection:
            row = connection.execute(numbers.where(webhook_inbox.c.done_at.is_(None))).one()
            return Backlog(waiting=row[0], oldest=row[1])

    def size(self) -> int:
        """Return how many bytes all events have, also those that are finished."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.sum(func.length(webhook_inbox.c.body)))) or 0

    def finish(self, ids: Iterable[int]) -> None:
        """Mark events as dealt with; one that is finished already keeps its time."""
        finished = update(webhook_inbox).where(
            webhook_inbox.c.id.in_(list(ids)), webhook_inbox.c.done_at.is_(None)
        )
        with self._database.writing() as connection:
            connection.execute(finished.values(done_at=now()))

    def postpone(self, ids: Iterable[int], until: datetime) -> None:
        """Make events due again later; one that is finished stays so."""
        postponed = update(webhook_inbox).where(
            webhook_inbox.c.id.in_(list(ids)), webhook_inbox.c.done_at.is_(None)
        )
        changes = {"next_at": until, "attempts": webhook_inbox.c.attempts + 1}
        with self._database.writing() as connection:
            connection.execute(postponed.values(changes))

    def forget(self, before: datetime) -> int:
        """Delete events that were finished before; return how many."""
        with self._database.writing() as connection:
            return connection.execute(
                delete(webhook_inbox).where(webhook_inbox.c.done_at < before)
            ).rowcount

    def _keep(self, connection: Connection, wanted: dict[str, dict[str, Any]]) -> set[str]:
        """Add the events whose body is new; return their digests."""
        if not wanted:
            return set()
        insert = self._database.insert_new(webhook_inbox, "digest")
        return set(connection.scalars(insert, list(wanted.values())))

    def _count(
        self,
        connection: Connection,
        events: Sequence[ReceivedEvent],
        receipts: Sequence[Receipt],
        at: datetime,
    ) -> None:
        pairs = zip(receipts, events, strict=True)
        counts = Counter((receipt.value, event.data_type) for receipt, event in pairs)
        rows = [
            {"receipt": receipt, "data_type": data_type, "count": count, "last_at": at}
            for (receipt, data_type), count in sorted(counts.items())
        ]
        connection.execute(self._database.insert(deliveries, ("last_at",), count=_TOTAL), rows)


def _known(connection: Connection, events: Sequence[ReceivedEvent]) -> set[str]:
    """Return the Oura ids in a batch that belong to somebody who has not left."""
    ids = sorted({event.oura_id for event in events if event.oura_id is not None})
    here = (people.c.oura_id.in_(ids), people.c.state != PersonState.RETIRED.value)
    return set(connection.scalars(select(people.c.oura_id).where(*here)))


def _refusal(event: ReceivedEvent, known: set[str]) -> Receipt | None:
    if event.oura_id not in known:
        return Receipt.UNKNOWN_PERSON
    return None if event.known_type else Receipt.UNKNOWN_TYPE


def _row(event: ReceivedEvent, name: str, at: datetime) -> dict[str, Any]:
    key = {"digest": name, "oura_id": event.oura_id, "body": event.body}
    return key | {"received_at": at, "next_at": at, "attempts": 0}


def _receipt(name: str, kept: set[str]) -> Receipt:
    if name not in kept:
        return Receipt.REPEATED
    kept.remove(name)  # a second one in the same batch is a repetition
    return Receipt.KEPT
