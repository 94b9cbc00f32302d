"""When the inbox is emptied, what Dagster then shows, and what happens without a Graphite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.inbox import Event, ReceivedEvent
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.webhook_events import JOB, inbox_request, webhook_events
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.testing.world import World, world
from oura_pipeline_tests.testing.worlds import cloud_with

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
LAST = date(2026, 6, 10)
DAY = LAST - timedelta(days=3)
EVENT = Event(id=7, oura_id="a", body=b"{}", received_at=NOW, attempts=0, next_at=NOW)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    return list(instance.get_run_records(dg.RunsFilter(job_name=JOB)))


def started(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> datetime:
    """A run of the job in that state; when it was made."""
    instance.add_run(dg.DagsterRun(job_name=JOB, status=status))
    return runs(instance)[0].create_timestamp


def why(skipped: object) -> str:
    assert isinstance(skipped, dg.SkipReason)
    return skipped.skip_message or ""


def test_nothing_due_is_no_run() -> None:
    assert "No webhook event" in why(inbox_request([], [], NOW))


def test_what_is_due_is_a_run() -> None:
    request = inbox_request([EVENT], [], NOW)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"{JOB} 7 {NOW.isoformat()} never"


def test_there_is_one_run_at_a_time(instance: dg.DagsterInstance) -> None:
    """However long it takes; also one that is about to start, or is not the newest."""
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED):
        at = started(instance, status)
        assert "in progress" in why(inbox_request([EVENT], runs(instance), at + timedelta(hours=1)))
    at = started(instance, dg.DagsterRunStatus.SUCCESS)
    assert "in progress" in why(inbox_request([EVENT], runs(instance), at + timedelta(hours=1)))


def test_there_is_one_run_a_minute(instance: dg.DagsterInstance) -> None:
    """And the next one has a key of its own, though the event is the same."""
    at = started(instance, dg.DagsterRunStatus.FAILURE)
    assert "less than a minute" in why(inbox_request([EVENT], runs(instance), at + 59 * SECOND))
    request = inbox_request([EVENT], runs(instance), at + 60 * SECOND)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"{JOB} 7 {NOW.isoformat()} {at.isoformat()}"


SECOND = timedelta(seconds=1)


cloud = cloud_with(people=2, days=10, end=LAST)


@contextmanager
def told(home: Path, cloud: Sandbox, settings: dict[str, str] | None = None) -> Iterator[World]:
    """A world with one person, and events about a sleep score and a night of hers in the inbox."""
    with world(home / "data", cloud, settings=settings) as made:
        made.sign_in("runa")
        oura_id = next(p["id"] for p in cloud.people() if p["username"] == "runa")
        score = cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 51})
        night = cloud.revise("runa", "sleep", day=DAY, fields={"efficiency": 81})
        with made.accounts() as accounts:
            accounts.people.identify("runa", oura_id)
            accounts.inbox.receive(
                [
                    incoming(oura_id, "daily_sleep", score["id"]),
                    incoming(oura_id, "sleep", night["id"]),
                ]
            )
        yield made


def incoming(oura_id: str, data_type: str, object_id: str) -> ReceivedEvent:
    said = {"event_type": "update", "data_type": data_type, "object_id": object_id}
    body = json.dumps({**said, "user_id": oura_id, "event_time": "2026-06-10T10:00:00+00:00"})
    return ReceivedEvent(body=body.encode(), oura_id=oura_id, data_type=data_type, known_type=True)


def run(made: World) -> dg.ExecuteInProcessResult:
    """The job, as the sensor starts it."""
    with project_instance() as instance:
        return made.definitions.resolve_job_def(JOB).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def shown(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], dict[str, Any]]:
    """What the catalog shows: (asset, partition) → metadata."""
    events = [e for e in result.all_events if e.is_step_materialization]
    return {
        (event.asset_key.to_user_string(), event.partition): {
            name: value.value
            for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in events
        if event.asset_key
    }


def test_a_run_shows_the_days_that_it_landed_and_pushed(cloud: Sandbox, tmp_path: Path) -> None:
    """A materialization per asset and day, with counts, and nothing of a person."""
    with told(tmp_path, cloud) as made:
        result = run(made)
        assert result.success
        seen = shown(result)
        day = DAY.isoformat()
        assert sorted(seen) == [
            ("graphite/daily_sleep", day),
            ("graphite/sleep", day),
            ("oura/daily_sleep", day),
            ("oura/sleep", day),
        ]
        counts = seen["oura/daily_sleep", day]
        assert (
            counts["dagster/partition_row_count"],
            counts["people_landed"],
            counts["requests"],
        ) == (1, 1, 1)
        assert seen["graphite/daily_sleep", day]["points"] == 8
        assert "runa" not in str(seen)
        with made.accounts() as accounts:
            assert accounts.inbox.backlog().waiting == 0
        with project_instance() as instance:
            key = dg.AssetKey(["oura", "sleep"])
            assert instance.get_materialized_partitions(key) == {day}


def test_a_graphite_that_is_away_makes_the_run_red(cloud: Sandbox, tmp_path: Path) -> None:
    """The documents are landed, the events finished, and the failure says what to expect."""
    nowhere = {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": "1"}
    with told(tmp_path, cloud, nowhere) as made:
        result = run(made)
        assert not result.success
        [failure] = [e for e in result.all_events if e.is_step_failure]
        assert "points are sent by the next run" in str(failure.event_specific_data)
        assert len(made.warehouse.query("FROM oura.daily_sleep")) == 1
        with made.accounts() as accounts:
            assert accounts.inbox.backlog().waiting == 0


def test_finished_events_are_forgotten_after_a_week(cloud: Sandbox, tmp_path: Path) -> None:
    """Until then their bytes tell a repeated delivery from a new one."""
    with told(tmp_path, cloud) as made:
        run(made)
        with closing(sqlite3.connect(made.home / "accounts.sqlite")) as inbox, inbox:
            a_week_ago = (datetime.now(UTC) - timedelta(days=7, minutes=1)).replace(tzinfo=None)
            first = "WHERE id = (SELECT min(id) FROM webhook_inbox)"
            inbox.execute(f"UPDATE webhook_inbox SET done_at = ? {first}", [str(a_week_ago)])
        run(made)
        with closing(sqlite3.connect(made.home / "accounts.sqlite")) as inbox:
            assert inbox.execute("SELECT count(*) FROM webhook_inbox").fetchone() == (1,)


def test_the_sensor_asks_for_the_job_and_runs_by_default(cloud: Sandbox, tmp_path: Path) -> None:
    """With events in the inbox a tick requests a run; nothing has to be switched on."""
    with told(tmp_path, cloud) as made, project_instance() as instance:
        sensor = made.definitions.resolve_sensor_def(JOB)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert (sensor.minimum_interval_seconds, sensor.job_name) == (15, JOB)
        with dg.build_sensor_context(instance=instance) as context:
            requested = sensor(context)
        assert isinstance(requested, dg.RunRequest)
        run(made)
        with dg.build_sensor_context(instance=instance) as context:
            assert "No webhook event" in why(sensor(context))


def test_the_job_holds_nothing_but_the_op() -> None:
    assert [node.name for node in webhook_events.nodes] == ["empty_inbox"]
