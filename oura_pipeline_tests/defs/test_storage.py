"""After a batch Dagster reads what it reads after single writes, and a batch is never half."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._serdes import serialize_value

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage
from oura_pipeline_tests.defs import killed_while_writing
from oura_pipeline_tests.defs.dagster_state import dagster_state
from oura_pipeline_tests.defs.example_assets import FAIL, example_job, range_tags
from oura_pipeline_tests.testing.paths import ROOT

CONFIG = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
STORAGE = CONFIG[CONFIG.index("storage:") : CONFIG.index("# On more than one machine")]
BATCHED = STORAGE.replace("event_batch_size: 1000", "event_batch_size: 1000\n      base_dir: {}")
STOCK = "storage:\n  sqlite:\n    base_dir: {}\n"
DAYS = [f"2026-01-{day:02}" for day in range(1, 6)]
FIRST, LAST = DAYS[0], DAYS[-1]

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_home(monkeypatch, tmp_path)


def in_home(environment: pytest.MonkeyPatch, folder: Path) -> None:
    environment.chdir(folder)
    environment.setenv("OURA_PIPELINE_HOME", str(folder / "data"))
    environment.delenv("DAGSTER_HOME", raising=False)
    # Set, so that it is put back: the storage sets it by itself.
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "")


@contextmanager
def instance_with(setting: str) -> Iterator[dg.DagsterInstance]:
    """An empty instance with the project's configuration and this setting."""
    folder = Path(tempfile.mkdtemp(dir=Path.cwd()))
    config = CONFIG.replace(STORAGE, setting.format(folder))
    (folder / "dagster.yaml").write_text(config, encoding="utf-8")
    os.environ.pop("DAGSTER_EVENT_BATCH_SIZE", None)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def run(
    instance: dg.DagsterInstance,
    first: str = FIRST,
    last: str = LAST,
    *,
    fail: str = "",
    only: Sequence[dg.AssetKey] | None = None,
) -> str:
    """Run the example job or some of its assets in process, failing at one; the run's id."""
    result = example_job().execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={**range_tags(first, last), FAIL: fail},
        asset_selection=only,
    )
    return result.run_id


def same_in_both(story: Callable[[dg.DagsterInstance], list[str]]) -> dict[str, Any]:
    """What Dagster reads after these runs, after it was seen to be the same in both storages."""
    with instance_with(STOCK) as instance:
        stock = dagster_state(instance, story(instance))
    with instance_with(BATCHED) as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        batched = dagster_state(instance, story(instance))
    assert batched == stock
    return batched


def test_a_run_reads_like_dagsters_own() -> None:
    """Days, records, ids, order, pages by cursor, checks, metadata, tags: all the same."""
    picture = same_in_both(lambda instance: [run(instance)])
    assert picture["sleep"]["days"] == DAYS
    assert picture["sleep"]["unfinished"] == {}
    assert [(day, metadata) for _, day, _, metadata in picture["sleep"]["history"]] == [
        (day, {"rows": number}) for number, day in enumerate(DAYS, start=1)
    ]


@pytest.mark.parametrize("size", [1000, 0], ids=["batched", "one by one"])
def test_a_check_without_days_is_not_planned_for_each(size: int) -> None:
    """Dagster does, in a run of nothing but days, and calls those planned for ever."""
    sleep = dg.AssetKey("sleep")
    with instance_with(BATCHED.replace("1000", str(size))) as instance:
        picture = dagster_state(instance, [run(instance, only=[sleep])])
    executions = picture["sleep:every_person_landed"] + picture["sleep:fields_known"]
    assert [(day, status.value) for _, day, status, *_ in executions] == [
        (None, "FAILED"),
        (None, "SUCCEEDED"),
    ]


def test_two_runs_that_overlap_read_like_dagsters_own() -> None:
    """The second run's days stand behind the first's."""
    picture = same_in_both(
        lambda instance: [run(instance, DAYS[0], DAYS[3]), run(instance, DAYS[2], DAYS[4])]
    )
    assert [(day, place) for _, day, place, _ in picture["heartrate"]["history"]] == [
        *((day, 0) for day in DAYS[:4]),
        *((day, 1) for day in DAYS[2:]),
    ]


def test_a_failed_run_and_its_repetition_read_like_dagsters_own() -> None:
    """Days whose asset failed are unfinished until a later run has them."""
    picture = same_in_both(
        lambda instance: [run(instance, fail="sleep"), run(instance, DAYS[0], DAYS[1])]
    )
    assert picture["sleep"]["days"] == DAYS[:2]
    assert sorted(picture["sleep"]["unfinished"]) == DAYS[2:]
    assert sorted(picture["sleep_points"]["unfinished"]) == DAYS[2:]
    assert picture["heartrate"]["days"] == DAYS


def test_a_run_retried_from_its_failure_reads_like_dagsters_own() -> None:
    """What the first attempt made stays; the retry makes the rest under its own id."""

    def story(instance: dg.DagsterInstance) -> list[str]:
        failed = run(instance, fail="sleep")
        again = dg.ReexecutionOptions.from_failure(failed, instance)
        with dg.execute_job(
            dg.reconstructable(example_job),
            instance,
            reexecution_options=again,
            tags=range_tags(FIRST, LAST),
        ) as retry:
            return [failed, retry.run_id]

    picture = same_in_both(story)
    newest_run = {name: picture[name]["last"][2] for name in ("heartrate", "sleep", "sleep_points")}
    assert newest_run == {"heartrate": 0, "sleep": 1, "sleep_points": 1}


def events_of_a_run(instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    """A batch: five days of one asset, all different, written by a run of another instance."""
    made = instance.all_logs(run(instance), of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [event for event in made if event.asset_materialization.asset_key.path == ["sleep"]]


def rows(folder: Path, table: str = "event_logs") -> dict[str, int]:
    """How many rows stand in each database of an event log that has this table."""
    counts = {}
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            counts[path.stem] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return counts


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> list[dg.EventLogEntry]:
    """Five materializations of one asset in one run."""
    with pytest.MonkeyPatch.context() as environment:
        in_home(environment, tmp_path_factory.mktemp("batch"))
        with instance_with(BATCHED) as instance:
            return events_of_a_run(instance)


@pytest.mark.parametrize("table", ["event_logs", "asset_event_tags"])
def test_a_batch_that_the_index_refuses_is_in_neither_database(
    batch: list[dg.EventLogEntry], tmp_path: Path, table: str
) -> None:
    """Whatever statement fails, the run does not know of days that the index does not know of."""
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "log"))
    refuse(tmp_path / "log" / "index.db", table)
    with pytest.raises(Exception, match="refused"):
        storage.store_event_batch(batch)
    assert rows(tmp_path / "log") == {"index": 0, batch[0].run_id: 0}
    assert storage.get_materialized_partitions(dg.AssetKey("sleep")) == set()


def test_a_batch_that_the_runs_database_refuses_is_in_neither_database(
    batch: list[dg.EventLogEntry], tmp_path: Path
) -> None:
    """It refuses the one event that it is to have."""
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "log"))
    storage.get_logs_for_run(batch[0].run_id)
    refuse(tmp_path / "log" / f"{batch[0].run_id}.db", "event_logs", rows=0)
    with pytest.raises(Exception, match="refused"):
        storage.store_event_batch(batch)
    assert rows(tmp_path / "log") == {"index": 0, batch[0].run_id: 0}


def refuse(database: Path, table: str, rows: int = 4) -> None:
    """Let this database refuse the row that comes into a table after so many, and keep these."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} "
            f"WHEN (SELECT count(*) FROM {table}) = {rows} BEGIN SELECT RAISE(FAIL, 'refused'); END"
        )


def test_a_batch_that_is_killed_half_way_is_in_neither_database(
    batch: list[dg.EventLogEntry], tmp_path: Path
) -> None:
    """The process ends after the last statement and before the databases are told to keep it."""
    killed(batch, tmp_path / "log", "Dying")
    assert rows(tmp_path / "log") == {"index": 0, batch[0].run_id: 0}


def test_a_batch_whose_process_is_killed_between_the_databases_counts(
    batch: list[dg.EventLogEntry], tmp_path: Path
) -> None:
    """Its days were made before it was written; only the run's log lacks them."""
    killed(batch, tmp_path / "log", "DyingLater")
    assert rows(tmp_path / "log") == {"index": 5, batch[0].run_id: 0}
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "log"))
    assert storage.get_materialized_partitions(dg.AssetKey("sleep")) == set(DAYS)
    assert storage.get_logs_for_run(batch[0].run_id) == []


def killed(batch: list[dg.EventLogEntry], folder: Path, storage: str) -> None:
    """Write a batch in a process that dies."""
    child = subprocess.run(
        [sys.executable, "-m", killed_while_writing.__name__, str(folder), storage],
        input=serialize_value(batch),
        text=True,
        cwd=ROOT,
        check=False,
        timeout=120,
    )
    assert child.returncode == killed_while_writing.CODE


def test_events_of_other_kinds_and_runs_are_written_as_dagster_does(tmp_path: Path) -> None:
    """A batch that is not one asset event after the other of one run is not taken as a batch."""
    with instance_with(BATCHED) as instance:
        runs = [run(instance, DAYS[0], DAYS[1]), run(instance, DAYS[2], DAYS[3])]
        everything = [event for run_id in runs for event in instance.all_logs(run_id)]
        expected = [len(instance.all_logs(run_id)) for run_id in runs]
    storage = BatchedSqliteEventLogStorage(str(tmp_path / "log"))
    storage.store_event_batch(everything)
    assert [len(storage.get_logs_for_run(run_id)) for run_id in runs] == expected
    assert storage.get_materialized_partitions(dg.AssetKey("sleep")) == set(DAYS[:4])
