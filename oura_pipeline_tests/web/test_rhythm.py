"""What strangers learn from /metrics and /ready of a public site: nothing of anybody's day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from oura_pipeline_tests.web.site_client import TOKEN, site_client

PUBLIC = {"oura_operator_token": TOKEN, "oura_public_url": "https://ring.example"}
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
RHYTHM = {"oura_webhook_deliveries", "oura_inbox_oldest_seconds", "oura_landed_seconds_ago"}
OPEN = {
    *(
        "oura_people",
        "oura_budget_limit",
        "oura_subscriptions",
        "oura_subscriptions_expire_in_days",
    ),
    *("oura_dagster_up", "oura_automation_works", "oura_deletions_late"),
}


@pytest.fixture
def public(tmp_path: Path) -> Iterator[httpx.Client]:
    with site_client(tmp_path / "data", **PUBLIC) as client:
        yield client


def families(answer: httpx.Response) -> set[str]:
    """The names of metrics, without what counters and histograms add to them."""
    assert answer.status_code == 200
    names = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE ")}
    return {name.removesuffix("_total").removesuffix("_created") for name in names}


def test_strangers_see_no_rhythm(public: httpx.Client) -> None:
    """What is new here is for the operator, until somebody has thought about it."""
    assert families(public.get("/metrics")) == OPEN
    assert families(public.get("/metrics", headers=OPERATOR)) > OPEN | RHYTHM


def test_a_wrong_token_sees_nothing(public: httpx.Client) -> None:
    for path in ("/metrics", "/ready"):
        assert public.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert public.get(path, headers={"Authorization": f"Basic {TOKEN}"}).status_code == 200


def test_readiness_has_no_ages_for_strangers(public: httpx.Client) -> None:
    for headers, ages in (({}, False), (OPERATOR, True)):
        said = public.get("/ready", headers=headers).json()
        assert any("_seconds_ago" in key for check in said["checks"] for key in check) is ages
        assert said["status"] == "ready"


def test_on_this_machine_alone_all_is_shown(tmp_path: Path) -> None:
    with site_client(tmp_path / "data") as client:
        assert families(client.get("/metrics")) > OPEN | RHYTHM
