"""What happened to requests in this process: counted here, read by /metrics.

What surprises: every site has a registry of its own, so that two sites in one process (the tests)
do not count for each other; counts begin at zero with every start, as Prometheus expects.
"""

from __future__ import annotations

import logging
import time
from collections import Counter as Counts
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET_SECONDS = 60.0
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0)
_log = logging.getLogger(__name__)


class Traffic:
    """The counters of one site.

    Attributes:
        registry: what they are registered in.
        requests: answers by the class of their status, like `2xx`.
        refused: webhook deliveries that were refused, by reason.
        webhook_seconds: how long deliveries waited for their answer.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "oura_site_requests",
            "Requests that the site answered, by class of status.",
            ["status"],
            registry=self.registry,
        )
        self.refused = Counter(
            "oura_webhook_refused",
            "Webhook deliveries that were refused, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "oura_webhook_seconds",
            "Seconds from a webhook delivery to its answer.",
            buckets=_BOUNDS,
            registry=self.registry,
        )


class Counted:
    """ASGI middleware that counts answers by the class of their status."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._by_class = {
            number: traffic.requests.labels(f"{number}xx") for number in (1, 2, 3, 4, 5)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and count it."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._by_class[message["status"] // 100].inc()
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


class QuietLog:
    """A log that strangers cannot fill: one line a minute for each reason, the rest is counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._left_out: Counts[str] = Counts()

    def warn(self, reason: str, message: str) -> None:
        """Write the message, or count it; `reason` is one of few names."""
        now = self._clock()
        if now < self._next.get(reason, now):
            self._left_out[reason] += 1
            return
        self._next[reason] = now + QUIET_SECONDS
        left_out = self._left_out.pop(reason, 0)
        _log.warning("%s%s", message, f" ({left_out} more before)" if left_out else "")
