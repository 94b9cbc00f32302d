"""What Dagster's UI and daemon do, a step at a time: launch backfills, start runs, tick sensors."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration

from oura_pipeline.defs.storage import project_instance
from oura_pipeline_tests.testing.child_processes import wait_for_dagster_children
from oura_pipeline_tests.testing.paths import ROOT

LOCATION = "oura_pipeline"
LAUNCH_BACKFILL = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
LAUNCH_RUN = """mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@contextmanager
def open_workspace(
    module: ModuleType,
) -> Iterator[tuple[dg.DagsterInstance, WorkspaceProcessContext]]:
    """Open the project's instance with a module as its code location."""
    target = ModuleTarget(
        module.__name__, attribute=None, working_directory=str(ROOT), location_name=LOCATION
    )
    with (
        wait_for_dagster_children(),
        project_instance() as instance,
        WorkspaceProcessContext(instance, target) as workspace,
    ):
        yield instance, workspace


def launch_backfill(
    workspace: WorkspaceProcessContext, keys: Sequence[Sequence[str]], days: Sequence[str]
) -> str:
    """Launch a backfill of assets with the query that the UI sends, and return its id."""
    assets = [{"path": list(key)} for key in keys]
    params = {"assetSelection": assets, "partitionNames": list(days), "tags": []}
    return str(_mutate(workspace, LAUNCH_BACKFILL, params)["backfillId"])


def launch_run(workspace: WorkspaceProcessContext, params: Mapping[str, Any]) -> str:
    """Launch a run with the query that the UI sends, and return its id."""
    return str(_mutate(workspace, LAUNCH_RUN, params)["run"]["runId"])


def _mutate(workspace: WorkspaceProcessContext, query: str, params: Mapping[str, Any]) -> Any:
    from dagster_graphql.schema import create_schema

    answer = asyncio.run(
        create_schema().execute_async(
            query,
            context_value=workspace.create_request_context(),
            variable_values={"params": params},
        )
    )
    assert answer.errors is None, answer.errors
    (given,) = answer.data.values()
    assert given["__typename"] in ("LaunchBackfillSuccess", "LaunchRunSuccess"), given
    return given


def start_backfills(workspace: WorkspaceProcessContext) -> None:
    """Request the runs of backfills, as the daemon does."""
    logger = logging.getLogger("backfills")
    assert [error for error in execute_backfill_iteration(workspace, logger) if error] == []


def tick_sensors(workspace: WorkspaceProcessContext) -> None:
    """Let every sensor that is on tick once, as the daemon does."""
    list(execute_sensor_iteration(workspace, logging.getLogger("sensors"), None, None))


def start_runs(workspace: WorkspaceProcessContext) -> None:
    """Start queued runs, each in its own process, as the daemon does."""
    list(QueuedRunCoordinatorDaemon(interval_seconds=5).run_iteration(workspace))


def ended(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    """Return a run once it has ended."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        if run.is_finished:
            return run
        Event().wait(0.2)
    raise AssertionError(f"the run is still {run.status}")
