"""What Dagster's UI and daemon do, a step at a time: launch backfills, start runs, tick sensors."""

import asyncio
import logging
import time
from collections.abc import Sequence
from threading import Event

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster_graphql.schema import create_schema

LAUNCH = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


def launch_backfill(
    workspace: WorkspaceProcessContext, keys: Sequence[Sequence[str]], days: Sequence[str]
) -> None:
    """Launch a backfill of assets with the query that the UI sends."""
    assets = [{"path": list(key)} for key in keys]
    params = {"assetSelection": assets, "partitionNames": list(days), "tags": []}
    answer = asyncio.run(
        create_schema().execute_async(
            LAUNCH,
            context_value=workspace.create_request_context(),
            variable_values={"params": params},
        )
    )
    assert answer.errors is None, answer.errors
    backfill = answer.data["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill


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
