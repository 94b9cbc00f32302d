"""Pushes that never left: whatever kept them back, a later sync or the sensor sends them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from oura_pipeline.catalog.document_types import PERSONAL_INFO, get_document_type
from oura_pipeline.days import days_between
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.waiting_pushes import JOB
from oura_pipeline.graphite.carbon import FileSender, GraphiteUnavailable, PlaintextSender
from oura_pipeline.ledger import PersonDay, PushState
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline.sync.waiting import push_waiting
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.graphite.fake_carbon import FakeCarbon, fake_carbon
from oura_pipeline_tests.testing.world import World, failures, reported, world
from oura_pipeline_tests.testing.worlds import cloud_with

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=19)
LONG_AGO = (FIRST, LAST - timedelta(days=8))
TYPES = ("daily_sleep", "daily_stress", "personal_info")
SLEEP = get_document_type("daily_sleep")
MINUTE = timedelta(minutes=1)


cloud = cloud_with(people=1, days=20, end=LAST)


@pytest.fixture
def carbon() -> Iterator[FakeCarbon]:
    """A carbon that remembers what it received."""
    with fake_carbon() as carbon:
        yield carbon


@pytest.fixture
def made(cloud: Sandbox, carbon: FakeCarbon, tmp_path: Path) -> Iterator[World]:
    """A world whose Graphite that carbon is."""
    settings = {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": str(carbon.port)}
    with world(tmp_path / "data", cloud, settings=settings) as made:
        made.sign_in("runa")
        yield made


@pytest.fixture
def pipeline(made: World) -> Iterator[Pipeline]:
    with open_pipeline() as pipeline:
        yield pipeline


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def waiting(pipeline: Pipeline) -> list[tuple[str, date]]:
    later = datetime.now(UTC) + timedelta(days=1)
    return [(row.document_type, row.day) for row in pipeline.accounts.waiting.due(later, limit=999)]


def all_lines(pipeline: Pipeline, tmp_path: Path) -> set[str]:
    """Every point of the partitioned types, as the file would get it."""
    path = tmp_path / "all.log"
    to_file = replace(pipeline, sender=FileSender(path))
    for name in TYPES[:2]:
        days = days_between(FIRST, LAST)
        push_documents(to_file, get_document_type(name), ["runa"], days, even_unchanged=True)
    return set(path.read_text(encoding="ascii").splitlines())


def received(carbon: FakeCarbon) -> set[str]:
    return {line.decode() for data in carbon.received for line in data.splitlines()}


def landed(pipeline: Pipeline, first: date, last: date) -> None:
    """Land days of one type, and push nothing."""
    people = people_to_fetch(pipeline)
    fetch_and_land(pipeline, SLEEP, people, first_day=first, last_day=last, run_id="a run")


def away(pipeline: Pipeline) -> Pipeline:
    """The same pipeline while nobody listens at carbon's port."""
    return replace(pipeline, sender=PlaintextSender("127.0.0.1", nobody_listens()))


def test_a_sync_sends_what_was_left_while_carbon_was_away(
    cloud: Sandbox, made: World, carbon: FakeCarbon, pipeline: Pipeline, tmp_path: Path
) -> None:
    """However long ago: days that no later sync asks for."""
    nobody = {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": str(nobody_listens())}
    with world(made.home, cloud, settings=nobody):
        failed = made.run(*LONG_AGO, types=TYPES)
    why = (
        f"carbon at 127.0.0.1:{nobody['GRAPHITE_PORT']} did not take the points (Connection refused"
        "): is it running? They wait, and are sent when it answers"
    )
    assert failures(failed) == dict.fromkeys(TYPES, why)
    there = [(name, day) for name in TYPES[:2] for day in days_between(*LONG_AGO)]
    assert {*there} < {*waiting(pipeline)}
    assert received(carbon) == set()
    assert made.run(LAST, LAST, types=TYPES[1:2]).success
    assert waiting(pipeline) == []
    unsent = [PushState.PENDING, PushState.MISSING]
    assert pipeline.accounts.pushes.find(states=unsent) == []
    known = {line for line in received(carbon) if not line.startswith("bio.runa.profile.")}
    assert known == all_lines(pipeline, tmp_path) != set()


def test_what_a_killed_run_landed_is_pushed_from_before_the_landing_on(
    pipeline: Pipeline, carbon: FakeCarbon
) -> None:
    """Also where it died before it could write that it had landed."""
    path = pipeline.warehouse.path
    busy = replace(pipeline, warehouse=Warehouse(path, timeout=0.1))
    with FileLock(f"{path}.lock"), pytest.raises(WarehouseBusy):
        landed(busy, FIRST, FIRST)
    assert waiting(pipeline) == [("daily_sleep", FIRST)]
    landed(pipeline, FIRST, FIRST)
    assert push_waiting(pipeline, datetime.now(UTC)).days == []  # the run has a minute for itself
    assert received(carbon) == set()
    push_waiting(pipeline, datetime.now(UTC) + MINUTE)
    assert waiting(pipeline) == []
    assert f"{datetime.combine(FIRST, datetime.min.time(), UTC).timestamp():.0f}" in {
        line.split()[2] for line in received(carbon)
    }


def test_a_carbon_that_stays_away_is_asked_ever_more_seldom(pipeline: Pipeline) -> None:
    """By the job; each time all days that were due wait on."""
    landed(pipeline, FIRST, FIRST + 2 * timedelta(days=1))
    now = datetime.now(UTC) + MINUTE
    with pytest.raises(GraphiteUnavailable):
        push_waiting(away(pipeline), now)
    due = pipeline.accounts.waiting.due
    assert due(now, limit=9) == []
    assert [row.attempts for row in due(now + MINUTE, limit=9)] == [1, 1, 1]


def test_a_profile_is_sent_for_a_past_day_only_as_it_was_then(
    pipeline: Pipeline, carbon: FakeCarbon
) -> None:
    """The warehouse keeps its newest state alone."""
    person = people_to_fetch(pipeline)
    today = datetime.now(UTC).date()
    fetch_and_land(pipeline, PERSONAL_INFO, person, first_day=today, last_day=today, run_id="a run")
    earlier = [today - timedelta(days=n) for n in (3, 2)]
    for day in earlier:
        with pytest.raises(GraphiteUnavailable):
            push_documents(away(pipeline), PERSONAL_INFO, ["runa"], [day])
    [_, other] = pipeline.accounts.pushes.find("personal_info")
    pipeline.accounts.pushes.record([replace(other, digest="as it was then")])
    push_waiting(pipeline, datetime.now(UTC) + MINUTE)
    assert waiting(pipeline) == []
    midnights = {
        datetime.fromtimestamp(int(line.split()[2]), UTC).date() for line in received(carbon)
    }
    assert midnights == {earlier[0], today}
    assert [row.day for row in pipeline.accounts.pushes.find("personal_info")] == [
        earlier[0],
        today,
    ]


def test_the_sensor_starts_the_job_when_somebody_listens(
    cloud: Sandbox, made: World, carbon: FakeCarbon, pipeline: Pipeline
) -> None:
    """It says how many wait where nobody does, and leaves the turn to whoever works just now."""
    sensor = made.definitions.resolve_sensor_def(JOB)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    nobody = {"GRAPHITE_PORT": str(nobody_listens())}
    with project_instance() as instance:

        def tick() -> str | dg.RunRequest:
            with dg.build_sensor_context(instance=instance) as context:
                found = sensor(context)
            return found.skip_message or "" if isinstance(found, dg.SkipReason) else found

        assert tick() == "No day is due to be pushed."
        days = [PersonDay(username="runa", document_type="daily_sleep", day=FIRST)]
        landed(pipeline, FIRST, FIRST)
        pipeline.accounts.waiting.add(days, at=datetime.now(UTC), own_turn=False)
        with world(made.home, cloud, settings=nobody | {"GRAPHITE_HOST": "127.0.0.1"}):
            assert tick() == (
                f"1 day waits to be pushed: carbon at 127.0.0.1:{nobody['GRAPHITE_PORT']} takes no "
                "connection (Connection refused)"
            )
        assert isinstance(tick(), dg.RunRequest)
        job = made.definitions.resolve_job_def(JOB)
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert tick() == "A run is in progress; it sends at its end what is due."
        instance.delete_run(run.run_id)
        result = job.execute_in_process(instance=instance)
    assert result.success
    events = reported(result)
    assert [(event.asset_key.path, event.partition) for event in events] == [
        (["graphite", "daily_sleep"], FIRST.isoformat())
    ]
    assert waiting(pipeline) == []
    assert received(carbon) != set()
