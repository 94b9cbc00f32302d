"""Oura's two layers of rate limits: per access token and per application."""

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
        """Read a limit such as `5000/300`."""
        requests, _, seconds = text.partition("/")
        if not (requests.isdigit() and seconds.isdigit() and int(seconds)):
            raise ValueError(
                f"a rate limit is REQUESTS/SECONDS, for example 5000/300, not {text!r}"
            )
        return cls(int(requests), int(seconds))


@dataclass
class Limits:
    """Requests counted in fixed windows."""

    clock: Clock
    per_token: Limit
    per_application: Limit
    _counts: dict[str, tuple[float, int]] = field(default_factory=dict)

    def count(self, token: str) -> None:
        """Count one request. Raise `Refused` (429) when a window is full."""
        # Both layers are Oura's since version 1.34 of its description, which gives no numbers for
        # either: hence the options. The application first, so that its refusal costs no token.
        self._count("application", "application", self.per_application)
        self._count(f"token {token}", "access_token", self.per_token)

    def _count(self, key: str, tier: str, limit: Limit) -> None:
        now = self.clock.now()
        start, used = self._counts.get(key, (now, 0))
        # A fixed window, not a sliding one: the one `X-RateLimit-Reset` names has an end.
        if now >= start + limit.seconds:
            start, used = now, 0
        if used >= limit.requests:
            raise too_many(limit, start + limit.seconds, now, tier)
        self._counts[key] = (start, used + 1)


def too_many(limit: Limit, reset: float, now: float, tier: str) -> Refused:
    """Return a 429 with the five headers that Oura's description lists."""
    headers = {
        # Never 0, which clients take for "no pause named".
        "Retry-After": str(max(math.ceil(reset - now), 1)),
        "X-RateLimit-Limit": str(limit.requests),
        "X-RateLimit-Window": str(limit.seconds),
        "X-RateLimit-Reset": str(math.ceil(reset)),
        "X-RateLimit-Tier": tier,
    }
    # No body of a real 429 was ever published; a client should read the headers only.
    return Refused(429, {"detail": "Too many requests."}, headers)
