"""Old runs go, and with them all that they left, but not what Dagster shows of days and checks."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.tidy_job import EVERY, Tidied, last_tidied, tidy, tidy_if_due
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.defs.example_assets import DAYS, FAIL, example_job, range_tags

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

ASSETS = ("heartrate", "sleep", "sleep_points", "snapshot")
CHECKS = [
    dg.AssetCheckKey(dg.AssetKey(asset), name)
    for asset, name in (
        *((asset, "every_person_landed") for asset in ASSETS[:3]),
        ("sleep", "fields_known"),
    )
]
LATER = datetime.now(UTC) + timedelta(days=40)
TIDY_FOR = 60.0


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with five daily runs that look back, two that failed and one that lives."""
    home = tmp_path_factory.mktemp("used") / "data"
    with pytest.MonkeyPatch.context() as environment:
        in_home(environment, home)
        with project_instance() as instance:
            run(instance, 3, 3, fail="sleep")  # a later run makes it good
            for day in range(1, 6):
                run(instance, day, day + 2)
            run(instance, 20, 21, fail="sleep")
            instance.create_run_for_job(
                example_job(),
                status=dg.DagsterRunStatus.STARTED,
                tags=range_tags("2026-01-15", "2026-01-16"),
            )
    return home


@pytest.fixture
def instance(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A copy of it."""
    shutil.copytree(used, tmp_path / "data")
    in_home(monkeypatch, tmp_path / "data")
    with project_instance() as instance:
        yield instance


def in_home(environment: pytest.MonkeyPatch, home: Path) -> None:
    home.mkdir(exist_ok=True)
    environment.chdir(home.parent)
    environment.setenv("OURA_PIPELINE_HOME", str(home))
    environment.delenv("DAGSTER_HOME", raising=False)
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


def run(instance: dg.DagsterInstance, first: int, last: int, *, fail: str = "") -> str:
    """Its id is made here: what is tidied beside it may have taken the run's record already."""
    tags = {**range_tags(f"2026-01-{first:02}", f"2026-01-{last:02}"), FAIL: fail}
    run_id = str(uuid.uuid4())
    example_job().execute_in_process(
        instance=instance, raise_on_error=False, tags=tags, run_id=run_id
    )
    return run_id


def tidied(instance: dg.DagsterInstance, *, seconds: float = TIDY_FOR) -> Tidied:
    done = tidy(instance, load_settings(), now=LATER, seconds=seconds)
    assert done.failures == {}
    return done


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster's UI shows of days and checks, worked out anew."""
    picture: dict[str, Any] = {}
    storage = instance.event_log_storage
    for name in ASSETS:
        key, days = dg.AssetKey(name), None if name == "snapshot" else DAYS
        storage.wipe_asset_cached_status(key)
        status = get_and_update_asset_status_cache_value(instance, key, days)
        newest = instance.get_latest_materialization_event(key)
        ids = storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        picture[name] = (status, newest and newest.run_id, ids)
    latest = storage.get_latest_asset_check_execution_by_key(CHECKS)
    picture["checks"] = {key: (record.id, record.status) for key, record in latest.items()}
    return picture


def counted(instance: dg.DagsterInstance) -> dict[str, int]:
    """How much there is of what grows."""
    history = load_settings().storage.home / "dagster" / "history"
    shards = [path for path in (history / "runs").glob("*.db") if path.stem != "index"]
    with closing(sqlite3.connect(history / "runs" / "index.db")) as index:
        rows = {
            table: index.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("event_logs", "asset_check_executions")
        }
    with closing(sqlite3.connect(history / "runs.db")) as runs:
        (tags,) = runs.execute(
            "SELECT count(*) FROM run_tags WHERE run_id NOT IN (SELECT run_id FROM runs)"
        ).fetchone()
    return {"runs": instance.get_runs_count(), "shards": len(shards), "stray tags": tags, **rows}


def test_old_runs_go_and_days_and_checks_stay(instance: dg.DagsterInstance) -> None:
    """Also that days have failed, as long as nobody has made them good; and the run that lives."""
    before = shown(instance)
    sleep = before["sleep"][0].deserialize_failed_partition_subsets(DAYS).get_partition_keys()
    assert sorted(sleep) == ["2026-01-20", "2026-01-21"]
    living = [r.run_id for r in instance.get_runs() if not r.is_finished]
    events = len(instance.all_logs(living[0]))
    assert tidied(instance).finished
    assert shown(instance) == before
    # Of three assets seven days each, two more, and the snapshot; else what the two runs planned.
    assert counted(instance) == {
        "runs": 2,
        "shards": 2,
        "stray tags": 0,
        "event_logs": 49,
        "asset_check_executions": 11,
    }
    assert len(instance.all_logs(living[0])) == events
    statuses = sorted(run.status.value for run in instance.get_runs())
    assert statuses == ["FAILURE", "STARTED"]


def test_the_number_of_runs_is_limited_too(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However young they are."""
    monkeypatch.setenv("OURA_KEEP_RUNS", "3")
    before, runs = shown(instance), instance.get_runs()
    tidy(instance, load_settings(), now=datetime.now(UTC), seconds=TIDY_FOR)
    assert [r.run_id for r in instance.get_runs()] == [r.run_id for r in runs[:4]]
    assert shown(instance) == before


def test_old_ticks_and_backfills_go(instance: dg.DagsterInstance) -> None:
    """But the last tick of each sensor, from which Dagster goes on, and what has not ended."""
    folder = load_settings().storage.home / "dagster"
    long_ago = f"{LATER - timedelta(days=60):%F %T}"
    lately = f"{LATER - timedelta(days=2):%F %T}"
    ticks, backfills = folder / "schedules" / "schedules.db", folder / "history" / "runs.db"
    with closing(sqlite3.connect(ticks)) as database, database:
        database.executemany(
            "INSERT INTO job_ticks (job_origin_id, selector_id, status, timestamp) "
            "VALUES ('o', ?, ?, ?)",
            [
                ("gone", "STARTED", long_ago),
                ("gone", "SKIPPED", long_ago),
                ("here", "SUCCESS", long_ago),
                ("here", "SUCCESS", lately),
            ],
        )
    with closing(sqlite3.connect(backfills)) as database, database:
        database.executemany(
            "INSERT INTO bulk_actions (key, status, timestamp) VALUES (?, ?, ?)",
            [
                ("old", "COMPLETED_SUCCESS", long_ago),
                ("going", "REQUESTED", long_ago),
                ("young", "CANCELED", lately),
            ],
        )
    tidied(instance)
    with closing(sqlite3.connect(ticks)) as database:
        kept = database.execute("SELECT selector_id, status, timestamp FROM job_ticks ORDER BY id")
        assert kept.fetchall() == [("gone", "SKIPPED", long_ago), ("here", "SUCCESS", lately)]
    with closing(sqlite3.connect(backfills)) as database:
        kept = database.execute("SELECT key FROM bulk_actions ORDER BY id")
        assert kept.fetchall() == [("going",), ("young",)]


def test_it_is_done_in_pieces_and_goes_on_after_any(instance: dg.DagsterInstance) -> None:
    before, pieces = shown(instance), 1
    while not tidied(instance, seconds=0).finished:
        pieces += 1
        assert pieces < 100
    assert pieces >= 8
    assert shown(instance) == before


def test_a_kill_harms_nothing(instance: dg.DagsterInstance) -> None:
    """The next one goes on."""
    before = shown(instance)
    for seconds in (0.0, 0.03, 0.08):
        process = multiprocessing.get_context("fork").Process(target=tidy_in_a_process)
        process.start()
        time.sleep(seconds)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert shown(instance) == before
    assert tidied(instance).finished
    assert shown(instance) == before


def tidy_in_a_process() -> None:
    with project_instance() as instance:
        tidied(instance)


def test_runs_that_write_meanwhile_are_not_disturbed(instance: dg.DagsterInstance) -> None:
    """All their days stand there afterwards, and all their events."""
    done = threading.Event()

    def tidy_again_and_again() -> None:
        with project_instance() as own:
            while not done.is_set():
                tidied(own)

    thread = threading.Thread(target=tidy_again_and_again)
    thread.start()
    try:
        own = run(instance, 9, 10)
    finally:
        done.set()
        thread.join()
    tidied(instance)
    made = instance.get_materialized_partitions(dg.AssetKey("sleep_points"))
    assert made == {f"2026-01-{day:02}" for day in (*range(1, 8), 9, 10)}
    assert not instance.has_run(own)


def test_what_killed_processes_left_and_handled_events_go(instance: dg.DagsterInstance) -> None:
    """Not what is in use, and not what waits."""
    home = load_settings().storage.home
    for name in ("spool/sleep.killed", ".download.old", ".download.new"):
        (home / name).mkdir(parents=True)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(home / ".download.old", (two_days_ago, two_days_ago))
    with open_accounts(load_settings()) as accounts:
        accounts.inbox.backlog()
    lately, long_ago = (f"{datetime.now(UTC) - timedelta(days=days):%F %T}" for days in (6, 8))
    with closing(sqlite3.connect(home / "accounts.sqlite")) as database, database:
        database.executemany(
            "INSERT INTO webhook_inbox (body, received_at, done_at, digest, attempts, next_at) "
            "VALUES ('{}', ?, ?, ?, 0, ?)",
            [
                (long_ago, None, "waits", long_ago),
                (long_ago, lately, "lately", long_ago),
                (long_ago, long_ago, "long ago", long_ago),
            ],
        )
    tidy(instance, load_settings(), now=datetime.now(UTC), seconds=TIDY_FOR)
    left = {str(path.relative_to(home)) for path in home.glob(".download.*")}
    assert left == {".download.new"}
    assert not (home / "spool" / "sleep.killed").exists()
    with closing(sqlite3.connect(home / "accounts.sqlite")) as database:
        kept = database.execute("SELECT digest FROM webhook_inbox ORDER BY id").fetchall()
    assert kept == [("waits",), ("lately",)]


def test_points_are_written_once_by_who_has_the_time(instance: dg.DagsterInstance) -> None:
    """At the end of a sync somebody waits."""
    log = load_settings().storage.graphite_log_path
    point = b"bio.ada.sleep.score 71 1767225600\n"
    log.write_bytes(point * 500_000)
    assert tidy_if_due(instance) is not None
    assert log.stat().st_size == 500_000 * len(point)
    assert tidied(instance).deleted["points"] == 499_999 * len(point)
    assert log.read_bytes() == point


def test_a_sync_tidies_once_a_day(instance: dg.DagsterInstance) -> None:
    """When there is no daemon, nobody else does; and a while of it must do."""
    assert last_tidied(load_settings()) is None
    done = tidy_if_due(instance)
    assert done is not None
    assert done.finished
    assert tidy_if_due(instance) is None
    mark = load_settings().storage.home / "tidied"
    long_ago = (datetime.now(UTC) - EVERY).timestamp()
    os.utime(mark, (long_ago, long_ago))
    assert tidy_if_due(instance) is not None
