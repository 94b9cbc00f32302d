"""A name goes from Dagster's files, also from their free pages, while Dagster goes on writing."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.defs.scrub_names import LEFT, forget_in
from oura_pipeline.defs.storage import kept_files, project_instance

ADA = "ada-lovelace"


@dg.op
def speak(context: dg.OpExecutionContext) -> None:
    context.log.warning(f"{ADA} must sign in again")


@dg.job
def speaking() -> None:
    speak()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A Dagster of the test's own, as the project configures it."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "")
    with project_instance() as made:
        yield made


def quietly(
    instance: dg.DagsterInstance, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return speaking.execute_in_process(instance=instance, run_config=quiet, tags=tags)


def holding(instance: dg.DagsterInstance, name: str = ADA) -> list[str]:
    """The files of Dagster that have the name in their bytes, in use or not."""
    folder = kept_files(instance).databases[0].parents[2]
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and name.encode() in path.read_bytes()
    )


def said(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.user_message for entry in instance.all_logs(run_id) if not entry.dagster_event]


def test_what_was_logged_names_somebody_who_left(instance: dg.DagsterInstance) -> None:
    """The event stays, and reads as well as before."""
    run_id = quietly(instance).run_id
    assert said(instance, run_id) == [f"{ADA} must sign in again"]
    assert forget_in(instance, ADA) > 0
    assert said(instance, run_id) == [f"{LEFT} must sign in again"]
    assert holding(instance) == []
    assert forget_in(instance, ADA) == 0


def test_what_dagster_had_deleted_itself_goes_from_the_free_pages(
    instance: dg.DagsterInstance,
) -> None:
    """SQLite keeps the bytes of a deleted row until something else is written there."""
    quietly(instance, tags={"asked_by": ADA * 500})
    path = next(path for path in kept_files(instance).databases if path.name == "runs.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete=OFF").close()
        for table in ("run_tags", "runs"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    assert "runs.db" in holding(instance)
    forget_in(instance, ADA)
    assert holding(instance) == []


def test_other_peoples_names_that_hold_it_stay(instance: dg.DagsterInstance) -> None:
    """A name is a whole word; in a tag of Dagster's own, and in what it calls things, it stays."""
    quietly(instance, tags={"for": f"{ADA} x-{ADA} {ADA}-2 {ADA}s", "dagster/owner": ADA})
    forget_in(instance, ADA)
    [run] = instance.get_runs()
    assert run.tags["for"] == f"{LEFT} x-{ADA} {ADA}-2 {ADA}s"
    assert run.tags["dagster/owner"] == ADA
    assert instance.get_runs(dg.RunsFilter(tags={"for": run.tags["for"]})) == [run]


def test_a_job_and_a_step_of_the_same_name_stay(instance: dg.DagsterInstance) -> None:
    """People called `speak` or `speaking` do not take them along."""
    run_id = quietly(instance).run_id
    for name in ("speak", "speaking"):
        forget_in(instance, name)
    [run] = instance.get_runs(dg.RunsFilter(job_name="speaking"))
    assert (run.run_id, run.status) == (run_id, dg.DagsterRunStatus.SUCCESS)
    steps = {entry.step_key for entry in instance.all_logs(run_id)}
    assert steps == {None, "speak"}
    assert [stats.step_key for stats in instance.get_run_step_stats(run_id)] == ["speak"]


def test_a_writer_is_waited_for(instance: dg.DagsterInstance) -> None:
    """Somebody is in the middle of a transaction: their row and the forgetting both happen."""
    quietly(instance, tags={"for": ADA})
    path = next(path for path in kept_files(instance).databases if path.name == "runs.db")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO kvs (key, value) VALUES ('mine', 'there')")
        ending = threading.Timer(0.3, lambda: writer.execute("COMMIT"))
        ending.start()
        forget_in(instance, ADA)
        ending.join()
        assert writer.execute("SELECT value FROM kvs WHERE key = 'mine'").fetchall() == [("there",)]
    assert holding(instance) == []


def test_runs_go_on_meanwhile(instance: dg.DagsterInstance) -> None:
    """A run that is executed at the same time succeeds, with every event."""
    alone = len(instance.all_logs(quietly(instance).run_id))
    runs: list[str] = []

    def work() -> None:
        for _ in range(3):
            runs.append(quietly(instance).run_id)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(3):
        forget_in(instance, ADA)
    worker.join()
    forget_in(instance, ADA)
    assert [len(instance.all_logs(run_id)) for run_id in runs] == [alone] * 3
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert {statuses[run_id] for run_id in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert holding(instance) == []


def test_whom_a_run_is_for_never_becomes_everybody(instance: dg.DagsterInstance) -> None:
    """They are left out of a list of several; a list of them alone holds somebody unknown."""
    path = next(path for path in kept_files(instance).databases if path.name == "runs.db")
    lists = [[ADA], [ADA, "bob"], ["bob"], []]
    for people in lists:
        quietly(instance)
        with closing(sqlite3.connect(path)) as connection:
            rowid, body = connection.execute(
                "SELECT rowid, run_body FROM runs ORDER BY rowid DESC LIMIT 1"
            ).fetchone()
            run = json.loads(body)
            run["run_config"] = {"resources": {"pipeline": {"config": {"people": people}}}}
            update = "UPDATE runs SET run_body = ? WHERE rowid = ?"
            connection.execute(update, (json.dumps(run), rowid))
            connection.commit()
    forget_in(instance, ADA)
    configs = [run.run_config for run in reversed(instance.get_runs())]
    expected = [[LEFT], ["bob"], ["bob"], []]
    assert configs == [
        {"resources": {"pipeline": {"config": {"people": people}}}} for people in expected
    ]
