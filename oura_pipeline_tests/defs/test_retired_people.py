"""The job deletes who left and revokes who disconnected, and its records name nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.defs.retired_people import JOB, pause, retire_request, retired_people_sensor
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.people.leave import delete_everything, disconnect, leave
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.accounts.times import age
from oura_pipeline_tests.testing.leavers import AT_OURA, LAST, ODD, OTHER, WORD, sign_in
from oura_pipeline_tests.testing.readable_files import readable
from oura_pipeline_tests.testing.world import World, sandbox_tokens, world
from oura_pipeline_tests.testing.worlds import cloud_with

NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


cloud = cloud_with(people=4, days=4, end=LAST)


@pytest.fixture
def empty_house(cloud: Sandbox, empty_home: Path, tmp_path: Path) -> Iterator[World]:
    """Three people, and nothing fetched yet."""
    with world(tmp_path / "data", cloud, begun=empty_home) as made:
        for username in AT_OURA:
            sign_in(made, username)
        yield made
    cloud.clear_faults()


@pytest.fixture
def house(empty_house: World) -> World:
    """Three people and a day of documents."""
    empty_house.run(LAST, LAST, types=["daily_sleep"])
    return empty_house


def work(made: World, instance: dg.DagsterInstance) -> dict[str, Any]:
    """Run the job; the numbers that it reports."""
    result = made.definitions.resolve_job_def(JOB).execute_in_process(
        instance=instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    [output] = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    said = str(result.dagster_run) + str([str(event) for event in result.all_events])
    assert not any(username in said for username in (ODD, OTHER))
    return {name.removeprefix("people_"): entry.value for name, entry in metadata.items()}


def states(made: World) -> dict[str, str]:
    with made.accounts() as accounts:
        return {person.username: person.state.value for person in accounts.people.all()}


def test_who_left_is_deleted_and_who_disconnected_is_revoked(house: World) -> None:
    """In one run, though Oura is away; the third one is left alone."""
    house.sandbox.fault("error", route="revoke", count=1000)
    with open_pipeline() as pipeline:
        assert not disconnect(pipeline, WORD).done
        leave(pipeline, ODD)
    with project_instance() as instance:
        assert work(house, instance) == {"deleted": 1, "revoked": 0, "unrevoked": 1, "waiting": 1}
        assert states(house) == {WORD: "disconnected", OTHER: "connected"}
        house.sandbox.clear_faults()
        assert work(house, instance) == {"deleted": 0, "revoked": 2, "unrevoked": 0, "waiting": 0}
        assert states(house) == {WORD: "disconnected", OTHER: "connected"}
        assert house.warehouse.usernames() == [OTHER, WORD]
        assert work(house, instance) == {"deleted": 0, "revoked": 0, "unrevoked": 0, "waiting": 0}
    in_dagster = (house.home / "dagster").rglob("*")
    assert not any(ODD.encode() in readable(path) for path in in_dagster if path.is_file())


def test_no_other_run_is_waited_for(house: World) -> None:
    """What it fetched before they left does not land any more."""
    with project_instance() as instance:
        job = house.definitions.resolve_job_def("sync")
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        with open_pipeline() as pipeline:
            leave(pipeline, ODD)
        assert work(house, instance)["deleted"] == 1
        assert ODD not in house.warehouse.usernames()
        instance.report_run_canceled(run)


def test_the_sensor_asks_while_there_is_somebody(empty_house: World) -> None:
    """Over the accounts of this project, in a key without names."""
    with project_instance() as instance:
        ask = retired_people_sensor()
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(ask(context), dg.SkipReason)
        with open_pipeline() as pipeline:
            leave(pipeline, ODD)
        request = ask(context)
        assert isinstance(request, dg.RunRequest)
        assert ODD not in str(request)
        assert (request.run_config, request.tags) == ({}, {"dagster/priority": "100"})


def test_there_is_one_run_at_a_time(empty_house: World) -> None:
    """While one is unfinished nothing is requested."""
    waiting = {"p-222222": NOW - MINUTE}
    with project_instance() as instance:
        job = empty_house.definitions.resolve_job_def(JOB)
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        records = instance.get_run_records(dg.RunsFilter(job_name=JOB))
        assert isinstance(retire_request(waiting, records, NOW), dg.SkipReason)
        instance.report_run_canceled(run)
        records = instance.get_run_records(dg.RunsFilter(job_name=JOB))
        assert isinstance(retire_request(waiting, records, NOW), dg.RunRequest)


def test_a_key_is_new_for_somebody_new_and_after_a_while() -> None:
    """The longer somebody waits, the later."""

    def key(at: datetime, **waiting: datetime) -> str:
        request = retire_request(waiting, [], at)
        assert isinstance(request, dg.RunRequest)
        return str(request.run_key)

    one, other = {"one": NOW - 20 * MINUTE}, {"other": NOW - 40 * MINUTE}
    assert key(NOW, **one) == key(NOW + MINUTE, **one)
    assert len({key(NOW, **one), key(NOW, **one, **other), key(NOW + 6 * MINUTE, **one)}) == 3
    assert isinstance(retire_request({}, [], NOW), dg.SkipReason)


def test_what_cannot_be_done_is_tried_less_and_less_often() -> None:
    """A minute, five of them, an hour, six hours."""
    waited = [5 * MINUTE, timedelta(hours=1), timedelta(hours=3), timedelta(days=3)]
    assert [pause(time) for time in waited] == [
        MINUTE,
        timedelta(minutes=5),
        timedelta(hours=1),
        timedelta(hours=6),
    ]


def test_the_sensor_ends_sign_ups_that_nobody_finishes(empty_house: World, cloud: Sandbox) -> None:
    """After an hour, and their consent is given back; it does not matter whether anybody begins."""
    with project_instance() as instance, empty_house.accounts() as accounts:
        ask, context = retired_people_sensor(), dg.build_sensor_context(instance=instance)
        [person, *_] = [held for held in cloud.people() if held["username"] not in AT_OURA.values()]
        tokens = replace(sandbox_tokens(cloud, person["username"]), oura_id=person["id"])
        accounts.sign_ups.begin(tokens, invite=None)
        assert isinstance(ask(context), dg.SkipReason)
        age(empty_house.home, "sign_ups", "begun_at", timedelta(hours=1))
        assert isinstance(ask(context), dg.RunRequest)
        done = {"deleted": 0, "revoked": 1, "unrevoked": 0, "waiting": 0}
        assert work(empty_house, instance) == done
        granted = {held["username"]: held["granted"] for held in cloud.people()}
        assert granted[person["username"]] == []
        assert isinstance(ask(context), dg.SkipReason)


def test_what_was_not_given_back_is_given_back_after_the_deletion(house: World) -> None:
    """The data goes all the same; the tokens are kept until Oura has taken them."""
    house.sandbox.fault("error", route="revoke", count=1000)
    with open_pipeline() as pipeline:
        delete_everything(pipeline, ODD)
        [gone] = pipeline.accounts.removal.unrevoked()
    with project_instance() as instance:
        request = retired_people_sensor()(dg.build_sensor_context(instance=instance))
        assert isinstance(request, dg.RunRequest)
        assert work(house, instance) == {"deleted": 0, "revoked": 0, "unrevoked": 1, "waiting": 0}
        house.sandbox.clear_faults()
        house.sandbox.reset_requests()
        assert work(house, instance) == {"deleted": 0, "revoked": 1, "unrevoked": 0, "waiting": 0}
        assert house.sandbox.requests()["revoke"] == {AT_OURA[ODD]: 1}
        skipped = retired_people_sensor()(dg.build_sensor_context(instance=instance))
        assert isinstance(skipped, dg.SkipReason)
    with house.accounts() as accounts:
        assert accounts.removal.unrevoked() == []
    assert gone.id.encode() not in (house.home / "accounts.sqlite").read_bytes()
