"""Runs whose process is gone, and the places that runs take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from oura_pipeline.defs.run_owners import disown, fail_ownerless
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.process.owners import is_owned
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.testing.world import World, world

# Without one Dagster queues nothing.
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("localhost", 1), "__repository__"), "job"
)
# The lock that `own` takes, without Dagster, which takes seconds to import.
OWNER = """
import sys
from pathlib import Path
from oura_pipeline.process.owners import shared
with shared(Path(sys.argv[1])):
    print("owned", flush=True)
    input()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("dead") / "data"
    with running(SandboxOptions(people=1, days=3)) as sandbox, world(home, sandbox) as made:
        yield made


@contextmanager
def instance_with_runs(
    made: World, *statuses: str
) -> Iterator[tuple[dg.DagsterInstance, list[dg.DagsterRun]]]:
    job = made.definitions.resolve_job_def("retire_people")
    with project_instance() as instance:
        yield (
            instance,
            [
                instance.create_run_for_job(
                    job, status=dg.DagsterRunStatus(status), remote_job_origin=ORIGIN
                )
                for status in statuses
            ],
        )
        for run in instance.get_runs():
            instance.delete_run(run.run_id)


@contextmanager
def owner(run: dg.DagsterRun) -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns a run, until it is killed."""
    file = load_settings().storage.home / "runs" / run.run_id
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", OWNER, file], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"owned\n"
        yield process
        process.kill()


def test_a_killed_process_takes_its_run_along(made: World) -> None:
    """It is failed, for which Dagster starts it again, or cancelled where that was asked for."""
    with instance_with_runs(made, "STARTED", "CANCELING", "STARTED") as (instance, runs):
        started, canceling, young = runs
        with owner(started), owner(canceling):
            assert fail_ownerless(instance) == []
        assert {*fail_ownerless(instance)} == {started.run_id, canceling.run_id}
        now = {run.run_id: run for run in instance.get_runs()}
    assert now[started.run_id].status == dg.DagsterRunStatus.FAILURE
    assert now[started.run_id].tags["dagster/will_retry"] == "true"
    assert now[canceling.run_id].status == dg.DagsterRunStatus.CANCELED
    # Its process may be about to open the pipeline.
    assert now[young.run_id].status == dg.DagsterRunStatus.STARTED


def test_a_run_owns_itself_beyond_its_last_step(made: World) -> None:
    """Its end is recorded only then."""
    made.sign_in(made.sandbox.usernames[0])
    today = date.today()
    result = made.run(today, today, types=["workout"])
    assert result.success
    files = {path.name: path for path in (made.home / "runs").iterdir()}
    assert is_owned(files[result.run_id])
    disown()
    assert not is_owned(files[result.run_id])


def test_a_sync_of_the_command_line_takes_no_place(made: World) -> None:
    """Four runs of the queue do."""
    states = ["STARTED"] * 4 + ["NOT_STARTED"] * 5
    with instance_with_runs(made, *states) as (instance, runs):
        for run in runs[4:]:
            instance.run_coordinator.submit_run(dg.SubmitRunContext(run, workspace=None))
        daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
        due = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
    assert [run.run_id for run in due] == [run.run_id for run in runs[4:8]]
