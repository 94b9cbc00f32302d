"""What is to be done about the webhook subscriptions that Oura has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.oura.webhooks import EVENT_TYPES

RENEW_WITHIN = timedelta(days=14)
_DEFAULT_PORTS = {"http": 80, "https": 443}

Pair = tuple[str, str]  # data type, event type


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done, in this order: delete, renew, create.

    Attributes:
        create: data types and event types that have no subscription.
        renew: subscriptions that stay and expire soon.
        delete: subscriptions that are not required, have expired, or point elsewhere.
    """

    create: Sequence[Pair] = ()
    renew: Sequence[Subscription] = ()
    delete: Sequence[Subscription] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.renew or self.delete)


def required(
    granted: Iterable[frozenset[str] | None],
    document_types: Iterable[DocumentType] = DOCUMENT_TYPES,
) -> frozenset[Pair]:
    """Return every event of every document type that somebody has granted.

    Args:
        granted: the scopes of whoever is connected, each set once; None: they are not known.
        document_types: of these.
    """
    sets = list(granted)
    return frozenset(
        (document_type.webhook, event_type)
        for document_type in document_types
        if document_type.webhook
        and any(scopes is None or document_type.scope in scopes for scopes in sets)
        for event_type in EVENT_TYPES
    )


def plan(
    pairs: Iterable[Pair], remote: Iterable[Subscription], *, callback_url: str, now: datetime
) -> Plan:
    """Return the steps to one subscription per pair, at our address, that does not expire soon.

    Args:
        pairs: the required data types and event types.
        remote: the subscriptions that Oura has.
        callback_url: our receiver.
        now: the present moment.
    """
    pairs = frozenset(pairs)
    kept: dict[Pair, Subscription] = {}
    delete = []
    # Of duplicates the one that lives longest stays.
    for row in sorted(remote, key=_expiry, reverse=True):
        pair = row.data_type, row.event_type
        if pair in kept or pair not in pairs or not _works(row, callback_url, now):
            delete.append(row)
        else:
            kept[pair] = row
    return Plan(
        create=sorted(pairs - kept.keys()),
        renew=[row for _, row in sorted(kept.items()) if _expires_soon(row, now)],
        delete=sorted(delete, key=sort_key),
    )


def points_here(row: Subscription, callback_url: str) -> bool:
    """Return whether a subscription points to our receiver, however the address is written."""
    return bool(callback_url) and _normalized(row.callback_url) == _normalized(callback_url)


def sort_key(row: Subscription) -> tuple[str, str, str]:
    """Return the order in which subscriptions are shown and worked on."""
    return row.data_type, row.event_type, row.id


def _works(row: Subscription, callback_url: str, now: datetime) -> bool:
    expired = row.expires_at is not None and row.expires_at <= now
    return points_here(row, callback_url) and not expired


def _expires_soon(row: Subscription, now: datetime) -> bool:
    return row.expires_at is None or row.expires_at - now <= RENEW_WITHIN


def _expiry(row: Subscription) -> tuple[datetime, str]:
    return row.expires_at or datetime.min.replace(tzinfo=UTC), row.id


def _normalized(url: str) -> object:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query
