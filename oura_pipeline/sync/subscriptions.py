"""Webhook subscriptions, kept as they must be: what is missing made, what runs out renewed.

What surprises: after a failed call nobody knows what Oura did, so nothing is believed but its list:
read before the first step, read again after the last one, and only that is remembered. And the
receiver of another address is never ours: what points there goes, however long it would live.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.oura.errors import AlreadySubscribed, OuraUnavailable, RateLimited
from oura_pipeline.oura.subscriptions import Subscriptions
from oura_pipeline.oura.webhooks import EVENT_TYPES, verification_token
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.settings import Settings

RENEW_WITHIN = timedelta(days=14)
AWAY_IN_A_ROW = 2
_USUAL_PORTS = {"http": 80, "https": 443}

Pair = tuple[str, str]  # data type, event type


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done, in this order of doing: delete, renew, create.

    Attributes:
        create: data types and event types of which there is none.
        renew: those that stay and run out.
        delete: those that nobody wants, that are over, or that point elsewhere.
    """

    create: Sequence[Pair] = ()
    renew: Sequence[Subscription] = ()
    delete: Sequence[Subscription] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.create or self.renew or self.delete)


@dataclass(kw_only=True)
class MaintainResult:
    """What came of it.

    Attributes:
        required: the data types and event types of which there must be one.
        remote: what Oura has now.
        created: how many were made, as far as Oura said so.
        renewed: how many were renewed.
        deleted: how many were ended.
        failed: what did not work, a line each.
        skipped: why nothing was looked at; None: it was.
    """

    required: frozenset[Pair] = frozenset()
    remote: Sequence[Subscription] = ()
    created: int = 0
    renewed: int = 0
    deleted: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: str | None = None


Choice = Callable[[frozenset[Pair], Sequence[Subscription]], Plan]
Answer = TypeVar("Answer")


def required(
    people: Iterable[Person], document_types: Iterable[DocumentType] = DOCUMENT_TYPES
) -> frozenset[Pair]:
    """What Oura must tell us: each event of each document type that somebody lets us see."""
    connected = [person for person in people if person.state is PersonState.CONNECTED]
    return frozenset(
        (document_type.webhook, event_type)
        for document_type in document_types
        if document_type.webhook
        and any(_granted(person, document_type.scope) for person in connected)
        for event_type in EVENT_TYPES
    )


def plan(
    wanted: Iterable[Pair],
    listed: Iterable[Subscription],
    *,
    callback_url: str,
    now: datetime,
) -> Plan:
    """What turns the list into what is wanted: one of each, at our address, that lives long enough.

    Args:
        wanted: data types and event types.
        listed: what there is.
        callback_url: our receiver.
        now: the present moment.
    """
    wanted = frozenset(wanted)
    kept: dict[Pair, Subscription] = {}
    delete = []
    for row in sorted(listed, key=_lifetime, reverse=True):
        pair = row.data_type, row.event_type
        if pair in kept or pair not in wanted or not _lives_here(row, callback_url, now):
            delete.append(row)
        else:
            kept[pair] = row
    return Plan(
        create=sorted(wanted - kept.keys()),
        renew=[row for _, row in sorted(kept.items()) if expires_within(row, now, RENEW_WITHIN)],
        delete=sorted(delete, key=_order),
    )


def maintain(pipeline: Pipeline, *, now: datetime | None = None) -> MaintainResult:
    """Make, renew and end webhook subscriptions until they are as they must be.

    What one run cannot do is left to the next one. Nothing is done without a public address.

    Args:
        pipeline: the pipeline.
        now: the present moment; None: by the clock.

    Raises:
        OuraError: there is no list to go by; nothing was done.
    """
    now = now or datetime.now(UTC)
    if reason := not_ready(pipeline.settings):
        return MaintainResult(skipped=reason)
    url = pipeline.settings.site.webhook_url
    return apply(pipeline, lambda pairs, rows: plan(pairs, rows, callback_url=url, now=now))


def not_ready(settings: Settings) -> str | None:
    """Why there can be no webhooks with these settings; None: there can."""
    if not settings.site.webhook_url:
        return "There is no OURA_PUBLIC_URL, so Oura cannot reach us: no webhooks."
    if not settings.oura.client_id or not settings.oura.client_secret.get_secret_value():
        return "There is no OURA_CLIENT_ID or OURA_CLIENT_SECRET: no webhooks."
    return None


def apply(pipeline: Pipeline, choose: Choice) -> MaintainResult:
    """Do what is chosen from Oura's list, and remember the list afterwards; never twice at once.

    Args:
        pipeline: the pipeline.
        choose: tells from what is wanted and what there is what is to be done.

    Raises:
        OuraError: there is no list to go by; nothing was done.
    """
    try:
        with pipeline.accounts.lock("subscriptions", seconds=0):
            return _carry_out(pipeline, choose)
    except AccountsBusy:
        return MaintainResult(skipped="Another process is at the webhook subscriptions.")


def client(pipeline: Pipeline) -> Subscriptions:
    """Oura's webhook subscriptions of this application."""
    settings = pipeline.settings
    return Subscriptions(
        pipeline.http,
        api_url=settings.oura.api_url,
        client_id=settings.oura.client_id,
        client_secret=settings.oura.client_secret.get_secret_value(),
    )


def fetch_remote(pipeline: Pipeline) -> list[Subscription]:
    """What Oura has now, by data type and event type.

    Raises:
        OuraError: it cannot be had.
    """
    rows = _ask(pipeline, client(pipeline).list)
    return sorted((Subscription(**asdict(row)) for row in rows), key=_order)


def describe(row: Subscription) -> str:
    """What it is about."""
    return f"{row.data_type} {row.event_type}"


def group_by_reason(failed: Iterable[str]) -> list[str]:
    """What did not work, with a reason that was the same for several said once."""
    reasons: dict[str, list[str]] = {}
    for line in failed:
        what, _, why = line.partition(": ")
        reasons.setdefault(why, []).append(what)
    return [f"{', '.join(what)}: {why}" for why, what in reasons.items()]


def expires_within(row: Subscription, now: datetime, within: timedelta) -> bool:
    """Whether it ends within that time, or nobody knows when."""
    return row.expires_at is None or row.expires_at - now <= within


def points_here(row: Subscription, callback_url: str) -> bool:
    """Whether it is our receiver's address, however it is written."""
    return bool(callback_url) and _plain(row.callback_url) == _plain(callback_url)


def _carry_out(pipeline: Pipeline, choose: Choice) -> MaintainResult:
    rows = fetch_remote(pipeline)
    done = MaintainResult(required=required(pipeline.accounts.people.all()), remote=rows)
    if steps := choose(done.required, rows):
        try:
            _take(pipeline, steps, done)
            done.remote = fetch_remote(pipeline)
        except OuraError as error:
            done.failed.append(f"left to the next run: {error}")
    pipeline.accounts.subscriptions.replace(done.remote)
    return done


def _take(pipeline: Pipeline, steps: Plan, done: MaintainResult) -> None:
    """All steps; one that fails does not stop the others.

    Oura lets one of each kind be, so what is to go goes before what is to come.

    Raises:
        RateLimited: every further step would be refused as well.
    """
    oura = client(pipeline)
    for row in steps.delete:
        error = _step(pipeline, done, f"delete {describe(row)}", partial(oura.delete, row.id))
        done.deleted += not error
    for row in steps.renew:
        error = _step(pipeline, done, f"renew {describe(row)}", partial(oura.renew, row.id))
        done.renewed += not error
    _create(pipeline, oura, steps.create, done)


def _create(
    pipeline: Pipeline, oura: Subscriptions, pairs: Sequence[Pair], done: MaintainResult
) -> None:
    """Make these, until Oura was away twice in a row: each time can take 75 s."""
    settings = pipeline.settings
    token = verification_token(settings.oura.client_secret.get_secret_value())
    away = 0
    # Two that never work must not stand in front of the others for ever.
    for data_type, event_type in random.sample(pairs, len(pairs)):
        question = partial(
            oura.create,
            data_type=data_type,
            event_type=event_type,
            callback_url=settings.site.webhook_url,
            verification_token=token,
        )
        error = _step(pipeline, done, f"create {data_type} {event_type}", question)
        done.created += not error
        away = away + 1 if isinstance(error, OuraUnavailable) else 0
        if away == AWAY_IN_A_ROW:
            done.failed.append("the others are left to the next run: Oura is away")
            return


def _step(
    pipeline: Pipeline, done: MaintainResult, what: str, question: Callable[[], object]
) -> OuraError | None:
    """What went wrong, which is noted; that there is one already is no failure."""
    try:
        _ask(pipeline, question)
    except RateLimited:
        raise
    except AlreadySubscribed as error:
        return error
    except OuraError as error:
        done.failed.append(f"{what}: {error}")
        return error
    return None


def _ask(pipeline: Pipeline, question: Callable[[], Answer]) -> Answer:
    """Ask within the budget; a pause that Oura wants holds for everyone."""
    pipeline.budget.acquire()
    try:
        return question()
    except RateLimited as error:
        pipeline.budget.obey(error.retry_after)
        raise


def _granted(person: Person, scope: str) -> bool:
    return person.scopes is None or scope in person.scopes


def _lives_here(row: Subscription, callback_url: str, now: datetime) -> bool:
    over = row.expires_at is not None and row.expires_at <= now
    return points_here(row, callback_url) and not over


def _plain(url: str) -> object:
    """An address such that two ways of writing it are equal."""
    try:
        parts = urlsplit(url)
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query


def _lifetime(row: Subscription) -> tuple[datetime, str]:
    return row.expires_at or datetime.min.replace(tzinfo=UTC), row.id


def _order(row: Subscription) -> tuple[str, str, str]:
    return row.data_type, row.event_type, row.id
