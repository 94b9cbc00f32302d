"""Points go to a real Graphite and are read back, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import httpx
import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.schemas import storage_schemas
from oura_pipeline.ledger import PushState
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.testing.world import World, metadata, red_checks, world

FIRST = LAST - timedelta(days=3)
# What the dashboards of the Go replicator ask for.
TARGETS = ["readiness.score", "sleep.score", "activity.score", "hr.bpm"]
OTHER = "unprepared"
TYPES = ["daily_activity", "daily_readiness", "daily_sleep", "heartrate", "sleep"]


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    require_graphite()


@pytest.fixture(scope="module")
def graphite() -> Iterator[LocalGraphite]:
    """One that has our schemas for our metrics, and for those of another prefix the usual ones."""
    usual = f"[other]\npattern = ^{OTHER}\\.\nretentions = 60s:1d\n"
    with LocalGraphite(schemas=usual + storage_schemas("bio")) as started:
        yield started


@pytest.fixture(scope="module")
def told(graphite: LocalGraphite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a Graphite, into which two people were synced; each test has its own days."""
    with (
        running(SandboxOptions(people=2, days=8, end=LAST, thin=5)) as cloud,
        world(tmp_path_factory.mktemp("told") / "data", cloud, graphite=graphite) as made,
    ):
        made.sign_in("runa")
        made.sign_in("koa")
        result = made.run(FIRST, LAST, types=TYPES)
        assert result.success
        assert red_checks(result) == {}
        yield made


def values(graphite: LocalGraphite, target: str) -> list[float]:
    """What graphite-web shows of the days."""
    start = datetime.combine(FIRST - timedelta(days=1), time(), UTC)
    answer = httpx.post(
        f"{graphite.render_url}/render",
        data={
            "target": target,
            "from": str(int(start.timestamp())),
            "until": "now",
            "format": "json",
            "noNullPoints": "true",
        },
    )
    return [value for series in answer.json() for value, _ in series["datapoints"]]


def test_every_point_is_delivered_and_old_dashboards_have_data(
    told: World, graphite: LocalGraphite
) -> None:
    """The ledger says that all were read back twice; the Go replicator's targets answer."""
    with told.accounts() as accounts:
        pushes = [
            push
            for document_type in DOCUMENT_TYPES
            for push in accounts.pushes.find(document_type.name)
        ]
    late = datetime.now(UTC).date()
    assert {push.state for push in pushes if push.day < late} == {PushState.DELIVERED}
    assert sum(push.points for push in pushes) > 5_000
    for username in ("runa", "koa"):
        for target in TARGETS:
            assert values(graphite, f"bio.{username}.{target}"), target


def test_what_did_not_change_is_not_pushed_again(told: World) -> None:
    """The same digest, nothing on the wire; `replay` pushes it all the same."""
    again = told.run(FIRST, LAST, types=TYPES)
    sent = {
        name: set(metadata(again, ["graphite", name], "points_sent").values()) for name in TYPES
    }
    assert set().union(*sent.values()) == {0}
    with open_pipeline() as pipeline:
        [document_type] = [
            document_type for document_type in DOCUMENT_TYPES if document_type.name == "sleep"
        ]
        replayed = push_documents(
            pipeline, document_type, ["koa"], [LAST - timedelta(days=1)], even_unchanged=True
        )
    assert replayed.sent > 100


def test_a_carbon_without_our_schemas_is_found_out(
    own_cloud: Sandbox, graphite: LocalGraphite, tmp_path: Path
) -> None:
    """Carbon drops what is older than its retention without a word; the check has the word."""
    prefix = {"GRAPHITE_PREFIX": OTHER}
    with world(tmp_path / "data", own_cloud, graphite=graphite, settings=prefix) as made:
        made.sign_in("koa")
        result = made.run(FIRST, FIRST, types=["daily_readiness"])
        red = red_checks(result)
        assert result.success
        assert list(red) == [("graphite/daily_readiness", "points_arrived")]
        assert "storage-schemas.conf" in red["graphite/daily_readiness", "points_arrived"]
        with made.accounts() as accounts:
            [push] = accounts.pushes.find("daily_readiness")
        assert push.state is PushState.MISSING


def test_a_withdrawn_value_is_listed(told: World) -> None:
    """Graphite cannot delete: what Oura took back is named for the operator."""
    day = LAST - timedelta(days=2)
    told.sandbox.delete("koa", "daily_readiness", day=day)
    told.run(FIRST, LAST, types=["daily_readiness"])
    with told.accounts() as accounts:
        listed = {row.metric: row.times for row in accounts.pushes.withdrawn()}
    midnight = int(datetime.combine(day, time(), UTC).timestamp())
    assert listed["bio.koa.readiness.score"] == (midnight,)
    assert all(name.startswith("bio.koa.readiness.") for name in listed)
