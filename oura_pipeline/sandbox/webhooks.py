"""Webhook subscriptions of the application, and signed deliveries.

Oura calls back during create and update: a callback that does not repeat the challenge gets no
subscription. On a bad day it calls back minutes later, when the call that asked for it is dead (the
fault `late`); the subscription is there from then on, and nobody is told.

A delivery is tried ten more times over about an hour, whatever went wrong, except that 410 ends the
subscription. `expiration_time` is UTC without saying so.
"""

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

RETRIES = 10
_LIFETIME = 90 * 86400


@dataclass(frozen=True)
class Subscription:
    """One (data type, event type) of the application; `expires` in Unix seconds."""

    id: str
    callback_url: str
    verification_token: str
    event_type: str
    data_type: str
    expires: float

    def public(self, decimals: int = 6) -> dict[str, str]:
        """What Oura shows of it; `decimals` are those of the seconds, nine at most."""
        return {
            "id": self.id,
            "callback_url": self.callback_url,
            "event_type": self.event_type,
            "data_type": self.data_type,
            "expiration_time": _without_zone(self.expires, decimals),
        }


@dataclass
class Delivery:
    """One event on its way to one subscription; `statuses` is one per attempt, 0 for no answer."""

    subscription: str
    event: dict[str, str]
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

    async def create(self, wish: dict[str, str], *, delay: float | None = None) -> Subscription:
        """Subscribe after the handshake, which is now or `delay` seconds after the answer.

        Raises `Refused`: 409 for a second of the same kind, 400 for a failed handshake.
        """
        made = Subscription(
            id=str(uuid.uuid4()), expires=self.clock.now() + _LIFETIME, **_known(wish)
        )
        return await self._add_verified(made, delay)

    async def update(
        self, found: Subscription, wish: dict[str, str], *, delay: float | None = None
    ) -> Subscription:
        """Change a subscription after the handshake; otherwise like `create`."""
        return await self._add_verified(replace(found, **_known(wish)), delay)

    def renew(self, found: Subscription) -> Subscription:
        """Let a subscription live another 90 days from now."""
        made = replace(found, expires=self.clock.now() + _LIFETIME)
        self.subscriptions[made.id] = made
        return made

    def get(self, subscription_id: str) -> Subscription:
        """A subscription by id. Raises `Refused` (403, as Oura answers)."""
        if subscription_id not in self.subscriptions:
            raise Refused(403, {"detail": "Webhook with specified id does not exist"})
        return self.subscriptions[subscription_id]

    def announce(self, event: dict[str, str]) -> int:
        """Send an event to whoever subscribed to it; how many that are."""
        now = self.clock.now()
        body = {"event_time": utc_time(now), **event}
        wanted = (event["data_type"], event["event_type"])
        found = [
            s
            for s in self.subscriptions.values()
            if (s.data_type, s.event_type) == wanted and s.expires > now
        ]
        for subscription in found:
            delivery = Delivery(subscription.id, body)
            self.deliveries.append(delivery)
            self._start(self._deliver(subscription, delivery))
        return len(found)

    async def stop(self) -> None:
        """Give up every delivery."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add_verified(self, made: Subscription, delay: float | None) -> Subscription:
        self._refuse_duplicate(made)
        if delay is not None:
            self._start(self._add_later(made, delay))
            return made
        await self._verify_callback(made)
        self._refuse_duplicate(made)
        self.subscriptions[made.id] = made
        return made

    async def _add_later(self, made: Subscription, delay: float) -> None:
        await asyncio.sleep(delay)
        with suppress(Refused):
            await self._add_verified(made, None)

    def _refuse_duplicate(self, made: Subscription) -> None:
        """Raises `Refused` (409) when another one is about the same."""
        kind = (made.data_type, made.event_type)
        for other in self.subscriptions.values():
            if (other.data_type, other.event_type) == kind and other.id != made.id:
                raise Refused(409, {"detail": "Subscription already exists."})

    async def _verify_callback(self, made: Subscription) -> None:
        challenge = secrets.token_hex(16)
        query = {"verification_token": made.verification_token, "challenge": challenge}
        try:
            answer = await self.http.get(
                made.callback_url, params=query, timeout=self.timeout_seconds
            )
            repeated = answer.is_success and answer.json().get("challenge") == challenge
        except (httpx.HTTPError, ValueError, AttributeError):
            repeated = False
        if not repeated:
            raise Refused(400, {"detail": "Callback URL did not answer the challenge."})

    async def _deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        for attempt in range(RETRIES + 1):
            if attempt:
                await asyncio.sleep(pause(attempt, self.retry_seconds))
            if subscription.id not in self.subscriptions:
                delivery.state = "cancelled"
                return
            subscription = self.subscriptions[subscription.id]
            status = await self._post(subscription, delivery.event)
            delivery.statuses.append(status)
            if status == httpx.codes.GONE:
                self.subscriptions.pop(subscription.id, None)
                delivery.state = "cancelled"
                return
            if 200 <= status < 400:
                delivery.state = "delivered"
                return
        delivery.state = "given up"

    async def _post(self, subscription: Subscription, event: dict[str, str]) -> int:
        body = msgspec.json.encode(event)
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

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause(attempt: int, total: float) -> float:
    """Seconds before the retry number `attempt` (1 to 10): growing, `total` all together."""
    return total * attempt / (RETRIES * (RETRIES + 1) / 2)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Uppercase hex HMAC-SHA256 over the timestamp followed by the raw body."""
    message = timestamp.encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().upper()


def _without_zone(instant: float, decimals: int) -> str:
    """`2006-01-02T15:04:05.999999999`: UTC, but it does not say so."""
    whole = datetime.fromtimestamp(int(instant), UTC).replace(tzinfo=None).isoformat()
    digits = f"{int(instant % 1 * 1e9):09d}"[:decimals]
    return f"{whole}.{digits}" if digits else whole


def _known(wish: dict[str, str]) -> dict[str, Any]:
    names = ("callback_url", "verification_token", "event_type", "data_type")
    return {name: wish[name] for name in names if wish.get(name) is not None}
