"""What Oura's webhooks need to have remembered: the subscriptions, and events not yet dealt with.

What surprises: an event is kept as it was received, before anybody looks into it; who sent it must
be answered within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from oura_pipeline.accounts.part import Part, now
from oura_pipeline.accounts.schema import webhook_inbox, webhook_subscriptions


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One webhook subscription of this application at Oura.

    Attributes:
        id: Oura's.
        data_type: Oura's name of the kind of document.
        event_type: create, update or delete.
        callback_url: where events go.
        expires_at: when it ends, UTC; None: not known.
    """

    id: str
    data_type: str
    event_type: str
    callback_url: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """One webhook event as it was received.

    Attributes:
        id: ascending in the order of arrival.
        oura_id: whose it is, as far as Oura said.
        body: the bytes that were received; personal data, not for logs.
        received_at: when, UTC.
    """

    id: int
    oura_id: str | None
    body: bytes
    received_at: datetime

    def __repr__(self) -> str:
        """Without what it says about a person."""
        return f"Event(id={self.id}, received_at={self.received_at})"


class Webhooks(Part):
    """The part that remembers subscriptions and events."""

    def subscriptions(self) -> list[Subscription]:
        """What was recorded last, by data type and event type."""
        order = (webhook_subscriptions.c.data_type, webhook_subscriptions.c.event_type)
        with self._database.reading() as connection:
            found = connection.execute(select(webhook_subscriptions).order_by(*order))
            return [Subscription(**row._mapping) for row in found]

    def record_subscriptions(self, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of them by what Oura has now."""
        with self._database.writing() as connection:
            connection.execute(delete(webhook_subscriptions))
            if subscriptions:
                connection.execute(
                    webhook_subscriptions.insert(), [asdict(row) for row in subscriptions]
                )

    def receive_event(self, body: bytes, *, oura_id: str | None) -> int:
        """Keep an event until it is finished; it survives a power cut from here on."""
        row = {"body": body, "oura_id": oura_id, "received_at": now()}
        with self._database.writing() as connection:
            insert = webhook_inbox.insert().values(row).returning(webhook_inbox.c.id)
            identifier: int = connection.execute(insert).scalar_one()
        return identifier

    def waiting_events(self, limit: int = 1000) -> list[Event]:
        """The oldest events that are not finished."""
        columns = [webhook_inbox.c[name] for name in ("id", "oura_id", "body", "received_at")]
        waiting = select(*columns).where(webhook_inbox.c.done_at.is_(None))
        with self._database.reading() as connection:
            found = connection.execute(waiting.order_by(webhook_inbox.c.id).limit(limit))
            return [Event(**row._mapping) for row in found]

    def finish_events(self, ids: Iterable[int]) -> None:
        """They were dealt with; one that is finished already keeps its time."""
        finished = update(webhook_inbox).where(
            webhook_inbox.c.id.in_(list(ids)), webhook_inbox.c.done_at.is_(None)
        )
        with self._database.writing() as connection:
            connection.execute(finished.values(done_at=now()))

    def forget_events(self, before: datetime) -> int:
        """Delete finished events that are older; how many they were."""
        with self._database.writing() as connection:
            return connection.execute(
                delete(webhook_inbox).where(webhook_inbox.c.done_at < before)
            ).rowcount
