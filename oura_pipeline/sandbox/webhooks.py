"""Webhook subscriptions of the application, and signed deliveries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from oura_pipeline.sandbox.clock import Clock
from oura_pipeline.sandbox.responses import Refused
from oura_pipeline.sandbox.times import utc_time

# Ten retries over about an hour, whatever went wrong, as Oura's own description says.
RETRIES = 10
# About three months. Oura's text says no more, so clients renew well before.
_LIFETIME = 90 * 86400
SUBSCRIPTION_FIELDS = ("callback_url", "verification_token", "event_type", "data_type")


@dataclass(frozen=True)
class Subscription:
    """One data type and event type that the application wants to hear of."""

    id: str
    callback_url: str
    verification_token: str
    event_type: str
    data_type: str
    # Unix seconds.
    expires: float

    def public(self, decimals: int = 6) -> dict[str, str]:
        """Return what Oura shows of it; `decimals` are those of the seconds, nine at most."""
        # Never the verification token: whoever lists subscriptions must not learn it.
        return {
            "id": self.id,
            "callback_url": self.callback_url,
            "event_type": self.event_type,
            "data_type": self.data_type,
            "expiration_time": _without_zone(self.expires, decimals),
        }


@dataclass
class Delivery:
    """One event on its way to one subscription."""

    subscription: str
    event: dict[str, str]
    # One per attempt, 0 where there was no answer.
    statuses: list[int] = field(default_factory=list)
    state: str = "waiting"


@dataclass(kw_only=True)
class Webhooks:
    """The application's subscriptions and the deliveries that are under way."""

    clock: Clock
    http: httpx.AsyncClient
    secret: str
    retry_seconds: float
    timeout_seconds: float
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def create(self, body: dict[str, str], *, delay: float | None = None) -> Subscription:
        """Subscribe after the handshake, which comes now or `delay` seconds after the answer.

        Raise `Refused`: 409 for a second of the same kind, 400 for a failed handshake.
        """
        expires = self.clock.now() + _LIFETIME
        subscription = Subscription(id=str(uuid.uuid4()), expires=expires, **_fields(body))
        return await self._add_verified(subscription, delay)

    async def update(
        self, old: Subscription, body: dict[str, str], *, delay: float | None = None
    ) -> Subscription:
        """Change a subscription after the handshake; otherwise like `create`."""
        return await self._add_verified(replace(old, **_fields(body)), delay)

    def renew(self, old: Subscription) -> Subscription:
        """Let a subscription expire 90 days from now, without a handshake."""
        renewed = replace(old, expires=self.clock.now() + _LIFETIME)
        self.subscriptions[renewed.id] = renewed
        return renewed

    def get(self, subscription_id: str) -> Subscription:
        """Return a subscription by id. Raise `Refused` (403) for an unknown one."""
        # Not 404: the status and the sentence are those of Oura's description.
        if subscription_id not in self.subscriptions:
            raise Refused(403, {"detail": "Webhook with specified id does not exist"})
        return self.subscriptions[subscription_id]

    def announce(self, event: dict[str, str]) -> int:
        """Send an event to whoever subscribed to it and return how many that are."""
        now = self.clock.now()
        body = {"event_time": utc_time(now), **event}
        wanted = (event["data_type"], event["event_type"])
        count = 0
        for subscription in self.subscriptions.values():
            # An expired subscription stays in the list and gets nothing; nobody is told.
            if (subscription.data_type, subscription.event_type) != wanted:
                continue
            if subscription.expires > now:
                delivery = Delivery(subscription.id, body)
                self.deliveries.append(delivery)
                self._start(self._deliver(subscription, delivery))
                count += 1
        return count

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add_verified(self, subscription: Subscription, delay: float | None) -> Subscription:
        self._refuse_duplicate(subscription)
        if delay is not None:
            # On a bad day Oura calls back minutes later, when the call that asked for it is dead.
            # The subscription is there from then on, and nobody is told.
            self._start(self._add_later(subscription, delay))
            return subscription
        await self._verify_callback(subscription)
        # Again: another one may have come while the callback was answering.
        self._refuse_duplicate(subscription)
        self.subscriptions[subscription.id] = subscription
        return subscription

    async def _add_later(self, subscription: Subscription, delay: float) -> None:
        await asyncio.sleep(delay)
        with suppress(Refused):
            await self._add_verified(subscription, None)

    def _refuse_duplicate(self, subscription: Subscription) -> None:
        # 409 is what most clients report for a second one of a kind; one reports 400.
        kind = (subscription.data_type, subscription.event_type)
        for other in self.subscriptions.values():
            if (other.data_type, other.event_type) == kind and other.id != subscription.id:
                raise Refused(409, {"detail": "Subscription already exists."})

    async def _verify_callback(self, subscription: Subscription) -> None:
        challenge = secrets.token_hex(16)
        query = {"verification_token": subscription.verification_token, "challenge": challenge}
        try:
            answer = await self.http.get(
                subscription.callback_url, params=query, timeout=self.timeout_seconds
            )
            # Only the JSON counts: a page that echoes its query must not pass.
            repeated = answer.is_success and answer.json().get("challenge") == challenge
        except (httpx.HTTPError, ValueError, AttributeError):
            repeated = False
        if not repeated:
            raise Refused(400, {"detail": "Callback URL did not answer the challenge."})

    async def _deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        for attempt in range(RETRIES + 1):
            if attempt:
                await asyncio.sleep(pause(attempt, self.retry_seconds))
            # Looked up anew: it may have been deleted, or its callback moved, during the pause.
            if subscription.id not in self.subscriptions:
                delivery.state = "cancelled"
                return
            subscription = self.subscriptions[subscription.id]
            status = await self._post(subscription, delivery.event)
            delivery.statuses.append(status)
            # The one status that is not retried: it ends the subscription.
            if status == httpx.codes.GONE:
                self.subscriptions.pop(subscription.id, None)
                delivery.state = "cancelled"
                return
            # A redirect counts as received and is not followed.
            if 200 <= status < 400:
                delivery.state = "delivered"
                return
        delivery.state = "given up"

    async def _post(self, subscription: Subscription, event: dict[str, str]) -> int:
        # Compact, so that a receiver may verify the signature over its own re-encoding as well.
        body = msgspec.json.encode(event)
        # Milliseconds, as in the example of Oura's description. Signed anew for every attempt.
        stamp = str(int(self.clock.now() * 1000))
        headers = {
            "content-type": "application/json",
            "x-oura-timestamp": stamp,
            "x-oura-signature": signature(self.secret, stamp, body),
        }
        try:
            answer = await self.http.post(
                subscription.callback_url,
                content=body,
                headers=headers,
                timeout=self.timeout_seconds,
            )
        except httpx.HTTPError:
            return 0
        return answer.status_code

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        # Kept, because the event loop holds its tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause(attempt: int, total: float) -> float:
    """Return the seconds before retry `attempt` (1 to 10): growing, `total` all together."""
    return total * attempt / (RETRIES * (RETRIES + 1) / 2)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the uppercase hex HMAC-SHA256 over the timestamp followed by the raw body."""
    # The key is the client secret. Oura's own description leaves the order and the case open;
    # receivers in production verified this form.
    message = timestamp.encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().upper()


def _without_zone(instant: float, decimals: int) -> str:
    # UTC, and it does not say so: `2006-01-02T15:04:05.999999999`.
    whole = datetime.fromtimestamp(int(instant), UTC).replace(tzinfo=None).isoformat()
    digits = f"{int(instant % 1 * 1e9):09d}"[:decimals]
    return f"{whole}.{digits}" if digits else whole


def _fields(body: dict[str, str]) -> dict[str, Any]:
    return {name: body[name] for name in SUBSCRIPTION_FIELDS if body.get(name) is not None}
