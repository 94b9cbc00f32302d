"""What machines ask the site: is it alive, can it work, and the numbers behind that.

What surprises: all three addresses are open to everyone, like the webhook. They say how many and
how long, never who: no username, no id, no path and no secret stands in them.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.pipeline import Pipeline, token_keys
from oura_pipeline.web.site import Site

CACHED_SECONDS = 5.0
LEDGER_SECONDS = 60.0  # counting the days of a ledger reads all of it
_NO_STORE = {"cache-control": "no-store"}


def routes(site: Site) -> list[BaseRoute]:
    """`/health`, `/ready` and `/metrics`."""
    numbers = Numbers(site.pipeline)
    site.traffic.registry.register(numbers)

    async def ready(request: Request) -> Response:
        checks = await run_in_threadpool(readiness, site.pipeline)
        good = all(check["ok"] for check in checks)
        said = {"status": "ready" if good else "not ready", "checks": checks}
        return JSONResponse(said, 200 if good else 503, headers=_NO_STORE)

    async def metrics(request: Request) -> Response:
        try:
            text = await run_in_threadpool(generate_latest, site.traffic.registry)
        except SQLAlchemyError:
            return Response("the accounts database does not answer\n", 503)
        return Response(text, headers={**_NO_STORE, "content-type": CONTENT_TYPE_LATEST})

    return [
        Route("/health", health, name="health"),
        Route("/ready", ready, name="ready"),
        Route("/metrics", metrics, name="metrics"),
    ]


async def health(request: Request) -> Response:
    """This process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def readiness(pipeline: Pipeline) -> list[dict[str, Any]]:
    """What must work for the site to work, and how old the warehouse is, which need not be."""
    published = _age(pipeline.settings.storage.analytics_path)
    landed = _age(pipeline.settings.storage.warehouse_path)
    return [
        _check("accounts", "does not answer", lambda: pipeline.accounts.inbox.backlog()),
        _check("key", "is missing, or opens no stored token", lambda: _key(pipeline)),
        _check("data folder", "cannot be written", lambda: _write(pipeline.settings.storage.home)),
        {"name": "warehouse", "ok": True, "landed_seconds_ago": landed}
        | {"published_seconds_ago": published},
    ]


class Numbers:
    """Collects what the databases and files say, when it is asked, every few seconds at most."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._quick = _Cached(CACHED_SECONDS, lambda: list(_metrics(pipeline)))
        self._ledger = _Cached(LEDGER_SECONDS, lambda: list(_ledger(pipeline)))

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the databases."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        with self._lock:
            return [*self._quick.get(), *self._ledger.get()]


class _Cached:
    """The result of a function, for some seconds."""

    def __init__(self, seconds: float, make: Callable[[], list[Metric]]) -> None:
        self._seconds = seconds
        self._make = make
        self._made: list[Metric] = []
        self._until = 0.0

    def get(self) -> list[Metric]:
        """The result, made anew when it is too old."""
        if time.monotonic() >= self._until:
            self._made = self._make()
            self._until = time.monotonic() + self._seconds
        return self._made


def _metrics(pipeline: Pipeline) -> Iterator[Metric]:
    now = datetime.now(UTC)
    yield from _people(pipeline)
    yield from _budget(pipeline)
    yield from _webhooks(pipeline, now)
    yield _gauge(
        "oura_landed_seconds_ago",
        "Seconds since the warehouse was last written.",
        _age(pipeline.settings.storage.warehouse_path),
    )
    yield _gauge(
        "oura_published_seconds_ago",
        "Seconds since the copy for analysts was last published.",
        _age(pipeline.settings.storage.analytics_path),
    )


def _people(pipeline: Pipeline) -> Iterator[Metric]:
    people = pipeline.accounts.people.all()
    by_state = GaugeMetricFamily("oura_people", "People by state.", labels=["state"])
    for state in PersonState:
        by_state.add_metric([state.value], sum(person.state is state for person in people))
    yield by_state


def _asked(pipeline: Pipeline, now: datetime) -> Iterator[Metric]:
    people = pipeline.accounts.people.all()
    connected = {p.username for p in people if p.state is PersonState.CONNECTED}
    asked = [
        at for name, at in pipeline.accounts.overview.last_asked().items() if name in connected
    ]
    yield _gauge(
        "oura_longest_unasked_seconds",
        "Seconds since Oura was asked for the connected person whose turn is longest ago.",
        (now - min(asked)).total_seconds() if asked else None,
    )


def _budget(pipeline: Pipeline) -> Iterator[Metric]:
    budget = pipeline.budget.state()
    yield _gauge("oura_budget_limit", "Requests to Oura that a period allows.", budget.limit)
    yield _gauge("oura_budget_used", "Requests to Oura in the period that ends now.", budget.used)


def _webhooks(pipeline: Pipeline, now: datetime) -> Iterator[Metric]:
    backlog = pipeline.accounts.inbox.backlog()
    yield _gauge(
        "oura_inbox_waiting", "Webhook events that wait to be acted upon.", backlog.waiting
    )
    yield _gauge(
        "oura_inbox_oldest_seconds",
        "Age of the oldest of them.",
        (now - backlog.oldest).total_seconds() if backlog.oldest else 0,
    )
    deliveries = CounterMetricFamily(
        "oura_webhook_deliveries",
        "Webhook deliveries that were acknowledged, by what came of them.",
        labels=["receipt", "data_type"],
    )
    for row in pipeline.accounts.inbox.counts():
        deliveries.add_metric([row.receipt.value, row.data_type], row.count)
    yield deliveries
    yield from _subscriptions(pipeline.accounts.subscriptions.all(), now)


def _subscriptions(subscriptions: list[Subscription], now: datetime) -> Iterator[Metric]:
    ends = [row.expires_at for row in subscriptions if row.expires_at]
    yield _gauge("oura_subscriptions", "Webhook subscriptions at Oura.", len(subscriptions))
    yield _gauge(
        "oura_subscriptions_expire_in_days",
        "Days until the first of them ends.",
        (min(ends) - now).total_seconds() / 86400 if ends else None,
    )


def _ledger(pipeline: Pipeline) -> Iterator[Metric]:
    yield from _asked(pipeline, datetime.now(UTC))
    yield _gauge(
        "oura_failed_days",
        "Days on which something failed for somebody, people added up.",
        sum(pipeline.accounts.overview.failed_days().values()),
    )
    days = GaugeMetricFamily(
        "oura_ledger_days",
        "Days of people and document types that Oura was asked for, by what came of it.",
        labels=["status"],
    )
    counted = pipeline.accounts.overview.statuses()
    for status in FetchStatus:
        days.add_metric([status.value], counted.get(status, 0))
    yield days


def _gauge(name: str, what: str, value: float | None) -> Metric:
    """One number; a metric without a sample where there is none."""
    gauge = GaugeMetricFamily(name, what)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _check(name: str, trouble: str, work: Callable[[], object]) -> dict[str, Any]:
    """Whether it works; what exactly went wrong may hold a path and is not said."""
    try:
        work()
    except (OSError, SQLAlchemyError, AccountsError):
        return {"name": name, "ok": False, "detail": trouble}
    return {"name": name, "ok": True}


def _key(pipeline: Pipeline) -> None:
    """Fails where the next start would: this process has read the key long ago."""
    settings = pipeline.settings
    pipeline.accounts.check_key(keys=token_keys(settings), key_path=settings.storage.token_key_path)


def _write(home: Path) -> None:
    with tempfile.TemporaryFile(dir=home) as file:
        file.write(b"ready")


def _age(path: Path) -> float | None:
    """Seconds since a file was written; None: there is none."""
    with suppress(OSError):
        return round(max(time.time() - path.stat().st_mtime, 0.0), 1)
    return None
