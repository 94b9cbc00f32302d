"""Dagster's state stays where the project says, whoever opens it, and several may write at once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage
from oura_pipeline.defs.storage import project_instance
from oura_pipeline_tests.defs import example_location, run_example_job
from oura_pipeline_tests.testing.dagster_daemon import (
    ended,
    launch_backfill,
    open_workspace,
    start_backfills,
    start_runs,
)
from oura_pipeline_tests.testing.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no variable of Dagster's or of the project's."""
    monkeypatch.chdir(tmp_path)
    # Set first, so that they are put back: the storage sets one by itself.
    for name in ("DAGSTER_EVENT_BATCH_SIZE", "DAGSTER_HOME", "OURA_PIPELINE_HOME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def databases(folder: Path) -> set[str]:
    """Where databases lie, relative to a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.db")}


STATE = {"history/runs.db", "history/runs/index.db", "schedules/schedules.db"}


def test_state_is_kept_in_the_data_folder(folder: Path) -> None:
    """Without any variable it is `data/dagster` of the working directory, and nothing else."""
    with project_instance() as instance:
        instance.add_dynamic_partitions("colours", ["kept"])
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
    with project_instance() as instance:
        assert instance.get_dynamic_partitions("colours") == ["kept"]
    assert databases(folder) == {f"data/dagster/{name}" for name in STATE}
    assert [path.name for path in folder.iterdir()] == ["data"]


def test_state_follows_the_data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OURA_PIPELINE_HOME` moves it, with what steps print."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(folder / "elsewhere"))
    with project_instance() as instance:
        instance.compute_log_manager.get_captured_local_path(["run", "step"], "out")
    assert databases(folder) == {f"elsewhere/dagster/{name}" for name in STATE}


def test_a_dagster_home_without_configuration_is_dagsters_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's classes and Dagster's folders, as for every other project."""
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with project_instance() as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
    assert databases(folder) == {f"home/{name}" for name in STATE}


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_dagster_home_with_our_configuration_keeps_the_state_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A copy of dagster.yaml batches there; the variable may stand in `.env`, as for Dagster."""
    home = folder / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    if place == "environment":
        monkeypatch.setenv("DAGSTER_HOME", str(home))
    else:
        Path(".env").write_text(f"DAGSTER_HOME={home}\n", encoding="utf-8")
    with project_instance() as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
    assert databases(folder) == {f"home/{name}" for name in STATE}


def test_a_dagster_home_that_is_not_there_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that names the directory; nothing is created in its place."""
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "typo"))
    said = r"DAGSTER_HOME is .*typo: create this directory"
    with pytest.raises(FileNotFoundError, match=said), project_instance():
        pass
    assert list(folder.iterdir()) == []


def test_the_configuration_of_the_working_directory_wins(folder: Path) -> None:
    """As for `dagster dev`; here one line of it writes each event by itself."""
    config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    single = config.replace("event_batch_size: 1000", "event_batch_size: 0")
    Path("dagster.yaml").write_text(single, encoding="utf-8")
    with project_instance() as instance:
        # Dagster's own could not read what was written before.
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "0"
    assert databases(folder) == {f"data/dagster/{name}" for name in STATE}


def test_four_processes_start_and_write_at_once() -> None:
    """On a folder that is empty before: none fails, and every event of each is there."""
    ranges = [f"2026-01-{day:02}:2026-01-{day + 3:02}" for day in (1, 5, 9, 13)]
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", run_example_job.__name__, *ranges],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert answer.returncode == 0, answer.stderr
    assert "locked" not in answer.stderr
    with project_instance() as instance:
        runs = instance.get_runs()
        assert [run.status.value for run in runs] == ["SUCCESS"] * 4
        assert sorted(instance.get_materialized_partitions(dg.AssetKey("sleep_points"))) == [
            f"2026-01-{day:02}" for day in range(1, 17)
        ]
        made = [
            len(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION))
            for run in runs
        ]
        assert made == [3 * 4 + 1] * 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster")
def test_a_backfill_of_the_ui_is_one_run_in_batches(folder: Path) -> None:
    """GraphQL, the daemon's own loops, a run in its own process, and no variable set by anyone."""
    days = [f"2026-01-{day:02}" for day in range(1, 5)]
    with open_workspace(example_location) as (instance, workspace):
        launch_backfill(workspace, [["sleep"], ["sleep_points"], ["environment"]], days)
        start_backfills(workspace)
        start_runs(workspace)
        [run] = instance.get_runs()
        run = ended(instance, run.run_id)
        assert run.status is dg.DagsterRunStatus.SUCCESS
        for name in ("sleep", "sleep_points", "environment"):
            key = dg.AssetKey(name)
            assert sorted(instance.get_materialized_partitions(key)) == days
            records = instance.fetch_materializations(key, limit=99).records
            assert {record.run_id for record in records} == {run.run_id}
        assert batch_sizes(records) == {1000}


def batch_sizes(records: Sequence[Any]) -> set[Any]:
    """What the asset `environment` found in the process of its run."""
    return {record.asset_materialization.metadata["batch"].value for record in records}
