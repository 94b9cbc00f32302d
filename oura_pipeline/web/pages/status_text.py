"""What the operator's page says, made of what the accounts know.

What surprises: whoever needs the operator stands first, whatever their name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from oura_pipeline.accounts.inbox import EventCount, Receipt
from oura_pipeline.accounts.invites import Invite
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.sync.subscriptions import required
from oura_pipeline.web.labels import listed


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """How one person is."""

    person: Person
    kind: str
    state: str
    failed_days: int
    last: datetime | None
    waiting: bool


@dataclass(frozen=True, kw_only=True)
class WebhookRow:
    """How the webhook of one of Oura's data types is.

    Attributes:
        data_type: Oura's name of it.
        kind: good, bad or quiet.
        state: whether we are subscribed, in words.
        ends_at: when the first subscription ends.
        last_at: when the last event came.
        counts: how many events came, by what became of them.
    """

    data_type: str
    kind: str
    state: str
    ends_at: datetime | None
    last_at: datetime | None
    counts: Mapping[Receipt, int]


_STATES = {
    PersonState.SIGN_IN_REQUIRED: ("bad", "must reconnect"),
    PersonState.RETIRED: ("warn", "left; is being deleted"),
    PersonState.CONNECTED: ("good", "connected"),
    PersonState.DISCONNECTED: ("quiet", "disconnected"),
}
_ORDER = {state: place for place, state in enumerate(_STATES)}


def people_rows(
    people: Iterable[Person], failed_days: Mapping[str, int], last: Mapping[str, datetime]
) -> list[PersonRow]:
    """Everybody, those first who need something."""
    rows = [
        PersonRow(
            person=person,
            kind=_STATES[person.state][0],
            state=_STATES[person.state][1],
            failed_days=failed_days.get(person.username, 0),
            last=last.get(person.username),
            waiting=_waits(person, last.get(person.username)),
        )
        for person in people
    ]
    return sorted(
        rows,
        key=lambda row: (_ORDER[row.person.state], -row.failed_days, row.person.username),
    )


def _waits(person: Person, last: datetime | None) -> bool:
    asked = person.sync_asked_at
    return asked is not None and (last is None or last < asked)


def webhook_rows(
    people: Sequence[Person],
    subscriptions: Iterable[Subscription],
    deliveries: Iterable[EventCount],
) -> list[WebhookRow]:
    """Every data type that is wanted, subscribed, or of which something came."""
    needed, there, came = required(people), list(subscriptions), list(deliveries)
    names = (
        {name for name, _ in needed}
        | {row.data_type for row in there}
        | {row.data_type for row in came}
    )
    return [
        _webhook_row(
            name,
            needed={event for data_type, event in needed if data_type == name},
            there=[row for row in there if row.data_type == name],
            came=[row for row in came if row.data_type == name],
        )
        for name in sorted(names)
    ]


def _webhook_row(
    name: str, *, needed: set[str], there: list[Subscription], came: list[EventCount]
) -> WebhookRow:
    missing = sorted(needed - {row.event_type for row in there})
    if missing:
        kind, state = "bad", f"{listed(missing)} missing"
    elif there:
        kind, state = "good", "subscribed"
    else:
        kind, state = "quiet", "not wanted"
    ends = [row.expires_at for row in there if row.expires_at]
    return WebhookRow(
        data_type=name,
        kind=kind,
        state=state,
        ends_at=min(ends, default=None),
        last_at=max((row.last_at for row in came), default=None),
        counts={row.receipt: row.count for row in came},
    )


def open_invites(invites: Iterable[Invite], now: datetime) -> list[Invite]:
    """Those that somebody may still come in with, the one that ends first at the top."""
    usable = [invite for invite in invites if not invite.used_at and invite.expires_at > now]
    return sorted(usable, key=lambda invite: invite.expires_at)
