"""Health, readiness and metrics, for monitoring."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
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
from oura_pipeline.sync.storage_failures import needed_room
from oura_pipeline.warehouse.errors import WarehouseError
from oura_pipeline.web.automation import State, automation, failed_runs
from oura_pipeline.web.site import Site

CACHE_SECONDS = 5.0
AUTOMATION_CACHE_SECONDS = 15.0
LEDGER_CACHE_SECONDS = 60.0  # counting the days of the ledger reads all of it
# A proxy must not answer in our place.
_NO_STORE = {"cache-control": "no-store"}


# Of a public site. Everything else rises or falls back when somebody's ring sends something: where
# there are few people, it says when one of them gets up.
FOR_STRANGERS = (
    *("oura_people", "oura_budget_limit", "oura_dagster_up", "oura_automation_works"),
    *("oura_subscriptions", "oura_subscriptions_expire_in_days", "oura_deletions_late"),
)


# All three are open to everyone, like the webhook. They say how many and how long, never who: no
# username, no id, no path and no secret.
def routes(site: Site) -> list[BaseRoute]:
    """Return `/health`, `/ready` and `/metrics`."""
    registry = site.request_metrics.registry
    registry.register(PipelineCollector(site.pipeline))
    registry.register(AutomationCollector(site))

    async def ready(request: Request) -> Response:
        checks = await run_in_threadpool(readiness, site.pipeline)
        if not _may_see_rhythm(site, request):
            checks = [
                {key: said for key, said in check.items() if not key.endswith("_seconds_ago")}
                for check in checks
            ]
        ok = all(check["ok"] for check in checks)
        body = {"status": "ready" if ok else "not ready", "checks": checks}
        return JSONResponse(body, 200 if ok else 503, headers=_NO_STORE)

    async def metrics(request: Request) -> Response:
        shown = registry if _may_see_rhythm(site, request) else _Coarse(registry)
        try:
            text = await run_in_threadpool(generate_latest, shown)
        except SQLAlchemyError:
            # No metrics at all: then Prometheus knows that the target is down.
            return Response("the accounts database is unavailable\n", 503)
        return Response(text, headers={**_NO_STORE, "content-type": CONTENT_TYPE_LATEST})

    return [
        Route("/health", health, name="health"),
        Route("/ready", ready, name="ready"),
        Route("/metrics", metrics, name="metrics"),
    ]


async def health(request: Request) -> Response:
    # Nothing else is checked: a restart would not repair a database.
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def readiness(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return a check of everything the site needs, and the age of the warehouse."""
    published = _age(pipeline.settings.storage.analytics_path)
    landed = _landed_age(pipeline)
    return [
        _check("accounts", "unavailable", lambda: pipeline.accounts.inbox.backlog()),
        _check(
            "key", "missing, or does not decrypt the stored tokens", lambda: _check_key(pipeline)
        ),
        _check(
            "data folder", "not writable", lambda: _check_writable(pipeline.settings.storage.home)
        ),
        {"name": "warehouse", "ok": True, "landed_seconds_ago": landed}
        | {"published_seconds_ago": published},
    ]


class _Coarse:
    """A registry without what says when something happened to somebody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.name in FOR_STRANGERS:
                yield metric


def _may_see_rhythm(site: Site, request: Request) -> bool:
    """Return whether this is the operator, or a site for this machine alone.

    Raises:
        HTTPException: the token is wrong, or there were too many wrong ones.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        site.operator_auth.check(given.strip())
        return True
    return site.settings.site.is_private


class PipelineCollector:
    """A Prometheus collector of what the databases and files say."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._quick = _Cached(CACHE_SECONDS, lambda: list(_metrics(pipeline)))
        self._ledger = _Cached(LEDGER_CACHE_SECONDS, lambda: list(_ledger(pipeline)))

    def describe(self) -> Iterable[Metric]:
        """Return nothing: without this method, registering would query the databases."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        with self._lock:
            return [*self._quick.get(), *self._ledger.get()]


class AutomationCollector:
    """A Prometheus collector of what Dagster's UI says of sensors and schedules."""

    def __init__(self, site: Site) -> None:
        self._lock = threading.Lock()
        self._all = _Cached(AUTOMATION_CACHE_SECONDS, lambda: list(_automation(site)))

    def describe(self) -> Iterable[Metric]:
        """Return nothing: without this method, registering would ask Dagster."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return whether Dagster answers, and how each is."""
        with self._lock:
            return self._all.get()


class _Cached:
    """The result of a function, kept for some seconds: /metrics is open, and must stay cheap."""

    def __init__(self, seconds: float, compute: Callable[[], list[Metric]]) -> None:
        self._seconds = seconds
        self._compute = compute
        self._result: list[Metric] = []
        self._expires = 0.0

    def get(self) -> list[Metric]:
        if time.monotonic() >= self._expires:
            self._result = self._compute()
            self._expires = time.monotonic() + self._seconds
        return self._result


def _metrics(pipeline: Pipeline) -> Iterator[Metric]:
    now = datetime.now(UTC)
    yield from _people(pipeline)
    yield from _budget(pipeline)
    yield from _webhooks(pipeline, now)
    yield from _waiting_pushes(pipeline, now)
    yield from _disk(pipeline)
    yield _gauge(
        "oura_landed_seconds_ago",
        "Seconds since the warehouse was last written.",
        _landed_age(pipeline),
    )
    yield _gauge(
        "oura_published_seconds_ago",
        "Seconds since the copy for analysts was last published.",
        _age(pipeline.settings.storage.analytics_path),
    )


def _people(pipeline: Pipeline) -> Iterator[Metric]:
    people = pipeline.accounts.people
    counts = people.counts()
    by_state = GaugeMetricFamily("oura_people", "People by state.", labels=["state"])
    for state in PersonState:
        by_state.add_metric([state.value], counts[state])
    yield by_state
    now = datetime.now(UTC)
    yield _gauge(
        "oura_deletions_late",
        "People who left and whose data should have been deleted by now.",
        sum(person.deletion_is_late(now) for person in people.all([PersonState.RETIRED])),
    )


def _waiting_pushes(pipeline: Pipeline, now: datetime) -> Iterator[Metric]:
    waiting = pipeline.accounts.waiting.count()
    yield _gauge(
        "oura_pushes_waiting",
        "Days, per person and document type, whose points Graphite was not sent or lost.",
        waiting.days,
    )
    yield _gauge(
        "oura_pushes_oldest_seconds",
        "Longest time that such a day has been waiting.",
        (now - waiting.oldest).total_seconds() if waiting.oldest else 0,
    )
    yield _gauge(
        "oura_pushes_lost",
        "Those of these days whose points were sent and could not be read back.",
        waiting.lost,
    )


def _disk(pipeline: Pipeline) -> Iterator[Metric]:
    yield _gauge(
        "oura_disk_free_bytes",
        "Free room on the disk of the data folder.",
        shutil.disk_usage(pipeline.settings.storage.home).free,
    )
    yield _gauge(
        "oura_disk_needed_bytes",
        "Room that should be free there, for the next copy and what lands.",
        needed_room(),
    )


def _longest_unasked(pipeline: Pipeline, now: datetime) -> Iterator[Metric]:
    # Nobody waits for people who have left or disconnected.
    first = pipeline.accounts.overview.first_due()
    yield _gauge(
        "oura_longest_unasked_seconds",
        "Longest time since Oura was last asked for a connected person.",
        (now - first).total_seconds() if first else None,
    )
    turn = timedelta(pipeline.accounts.people.turn_days(pipeline.settings.workers.people_per_day))
    yield _gauge(
        "oura_fetch_late_seconds",
        "Time since the turn of a connected person to be asked for was over; negative: it is not.",
        (now - first - turn).total_seconds() if first else None,
    )


def _budget(pipeline: Pipeline) -> Iterator[Metric]:
    budget = pipeline.budget.state()
    yield _gauge("oura_budget_limit", "Requests to Oura allowed per period.", budget.limit)
    yield _gauge("oura_budget_used", "Requests to Oura in the period that ends now.", budget.used)


def _webhooks(pipeline: Pipeline, now: datetime) -> Iterator[Metric]:
    backlog = pipeline.accounts.inbox.backlog()
    yield _gauge("oura_inbox_waiting", "Webhook events waiting to be processed.", backlog.waiting)
    yield _gauge(
        "oura_inbox_oldest_seconds",
        "Age of the oldest waiting webhook event.",
        (now - backlog.oldest).total_seconds() if backlog.oldest else 0,
    )
    deliveries = CounterMetricFamily(
        "oura_webhook_deliveries",
        "Acknowledged webhook deliveries, by result.",
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
        "Days until the first webhook subscription expires.",
        (min(ends) - now).total_seconds() / 86400 if ends else None,
    )


def _ledger(pipeline: Pipeline) -> Iterator[Metric]:
    yield from _longest_unasked(pipeline, datetime.now(UTC))
    yield _gauge(
        "oura_failed_days",
        "Days with a failed fetch, summed over people.",
        sum(pipeline.accounts.overview.failed_days().values()),
    )
    days = GaugeMetricFamily(
        "oura_ledger_days",
        "Fetched days, per person and document type, by result.",
        labels=["status"],
    )
    counted = pipeline.accounts.overview.statuses()
    for status in FetchStatus:
        days.add_metric([status.value], counted[status])
    yield days


def _automation(site: Site) -> Iterator[Metric]:
    url = site.settings.site.dagster_url
    found = automation(site.dagster, url)
    yield _gauge("oura_dagster_up", "Whether Dagster's UI answers.", found is not None)
    works = GaugeMetricFamily(
        "oura_automation_works",
        "Whether a sensor or schedule is neither stopped nor late.",
        labels=["name"],
    )
    for one in found or ():
        if one.state is not State.OFF:
            works.add_metric([one.name], one.works)
    yield works
    yield _gauge(
        "oura_runs_failed",
        "Runs that failed in the last 24 hours, those whose process died included.",
        failed_runs(site.dagster, url) if found else None,
    )


def _gauge(name: str, description: str, value: float | None) -> Metric:
    gauge = GaugeMetricFamily(name, description)
    # A zero for an unknown value would make an alert fire always or never.
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _check(name: str, problem: str, check: Callable[[], object]) -> dict[str, Any]:
    try:
        check()
    except (OSError, SQLAlchemyError, AccountsError):
        # The error itself may contain a path.
        return {"name": name, "ok": False, "detail": problem}
    return {"name": name, "ok": True}


def _check_key(pipeline: Pipeline) -> None:
    # This process has the key in memory; without this, only the next start would fail.
    settings = pipeline.settings
    pipeline.accounts.check_key(keys=token_keys(settings), key_path=settings.storage.token_key_path)


def _check_writable(home: Path) -> None:
    with tempfile.TemporaryFile(dir=home) as file:
        file.write(b"ready")


def _age(path: Path) -> float | None:
    """Return the seconds since a file was written; None: there is no file."""
    with suppress(OSError):
        return _seconds_since(path.stat().st_mtime)
    return None


def _landed_age(pipeline: Pipeline) -> float | None:
    """Return the seconds since the warehouse was written; None: it never was, or is away."""
    with suppress(WarehouseError):
        if changed := pipeline.warehouse.changed_at():
            return _seconds_since(changed)
    return None


def _seconds_since(instant: float) -> float:
    # Not negative, in case the clock was set back.
    return round(max(time.time() - instant, 0.0), 1)
