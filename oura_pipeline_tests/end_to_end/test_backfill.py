"""Days launched from Dagster's UI, as its queries and daemons do it, land what Oura has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext

from oura_pipeline import definitions
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, get_document_type
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.dagster_daemon import (
    LOCATION,
    ended,
    launch_backfill,
    launch_run,
    open_workspace,
    start_backfills,
    start_runs,
)
from oura_pipeline_tests.testing.world import World, world

END = date(2026, 1, 25)
FIRST, LAST = END - timedelta(days=4), END - timedelta(days=3)
DAYS = [(FIRST + timedelta(days=count)).isoformat() for count in range(2)]
NEXT = LAST + timedelta(days=1)
COMPARED = ["daily_sleep", "sleep", "daily_activity", "workout", "heartrate"]
PARTITIONED = [
    dg.AssetKey([group, document_type.name])
    for group in ("oura", "graphite")
    for document_type in DOCUMENT_TYPES
    if document_type.partitioned
]
SELECTOR = {
    "repositoryLocationName": LOCATION,
    "repositoryName": "__repository__",
    "pipelineName": "__ASSET_JOB",
}

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

    def run_daemons(self) -> None:
        """Cut backfills into runs and start what is queued."""
        start_backfills(self.workspace)
        start_runs(self.workspace)

    def runs_of(self, backfill: str) -> list[dg.DagsterRun]:
        """The runs of a backfill."""
        tags = {"dagster/backfill": backfill}
        return list(self.instance.get_runs(dg.RunsFilter(tags=tags)))

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
    options = SandboxOptions(people=2, days=20, end=END, thin=10)
    batch_size = {"DAGSTER_EVENT_BATCH_SIZE": ""}
    with (
        running(options, process=True) as sandbox,
        world(folder / "data", sandbox, settings=batch_size) as made,
        inside(folder),
        open_workspace(definitions) as (instance, workspace),
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
    backfill = launch_backfill(operated.workspace, [key.path for key in PARTITIONED], DAYS)
    operated.run_daemons()
    runs = operated.runs_of(backfill)
    assert len(runs) == 1, "one run is what a backfill is, and what this waits for"
    ended(operated.instance, runs[0].run_id)
    operated.run_daemons()
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
    assert len(seen) == 7 * len(PARTITIONED) // 2
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
    run_id = launch_run(operated.workspace, params)
    operated.run_daemons()
    assert ended(operated.instance, run_id).status is dg.DagsterRunStatus.SUCCESS
    names = [key.to_user_string() for key in sleep]
    added = {name: [*before.get(name, []), NEXT.isoformat()] for name in names}
    assert operated.materialized() == before | added
    document_type = get_document_type("sleep")
    for username in operated.world.sandbox.usernames:
        landed = operated.world.landed(username, document_type)
        truth = operated.world.truth(username, document_type, NEXT, NEXT)
        assert [entry for entry in landed if entry[0] == NEXT.isoformat()] == truth != []
