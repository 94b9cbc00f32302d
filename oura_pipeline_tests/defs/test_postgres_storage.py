"""On Postgres a batch reads as it does after Dagster's own single writes, and is never half."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

from oura_pipeline.defs.celery_steps import CeleryStepsExecutor
from oura_pipeline.defs.event_batches import BatchedEventLog
from oura_pipeline.defs.postgres_storage import BatchedPostgresEventLogStorage
from oura_pipeline_tests.defs import example_assets, example_location
from oura_pipeline_tests.defs.dagster_state import dagster_state
from oura_pipeline_tests.defs.example_assets import FAIL, example_job, range_tags
from oura_pipeline_tests.testing.dagster_daemon import (
    ended,
    launch_backfill,
    open_workspace,
    start_backfills,
    start_runs,
)
from oura_pipeline_tests.testing.postgres import dagster_config, new_database

DAYS = [f"2026-01-{day:02}" for day in range(1, 11)]
STOCK = """
storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}
telemetry: {enabled: false}
"""

ASSETS = (
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
)

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@contextmanager
def instance_with(
    storage: str, server: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[dg.DagsterInstance]:
    """An empty instance with this storage."""
    folder.mkdir(parents=True)
    url = f"postgresql+psycopg2://{new_database(server)}"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    # Set, so that it is put back: the storage sets it by itself.
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "")
    os.environ.pop("DAGSTER_EVENT_BATCH_SIZE", None)
    (folder / "dagster.yaml").write_text(storage, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture
def batching(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An empty instance with our storage."""
    arguments = (postgres_server, monkeypatch, tmp_path / "one")
    with instance_with(dagster_config(), *arguments) as instance:
        yield instance


def run(instance: dg.DagsterInstance, first: str, last: str, fail: str = "") -> str:
    """Run the example job in process, failing at one asset; the run's id."""
    tags = {**range_tags(first, last), FAIL: fail}
    return (
        example_job().execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id
    )


def story(instance: dg.DagsterInstance) -> dict[str, Any]:
    """All that Dagster knows after a run that failed and one that did what it had left."""
    runs = [run(instance, DAYS[0], DAYS[5], fail="sleep"), run(instance, DAYS[3], DAYS[9])]
    return dagster_state(instance, runs)


def test_runs_read_like_dagsters_own(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days, records, ids, order, pages by cursor, checks, metadata, tags: all the same."""
    arguments = (postgres_server, monkeypatch)
    with instance_with(STOCK, *arguments, tmp_path / "stock") as instance:
        assert not isinstance(instance.event_log_storage, BatchedEventLog)
        stock = story(instance)
    with instance_with(dagster_config(), *arguments, tmp_path / "batched") as instance:
        assert isinstance(instance.event_log_storage, BatchedPostgresEventLogStorage)
        assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"
        batched = story(instance)
    assert batched == stock
    assert batched["heartrate"]["days"] == DAYS
    assert batched["sleep"]["days"] == DAYS[3:]
    assert sorted(batched["sleep"]["unfinished"]) == DAYS[:3]


def test_an_end_that_is_recorded_late_is_seen(batching: dg.DagsterInstance) -> None:
    """Workers write at once: what has the lower number may be there after what has a higher one."""
    storage: Any = batching.event_log_storage
    run_id = run(batching, DAYS[0], DAYS[0])
    executor, seen = CeleryStepsExecutor(None), set[int]()
    with storage.index_transaction() as connection:
        [end] = connection.exec_driver_sql(
            "DELETE FROM event_logs WHERE id IN (SELECT min(id) FROM event_logs WHERE "
            f"run_id = '{run_id}' AND dagster_event_type = 'STEP_SUCCESS') RETURNING *"
        ).mappings()
    earlier = executor._pop_events(batching, run_id, seen)
    assert earlier
    with storage.index_transaction() as connection:
        connection.execute(SqlEventLogStorageTable.insert(), dict(end))
    [event] = executor._pop_events(batching, run_id, seen)
    assert event.is_step_success
    assert event.step_key not in {one.step_key for one in earlier if one.is_step_success}
    assert executor._pop_events(batching, run_id, seen) == []


def test_a_batch_is_one_statement_and_whole_or_not_there(batching: dg.DagsterInstance) -> None:
    """Its events are one insert, also those that are planned for a set of days."""
    storage: Any = batching.event_log_storage
    inserts: list[str] = []

    @db.event.listens_for(storage._engine, "before_cursor_execute")
    def _note(*sent: Any) -> None:
        inserts.extend([sent[2]] if sent[2].startswith("INSERT INTO event_logs") else [])

    run_id = run(batching, DAYS[0], DAYS[9])
    events = batching.all_logs(run_id)
    made = [event for event in events if event.dagster_event_type in ASSETS]
    # All days of all assets were planned by one, and made by one for each asset.
    assert (len(made), len(events), len(inserts)) == (62, 95, 34)
    with storage.index_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE asset_keys RENAME TO away")
    before = len(batching.all_logs(run_id))
    with pytest.raises(db.exc.ProgrammingError):
        storage.store_event_batch(made[-10:])
    assert len(batching.all_logs(run_id)) == before


def test_any_driver_in_the_address_becomes_the_one_that_dagster_can_use(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webserver sets up its connections in a `with`, which closes those of psycopg 3."""
    with instance_with(
        dagster_config(), postgres_server, monkeypatch, tmp_path / "any"
    ) as instance:
        url = instance.event_log_storage.postgres_url.replace("+psycopg2", "")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    with dg.DagsterInstance.from_config(str(tmp_path / "any")) as instance:
        instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=60, max_overflow=2)
        assert instance.get_runs() == []
        with closing(db.create_engine(instance.run_storage.postgres_url).raw_connection()) as raw:
            assert type(raw.driver_connection).__module__.startswith("psycopg2")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster")
def test_two_months_launched_in_the_ui_are_one_run_and_every_day_is_there(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the UI's own query, on connections as the webserver has them, and seen by the daemon."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    arguments = (postgres_server, monkeypatch, tmp_path / "made")
    with instance_with(dagster_config(), *arguments):
        (tmp_path / "made" / "dagster.yaml").rename(tmp_path / "dagster.yaml")
    assets = [dg.AssetKey(name) for name in ("environment", "heartrate", "sleep", "sleep_points")]
    days = example_assets.DAYS.get_partition_keys()
    assert len(days) == 59
    with open_workspace(example_location) as (instance, workspace):
        instance.optimize_for_webserver(statement_timeout=15000, pool_recycle=60, max_overflow=20)
        backfill = launch_backfill(workspace, [key.path for key in assets], days)
        start_backfills(workspace)
        start_runs(workspace)
        (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
        assert ended(instance, run.run_id).status is dg.DagsterRunStatus.SUCCESS
        start_backfills(workspace)
        assert [one.status.value for one in instance.get_backfills()] == ["COMPLETED_SUCCESS"]
        for key in assets:
            assert sorted(instance.get_materialized_partitions(key)) == days
        (made,) = instance.fetch_materializations(assets[0], limit=1).records
        # Whoever runs it writes batches as well, without a variable of the operator's.
        assert made.asset_materialization.metadata["batch"].value == 1000
