"""Rows and texts of the status page, from what the accounts know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from oura_pipeline.accounts.inbox import EventCount, Receipt
from oura_pipeline.accounts.invites import Invite
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.ledger import MEMBERSHIP_LAPSED
from oura_pipeline.sync.subscription_plan import required
from oura_pipeline.web.labels import join_and


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """The state of one person."""

    person: Person
    level: str
    state: str
    failed_days: int
    last_fetched: datetime | None
    sync_pending: bool


MOST_PEOPLE = 500
"""As many people as the page lists at once, and a browser shows without delay."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The people on the page.

    Attributes:
        rows: those that are listed.
        everybody: how many people there are.
        found: how many of them were looked for.
        must_reconnect: how many must reconnect.
        sought: the part of a username or id that was looked for; empty: everybody was.
    """

    rows: Sequence[PersonRow]
    everybody: int
    found: int
    must_reconnect: int
    sought: str


@dataclass(frozen=True, kw_only=True)
class WebhookRow:
    """The state of the webhook of one of Oura's data types.

    Attributes:
        data_type: Oura's name.
        level: good, bad or quiet.
        state: whether it is subscribed to.
        ends_at: when the first subscription expires.
        last_at: when the last event arrived.
        counts: number of events by result.
    """

    data_type: str
    level: str
    state: str
    ends_at: datetime | None
    last_at: datetime | None
    counts: Mapping[Receipt, int]


NOT_GIVEN_BACK = "access not given back yet"
# In the order of the page: whoever needs the operator comes first.
_STATES = {
    PersonState.SIGN_IN_REQUIRED: ("bad", "must reconnect"),
    PersonState.RETIRED: ("warn", "left; being deleted"),
    PersonState.CONNECTED: ("good", "connected"),
    PersonState.DISCONNECTED: ("quiet", "disconnected"),
}
_ORDER = {state: position for position, state in enumerate(_STATES)}


def people_rows(
    people: Iterable[Person],
    failed_days: Mapping[str, int],
    last: Mapping[str, datetime],
    unrevoked: Collection[str] = (),
    lapsed: Collection[str] = (),
    *,
    now: datetime,
) -> list[PersonRow]:
    """Return a row for everybody, those first who need something."""
    rows = [
        PersonRow(
            person=person,
            level=(state := _state(person, unrevoked, lapsed, now))[0],
            state=state[1],
            failed_days=failed_days.get(person.username, 0),
            last_fetched=last.get(person.username),
            sync_pending=_sync_pending(person, last.get(person.username)),
        )
        for person in people
    ]
    return sorted(
        rows,
        key=lambda row: (_ORDER[row.person.state], -row.failed_days, row.person.username),
    )


def listed(rows: Sequence[PersonRow], sought: str, at_most: int = MOST_PEOPLE) -> Listed:
    """Return the first rows, of everybody or of whose username or id has a text in it."""
    text = sought.strip().lower()
    found = [row for row in rows if text in row.person.username or text in row.person.id]
    lost = sum(row.person.state is PersonState.SIGN_IN_REQUIRED for row in rows)
    return Listed(
        rows=found[:at_most],
        everybody=len(rows),
        found=len(found),
        must_reconnect=lost,
        sought=text,
    )


def _state(
    person: Person, unrevoked: Collection[str], lapsed: Collection[str], now: datetime
) -> tuple[str, str]:
    level, state = _STATES[person.state]
    if person.deletion_is_late(now):
        return "bad", "left; deletion is late"
    if person.username in unrevoked:
        return "warn", f"{state}; {NOT_GIVEN_BACK}"
    if person.username in lapsed and person.state is PersonState.CONNECTED:
        return "warn", f"{state}; {MEMBERSHIP_LAPSED}"
    return level, state


def _sync_pending(person: Person, last_fetched: datetime | None) -> bool:
    asked = person.sync_asked_at
    return asked is not None and (last_fetched is None or last_fetched < asked)


def webhook_rows(
    people: Sequence[Person],
    subscriptions: Sequence[Subscription],
    deliveries: Sequence[EventCount],
) -> list[WebhookRow]:
    """Return a row for every data type that is required, subscribed to or was delivered."""
    pairs = required({one.scopes for one in people if one.state is PersonState.CONNECTED})
    names = {name for name, _ in pairs}
    names |= {row.data_type for row in subscriptions} | {row.data_type for row in deliveries}
    return [
        _webhook_row(
            name,
            events={event for data_type, event in pairs if data_type == name},
            subscriptions=[row for row in subscriptions if row.data_type == name],
            deliveries=[row for row in deliveries if row.data_type == name],
        )
        for name in sorted(names)
    ]


def _webhook_row(
    name: str,
    *,
    events: set[str],
    subscriptions: list[Subscription],
    deliveries: list[EventCount],
) -> WebhookRow:
    missing = sorted(events - {row.event_type for row in subscriptions})
    if missing:
        level, state = "bad", f"{join_and(missing)} missing"
    elif subscriptions:
        level, state = "good", "subscribed"
    else:
        level, state = "quiet", "not needed"
    ends = [row.expires_at for row in subscriptions if row.expires_at]
    return WebhookRow(
        data_type=name,
        level=level,
        state=state,
        ends_at=min(ends, default=None),
        last_at=max((row.last_at for row in deliveries), default=None),
        counts={row.receipt: row.count for row in deliveries},
    )


def open_invites(invites: Iterable[Invite], now: datetime) -> list[Invite]:
    """Return the invites that can still be used, the first to expire first."""
    usable = [invite for invite in invites if not invite.used_at and invite.expires_at > now]
    return sorted(usable, key=lambda invite: invite.expires_at)
