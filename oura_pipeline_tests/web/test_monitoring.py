"""What machines ask, over real HTTP: numbers without names."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from prometheus_client.parser import text_string_to_metric_families

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.ledger import FetchStatus, PersonDay
from oura_pipeline_tests.accounts.homes import fetch
from oura_pipeline_tests.web.site_client import (
    EVENT,
    SECRET,
    TOKEN,
    add_person,
    deliver,
    event_body,
    open_accounts_in,
    site_client,
)

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder of one's own."""
    return tmp_path / "data"


@pytest.fixture
def client(home: Path) -> Iterator[httpx.Client]:
    """A client of a site in that folder."""
    with site_client(home, oura_operator_token=TOKEN) as client:
        yield client


def samples(client: httpx.Client) -> Samples:
    """All samples of /metrics, by name and the values of their labels (in the order of those)."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def some(found: Samples, *names: str) -> Samples:
    """Those of these metrics."""
    return {key: value for key, value in found.items() if key[0] in names}


def break_inbox(home: Path) -> None:
    """Take away a table, as a botched restore does."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as database:
        database.execute("DROP TABLE webhook_inbox")


def touch(path: Path, seconds_ago: float) -> None:
    """A file that was written so long ago."""
    path.touch()
    os.utime(path, (time.time() - seconds_ago,) * 2)


def test_health_does_not_depend_on_anything_else(client: httpx.Client, home: Path) -> None:
    """A restart would not repair a database."""
    shutil.rmtree(home)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


def test_a_fresh_site_is_ready_without_a_warehouse(client: httpx.Client) -> None:
    """The first sync makes it."""
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ready",
            "checks": [
                {"name": "accounts", "ok": True},
                {"name": "key", "ok": True},
                {"name": "data folder", "ok": True},
                {
                    "name": "warehouse",
                    "ok": True,
                    "landed_seconds_ago": None,
                    "published_seconds_ago": None,
                },
            ],
        },
    )


def test_readiness_has_the_age_of_the_warehouse(client: httpx.Client, home: Path) -> None:
    """Of the file and of its copy for analysts."""
    touch(home / "warehouse.duckdb", 100)
    touch(home / "analytics.duckdb", 7200)
    warehouse = client.get("/ready").json()["checks"][3]
    assert warehouse["landed_seconds_ago"] == pytest.approx(100, abs=20)
    assert warehouse["published_seconds_ago"] == pytest.approx(7200, abs=20)


def test_a_site_is_not_ready_when_its_database_does_not_answer(
    client: httpx.Client, home: Path
) -> None:
    """And says that much and no more: no path, no statement."""
    break_inbox(home)
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert answer.json()["checks"][:3] == [
        {"name": "accounts", "ok": False, "detail": "unavailable"},
        {"name": "key", "ok": True},
        {"name": "data folder", "ok": True},
    ]
    assert str(home) not in answer.text


@pytest.mark.parametrize("other", [None, Fernet.generate_key()], ids=["no key", "another key"])
def test_a_site_is_not_ready_when_its_key_is_not_there_for_the_next_start(
    client: httpx.Client, home: Path, other: bytes | None
) -> None:
    """A running site has the key in memory; nobody should learn of its loss by a restart."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
    assert client.get("/ready").status_code == 200
    (home / "token.key").unlink()
    if other is not None:
        (home / "token.key").write_bytes(other)
        (home / "token.key").chmod(0o600)
    answer = client.get("/ready")
    key = {"name": "key", "ok": False, "detail": "missing, or does not decrypt the stored tokens"}
    assert (answer.status_code, answer.json()["checks"][1]) == (503, key)
    assert (home / "token.key").exists() is (other is not None)


def test_a_site_is_not_ready_when_its_folder_is_gone(client: httpx.Client, home: Path) -> None:
    """Nothing could be landed."""
    shutil.move(home, home.with_name("elsewhere"))
    answer = client.get("/ready")
    folder = {"name": "data folder", "ok": False, "detail": "not writable"}
    assert (answer.status_code, answer.json()["checks"][2]) == (503, folder)
    assert str(home) not in answer.text


def test_people_and_the_ledger_are_counted(client: httpx.Client, home: Path) -> None:
    """By state and status; who has left is not waited for."""
    now = datetime.now(UTC)
    with open_accounts_in(home) as accounts:
        for name in ("ada", "bob", "cyd"):
            add_person(accounts, name)
        day, later = date(2026, 1, 1), date(2026, 1, 2)
        failed = {"status": FetchStatus.FAILED, "error": "away"}
        accounts.fetches.record(
            [
                fetch("ada", at=now - timedelta(hours=1)),
                fetch("ada", day=later, at=now - timedelta(hours=9), **failed),
                fetch("ada", day=later, document_type="workout", at=now, **failed),
                fetch("bob", day=day, at=now - timedelta(hours=2), status=FetchStatus.EMPTY),
                fetch("cyd", day=day, at=now - timedelta(hours=5)),
            ]
        )
        unsent = [
            PersonDay(username=name, document_type="sleep", day=day) for name in ("ada", "bob")
        ]
        accounts.waiting.add(unsent, at=now - timedelta(hours=3))
        accounts.removal.retire("cyd")
    with closing(sqlite3.connect(home / "accounts.sqlite")) as database, database:
        database.execute(
            "UPDATE people SET state_since = '2026-06-01 12:00:00' WHERE username = 'cyd'"
        )
    found = samples(client)
    assert some(
        found, "oura_people", "oura_deletions_late", "oura_ledger_days", "oura_failed_days"
    ) == {
        ("oura_deletions_late",): 1,
        ("oura_people", "connected"): 2,
        ("oura_people", "sign_in_required"): 0,
        ("oura_people", "disconnected"): 0,
        ("oura_people", "retired"): 1,
        ("oura_ledger_days", "landed"): 2,
        ("oura_ledger_days", "empty"): 1,
        ("oura_ledger_days", "not_granted"): 0,
        ("oura_ledger_days", "failed"): 2,
        ("oura_failed_days",): 1,
    }
    assert found["oura_longest_unasked_seconds",] == pytest.approx(7200, abs=30)
    assert found["oura_fetch_late_seconds",] == pytest.approx(7200 - 86_400, abs=30)
    assert found["oura_pushes_waiting",] == 2
    assert found["oura_pushes_oldest_seconds",] == pytest.approx(3 * 3600, abs=30)


def test_unknown_values_are_absent_not_zero(client: httpx.Client) -> None:
    """An alert on a zero would never or always ring."""
    found = samples(client)
    unknown = (
        "oura_longest_unasked_seconds",
        "oura_fetch_late_seconds",
        "oura_landed_seconds_ago",
        "oura_published_seconds_ago",
        "oura_subscriptions_expire_in_days",
        "oura_runs_failed",
    )
    assert some(found, *unknown) == {}
    known = ("oura_inbox_waiting", "oura_inbox_oldest_seconds", "oura_subscriptions")
    known += ("oura_pushes_waiting", "oura_pushes_oldest_seconds", "oura_pushes_lost")
    assert some(found, *known) == {(name,): 0 for name in known}


def test_the_budget_is_that_of_all_processes(client: httpx.Client) -> None:
    """The default of the settings, unused."""
    names = ("oura_budget_limit", "oura_budget_used")
    found = some(samples(client), *names)
    assert found == {("oura_budget_limit",): 5000, ("oura_budget_used",): 0}


def test_the_age_of_the_warehouse_is_a_number(client: httpx.Client, home: Path) -> None:
    """Seconds, of the file and its copy."""
    touch(home / "warehouse.duckdb", 100)
    touch(home / "analytics.duckdb", 7200)
    found = samples(client)
    assert found["oura_landed_seconds_ago",] == pytest.approx(100, abs=20)
    assert found["oura_published_seconds_ago",] == pytest.approx(7200, abs=20)


def test_webhooks_are_counted_from_refusal_to_backlog(client: httpx.Client, home: Path) -> None:
    """In this process and in the database."""
    soon = datetime.now(UTC) + timedelta(days=12)
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
        accounts.subscriptions.replace(
            [
                Subscription(
                    id=str(days),
                    data_type="sleep",
                    event_type=kind,
                    callback_url="https://example.com/webhook",
                    expires_at=soon + timedelta(days=days),
                )
                for days, kind in enumerate(("create", "update"))
            ]
        )
    assert [deliver(client, event_body()) for _ in range(3)] == [200] * 3
    assert deliver(client, event_body(), secret="another") == 401
    found = samples(client)
    assert some(found, "oura_webhook_deliveries_total", "oura_webhook_refused_total") == {
        ("oura_webhook_deliveries_total", "daily_sleep", "kept"): 1,
        ("oura_webhook_deliveries_total", "daily_sleep", "repeated"): 2,
        ("oura_webhook_refused_total", "forged"): 1,
    }
    assert some(found, "oura_inbox_waiting", "oura_subscriptions") == {
        ("oura_inbox_waiting",): 1,
        ("oura_subscriptions",): 2,
    }
    assert 0 < found["oura_inbox_oldest_seconds",] < 60
    assert found["oura_subscriptions_expire_in_days",] == pytest.approx(12, abs=0.01)
    assert found["oura_webhook_seconds_count",] == 4


def test_answers_are_counted_by_class(client: httpx.Client) -> None:
    """All answers of the site; the one that tells is counted afterwards."""
    client.get("/health")
    client.get("/api/people")
    client.get("/no-such-page")
    found = some(samples(client), "oura_site_requests_total")
    counted = {key[1]: value for key, value in found.items() if value}
    assert counted == {"2xx": 1, "4xx": 2}


def test_databases_are_queried_every_few_seconds_only(client: httpx.Client, home: Path) -> None:
    """Whoever asks often costs nothing; what is counted in this process is always of now."""
    samples(client)
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
    assert deliver(client, event_body(), secret="another") == 401
    found = samples(client)
    assert found["oura_people", "connected"] == 0
    assert found["oura_webhook_refused_total", "forged"] == 1


def test_metrics_of_a_broken_database_are_no_metrics(client: httpx.Client, home: Path) -> None:
    """Prometheus then knows that the target is down."""
    break_inbox(home)
    answer = client.get("/metrics")
    assert (answer.status_code, answer.text) == (503, "the accounts database is unavailable\n")


def test_nothing_that_is_open_says_who_is_here(client: httpx.Client, home: Path) -> None:
    """Neither names nor ids, tokens, secrets or paths."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
        accounts.fetches.record([fetch("ada", error="of ada")])
    deliver(client, event_body())
    said = "".join(client.get(path).text for path in ("/health", "/ready", "/metrics"))
    kept_back = ("ada", EVENT["object_id"], SECRET, TOKEN, str(home))
    assert [word for word in kept_back if word in said] == []
