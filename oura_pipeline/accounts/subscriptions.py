"""The webhook subscriptions of this application, as they were at Oura the last time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select

from oura_pipeline.accounts.base import Store
from oura_pipeline.accounts.schema import webhook_subscriptions


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


class Subscriptions(Store):
    """The subscriptions that were recorded last."""

    def all(self) -> list[Subscription]:
        """Return what was recorded last, by data type and event type."""
        order = (webhook_subscriptions.c.data_type, webhook_subscriptions.c.event_type)
        with self._database.reading() as connection:
            found = connection.execute(select(webhook_subscriptions).order_by(*order))
            return [Subscription(**row._mapping) for row in found]

    def replace(self, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of them by what Oura has now."""
        with self._database.writing() as connection:
            connection.execute(delete(webhook_subscriptions))
            if subscriptions:
                connection.execute(
                    webhook_subscriptions.insert(), [asdict(row) for row in subscriptions]
                )
