"""Days launched from Dagster's UI, as its queries and daemons do it, land what Oura has."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster_graphql.schema import create_schema

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, get_document_type
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.child_processes import wait_for_dagster_children
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import World, world

END = date(2026, 1, 25)
FIRST, LAST = END - timedelta(days=12), END - timedelta(days=3)
DAYS = [(FIRST + timedelta(days=count)).isoformat() for count in range(10)]
NEXT = LAST + timedelta(days=1)
COMPARED = ["daily_sleep", "sleep", "daily_activity", "workout", "heartrate"]
PARTITIONED = [
    dg.AssetKey([group, document_type.name])
    for group in ("oura", "graphite")
    for document_type in DOCUMENT_TYPES
    if document_type.partitioned
]
SELECTOR = {
    "repositoryLocationName": "oura_pipeline",
    "repositoryName": "__repository__",
    "pipelineName": "__ASSET_JOB",
}
BACKFILL = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUN = """mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"),
]


@dataclass(frozen=True, kw_only=True)
class Operated:
    """A world with Dagster in it: an instance, and the code location as a process."""

    world: World
    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext

    def ask(self, query: str, params: dict[str, Any]) -> Any:
        """What the webserver answers to a mutation; it must have succeeded."""
        answer = asyncio.run(
            create_schema().execute_async(
                query,
                context_value=self.workspace.create_request_context(),
                variable_values={"params": params},
            )
        )
        assert answer.errors is None, answer.errors
        (given,) = answer.data.values()
        assert given["__typename"] in ("LaunchBackfillSuccess", "LaunchRunSuccess"), given
        return given

    def daemons(self) -> None:
        """One round of the daemons that cut backfills into runs and start what is queued."""
        # One round of each daemon's loop: a daemon looks for backfills only every half minute.
        errors = execute_backfill_iteration(self.workspace, logging.getLogger("backfills"))
        assert [error for error in errors if error] == []
        list(QueuedRunCoordinatorDaemon(interval_seconds=5).run_iteration(self.workspace))

    def runs_of(self, backfill: str) -> list[dg.DagsterRun]:
        """The runs of a backfill."""
        tags = {"dagster/backfill": backfill}
        return list(self.instance.get_runs(dg.RunsFilter(tags=tags)))

    def ended(self, run_id: str) -> dg.DagsterRun:
        """A run, once it has ended."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            run = self.instance.get_run_by_id(run_id)
            assert run is not None
            if run.is_finished:
                return run
            Event().wait(0.2)
        raise AssertionError(f"The run is still {run.status}")

    def materialized(self) -> dict[str, list[str]]:
        """The days of every asset that has some."""
        return {
            key.to_user_string(): sorted(self.instance.get_materialized_partitions(key))
            for key in self.instance.all_asset_keys()
            if self.instance.get_materialized_partitions(key)
        }


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """Two people who signed in, nothing landed, and Dagster as it is started in this checkout."""
    folder = tmp_path_factory.mktemp("backfill")
    options = SandboxOptions(people=2, days=20, end=END)
    target = ModuleTarget(
        "oura_pipeline.definitions",
        attribute=None,
        working_directory=str(ROOT),
        location_name="oura_pipeline",
    )
    batch_size = {"DAGSTER_EVENT_BATCH_SIZE": ""}
    with (
        running(options, process=True) as sandbox,
        world(folder / "data", sandbox, settings=batch_size) as made,
        inside(folder),
        wait_for_dagster_children(),
        project_instance() as instance,
        WorkspaceProcessContext(instance, target) as workspace,
    ):
        for username in sandbox.usernames:
            made.sign_in(username)
        yield Operated(world=made, instance=instance, workspace=workspace)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """A working directory without a `.env`, and no batch size but the project's."""
    earlier = Path.cwd()
    os.environ.pop("DAGSTER_EVENT_BATCH_SIZE")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(earlier)
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "")


@pytest.fixture(scope="module")
def backfilled(operated: Operated) -> Operated:
    """The same after a backfill of all that has days, launched and seen through."""
    keys = [{"path": list(key.path)} for key in PARTITIONED]
    params = {"assetSelection": keys, "partitionNames": DAYS, "tags": []}
    backfill = operated.ask(BACKFILL, params)["backfillId"]
    operated.daemons()
    runs = operated.runs_of(backfill)
    assert len(runs) == 1, "one run is what a backfill is, and what this waits for"
    operated.ended(runs[0].run_id)
    operated.daemons()
    return operated


def test_a_backfill_of_everything_is_one_run(backfilled: Operated) -> None:
    """Each day of each asset is materialized, no other is, by one run that succeeds."""
    (backfill,) = backfilled.instance.get_backfills()
    assert backfill.status.value == "COMPLETED_SUCCESS"
    runs = backfilled.runs_of(backfill.backfill_id)
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
    assert backfilled.materialized() == {key.to_user_string(): DAYS for key in PARTITIONED}


@pytest.mark.parametrize("name", COMPARED)
def test_a_backfill_lands_the_truth(backfilled: Operated, name: str) -> None:
    """What stands in DuckDB is what Oura holds of these days, and of no other day."""
    document_type = get_document_type(name)
    for username in backfilled.world.sandbox.usernames:
        truth = backfilled.world.truth(username, document_type, FIRST, LAST)
        assert truth != [] or name == "workout"
        assert backfilled.world.landed(username, document_type) == truth


def test_the_checks_of_a_backfill_are_green(backfilled: Operated) -> None:
    """The newest that Dagster knows of each check is an evaluation, and it passed."""
    newest = backfilled.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [
            key
            for check in backfilled.world.definitions.asset_checks or ()
            for key in check.check_keys
        ]
    )
    seen = {
        key.to_user_string(): record.status.value
        for key, record in newest.items()
        if key.asset_key in PARTITIONED
    }
    assert len(seen) == 4 * len(PARTITIONED) // 2
    assert set(seen.values()) == {"SUCCEEDED"}


def test_a_single_day_is_launched_as_a_run(operated: Operated) -> None:
    """The UI launches one day without a backfill; it is added to the days that are there."""
    sleep = [dg.AssetKey(["oura", "sleep"]), dg.AssetKey(["graphite", "sleep"])]
    params = {
        "selector": {**SELECTOR, "assetSelection": [{"path": list(key.path)} for key in sleep]},
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": NEXT.isoformat()}]},
    }
    before = operated.materialized()
    run_id = operated.ask(RUN, params)["run"]["runId"]
    operated.daemons()
    assert operated.ended(run_id).status is dg.DagsterRunStatus.SUCCESS
    names = [key.to_user_string() for key in sleep]
    added = {name: [*before.get(name, []), NEXT.isoformat()] for name in names}
    assert operated.materialized() == before | added
    document_type = get_document_type("sleep")
    for username in operated.world.sandbox.usernames:
        landed = operated.world.landed(username, document_type)
        truth = operated.world.truth(username, document_type, NEXT, NEXT)
        assert [entry for entry in landed if entry[0] == NEXT.isoformat()] == truth != []
