"""Counters of what happens to requests in this process, for /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

# The last one is where deliveries time out.
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0)


class RequestMetrics:
    """The counters of one site.

    Attributes:
        registry: where they are registered.
        requests: responses by the class of their status, such as `2xx`.
        refused: refused webhook deliveries, by reason.
        webhook_seconds: from a webhook delivery to its response.
    """

    def __init__(self) -> None:
        # Not the global registry: two sites in one process (in tests) must not count together.
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "oura_site_requests",
            "Responses of the site, by class of status.",
            ["status"],
            registry=self.registry,
        )
        self.refused = Counter(
            "oura_webhook_refused",
            "Refused webhook deliveries, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "oura_webhook_seconds",
            "Seconds from a webhook delivery to its response.",
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
