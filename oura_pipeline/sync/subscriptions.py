"""Webhook subscriptions, created, renewed and deleted until they are as required.

After a failed request it is unknown what Oura did. So only Oura's own list counts: it is read
before the first step and again after the last one, and only that is recorded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.oura.errors import AlreadySubscribed, OuraUnavailable, RateLimited
from oura_pipeline.oura.subscriptions import Subscriptions
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.settings import Settings
from oura_pipeline.sync.subscription_plan import Pair, Plan, plan, required, sort_key

MAX_UNAVAILABLE_IN_A_ROW = 2  # each time can take 75 s


@dataclass(kw_only=True)
class MaintainResult:
    """What was done about the subscriptions.

    Attributes:
        required: the data types and event types that must have a subscription.
        remote: the subscriptions that Oura has now.
        created: how many were created, as far as Oura confirmed it.
        renewed: how many were renewed.
        deleted: how many were deleted.
        failed: what failed, a line each.
        skipped: why nothing was done; None: something was.
    """

    required: frozenset[Pair] = frozenset()
    remote: Sequence[Subscription] = ()
    created: int = 0
    renewed: int = 0
    deleted: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: str | None = None


Planner = Callable[[frozenset[Pair], Sequence[Subscription]], Plan]
Result = TypeVar("Result")


def maintain(pipeline: Pipeline, *, now: datetime | None = None) -> MaintainResult:
    """Create, renew and delete webhook subscriptions until they are as required.

    What fails is left to the next run. Nothing is done without a public address.

    Args:
        pipeline: the pipeline.
        now: the present moment; None: by the clock.

    Raises:
        OuraError: Oura's list cannot be read; nothing was done.
    """
    now = now or datetime.now(UTC)
    if reason := not_ready(pipeline.settings):
        return MaintainResult(skipped=reason)
    url = pipeline.settings.site.webhook_url
    return apply(pipeline, lambda pairs, rows: plan(pairs, rows, callback_url=url, now=now))


def not_ready(settings: Settings) -> str | None:
    """Return why there can be no webhooks with these settings; None: there can."""
    if reason := settings.site.unreachable:
        return f"{reason}, so Oura cannot reach us: no webhooks."
    if not settings.oura.client_id or not settings.oura.client_secret.get_secret_value():
        return "OURA_CLIENT_ID or OURA_CLIENT_SECRET is not set: no webhooks."
    return None


def apply(pipeline: Pipeline, planner: Planner) -> MaintainResult:
    """Do what is planned from Oura's list, and record the list afterwards; never twice at once.

    Args:
        pipeline: the pipeline.
        planner: returns the plan, given the required pairs and Oura's subscriptions.

    Raises:
        OuraError: Oura's list cannot be read; nothing was done.
    """
    try:
        with pipeline.accounts.lock("subscriptions", seconds=0):
            return _apply(pipeline, planner)
    except AccountsBusy:
        return MaintainResult(skipped="Another process is changing the webhook subscriptions.")


def fetch_remote(pipeline: Pipeline) -> list[Subscription]:
    """Return the subscriptions that Oura has, by data type and event type.

    Raises:
        OuraError: they cannot be read.
    """
    rows = _within_budget(pipeline, _client(pipeline).list)
    return sorted((Subscription(**asdict(row)) for row in rows), key=sort_key)


def describe(row: Subscription) -> str:
    """Return a subscription's data type and event type as text."""
    return f"{row.data_type} {row.event_type}"


def group_by_reason(failed: Iterable[str]) -> list[str]:
    """Return what failed, with failures of the same reason in one line."""
    reasons: dict[str, list[str]] = {}
    for line in failed:
        what, _, why = line.partition(": ")
        reasons.setdefault(why, []).append(what)
    return [f"{', '.join(what)}: {why}" for why, what in reasons.items()]


def _client(pipeline: Pipeline) -> Subscriptions:
    settings = pipeline.settings
    return Subscriptions(
        pipeline.http,
        api_url=settings.oura.api_url,
        client_id=settings.oura.client_id,
        client_secret=settings.oura.client_secret.get_secret_value(),
    )


def _apply(pipeline: Pipeline, planner: Planner) -> MaintainResult:
    remote = fetch_remote(pipeline)
    done = MaintainResult(required=required(pipeline.accounts.people.granted()), remote=remote)
    if steps := planner(done.required, remote):
        try:
            _take_steps(pipeline, steps, done)
            done.remote = fetch_remote(pipeline)
        except OuraError as error:
            done.failed.append(f"left to the next run: {error}")
    pipeline.accounts.subscriptions.replace(done.remote)
    return done


def _take_steps(pipeline: Pipeline, steps: Plan, done: MaintainResult) -> None:
    """Take all steps; one that fails does not stop the others.

    Raises:
        RateLimited: every further step would be refused as well.
    """
    oura = _client(pipeline)
    # Deletes come first: Oura allows one subscription of each data type and event type.
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
    settings = pipeline.settings
    token = verification_token(settings.oura.client_secret.get_secret_value())
    unavailable = 0
    # In random order: two that never work must not keep the others from their turn for ever.
    for data_type, event_type in random.sample(pairs, len(pairs)):
        request = partial(
            oura.create,
            data_type=data_type,
            event_type=event_type,
            callback_url=settings.site.webhook_url,
            verification_token=token,
        )
        error = _step(pipeline, done, f"create {data_type} {event_type}", request)
        done.created += not error
        unavailable = unavailable + 1 if isinstance(error, OuraUnavailable) else 0
        if unavailable == MAX_UNAVAILABLE_IN_A_ROW:
            done.failed.append("the others are left to the next run: Oura is unavailable")
            return


def _step(
    pipeline: Pipeline, done: MaintainResult, what: str, request: Callable[[], object]
) -> OuraError | None:
    """Take a step, and return its error, which is recorded unless nothing was to be done."""
    try:
        _within_budget(pipeline, request)
    except RateLimited:
        raise
    except AlreadySubscribed as error:
        return error
    except OuraError as error:
        done.failed.append(f"{what}: {error}")
        return error
    return None


def _within_budget(pipeline: Pipeline, request: Callable[[], Result]) -> Result:
    pipeline.budget.acquire()
    try:
        return request()
    except RateLimited as error:
        pipeline.budget.pause(error.retry_after)  # holds for everyone
        raise
