"""Oura's two layers of rate limits: per access token and per application.

A fixed window each. Only a error_response carries headers; a success says nothing about the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from oura_pipeline.sandbox.clock import Clock
from oura_pipeline.sandbox.responses import Refused


@dataclass(frozen=True)
class Limit:
    """`requests` in `seconds`."""

    requests: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit:
        """From `5000/300`."""
        requests, _, seconds = text.partition("/")
        if not (requests.isdigit() and seconds.isdigit() and int(seconds)):
            raise ValueError(
                f"a rate limit is REQUESTS/SECONDS, for example 5000/300, not {text!r}"
            )
        return cls(int(requests), int(seconds))


@dataclass
class Limits:
    """Counts requests and refuses the one too many."""

    clock: Clock
    per_token: Limit
    per_application: Limit
    _counts: dict[str, tuple[float, int]] = field(default_factory=dict)

    def count(self, token: str) -> None:
        """Count one request; raises `Refused` (429) when a window is full."""
        self._count("application", "application", self.per_application)
        self._count(f"token {token}", "access_token", self.per_token)

    def _count(self, key: str, tier: str, limit: Limit) -> None:
        now = self.clock.now()
        start, used = self._counts.get(key, (now, 0))
        if now >= start + limit.seconds:
            start, used = now, 0
        if used >= limit.requests:
            raise too_many(limit, start + limit.seconds, now, tier)
        self._counts[key] = (start, used + 1)


def too_many(limit: Limit, reset: float, now: float, tier: str) -> Refused:
    """429 with the five headers that Oura sends."""
    headers = {
        "Retry-After": str(max(math.ceil(reset - now), 1)),
        "X-RateLimit-Limit": str(limit.requests),
        "X-RateLimit-Window": str(limit.seconds),
        "X-RateLimit-Reset": str(math.ceil(reset)),
        "X-RateLimit-Tier": tier,
    }
    return Refused(429, {"detail": "Too many requests."}, headers)
