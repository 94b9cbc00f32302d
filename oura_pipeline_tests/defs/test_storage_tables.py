"""Databases are created as Dagster creates them, without a look at all of its migrations."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage
from oura_pipeline.defs.storage import (
    PatientSqliteRunStorage,
    PatientSqliteScheduleStorage,
)

OURS = (PatientSqliteRunStorage, BatchedSqliteEventLogStorage, PatientSqliteScheduleStorage)
DAGSTERS = (SqliteRunStorage, SqliteEventLogStorage, SqliteScheduleStorage)
Storages = tuple[type[SqliteRunStorage], type[SqliteEventLogStorage], type[SqliteScheduleStorage]]


def create(folder: Path, storages: Storages) -> None:
    """Create every kind of database: runs, index, a run's own, schedules."""
    runs, events, schedules = storages
    runs.from_local(str(folder / "runs"))
    events(str(folder / "events")).get_logs_for_run("a-run")
    schedules.from_local(str(folder / "schedules"))


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as connection, connection:
        yield connection


def asked(database: Path, sql: str) -> list[Any]:
    with opened(database) as connection:
        return connection.execute(sql).fetchall()


def structure(database: Path) -> dict[str, Any]:
    """Everything in a new database that a later Dagster goes by."""
    tables = asked(database, "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")
    names = {name for _, name, _ in tables}
    return {
        "tables": tables,
        "revision": asked(database, "SELECT version_num FROM alembic_version"),
        "log": asked(database, "PRAGMA journal_mode"),
        "migrated": asked(database, "SELECT name FROM secondary_indexes ORDER BY name")
        if "secondary_indexes" in names
        else [],
    }


def structures(folder: Path) -> dict[str, Any]:
    paths = sorted(folder.rglob("*.db"))
    return {str(path.relative_to(folder)): structure(path) for path in paths}


@pytest.fixture(scope="module")
def dagsters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of Dagster's own classes."""
    folder = tmp_path_factory.mktemp("dagsters")
    create(folder, DAGSTERS)
    return folder


def test_new_databases_are_those_of_dagster(tmp_path: Path, dagsters: Path) -> None:
    """Tables, indexes, revision, finished migrations and the kind of log."""
    create(tmp_path, OURS)
    ours = structures(tmp_path)
    assert ours.keys() == {
        "runs/runs.db",
        "events/index.db",
        "events/a-run.db",
        "schedules/schedules.db",
    }
    assert ours == structures(dagsters)


def test_databases_of_dagsters_own_classes_are_taken_as_they_are(
    tmp_path: Path, dagsters: Path
) -> None:
    """Whoever kept Dagster's state before has nothing to do."""
    shutil.copytree(dagsters, tmp_path / "taken")
    create(tmp_path / "taken", OURS)
    assert structures(tmp_path / "taken") == structures(dagsters)


@pytest.mark.parametrize(
    "lost", ["DELETE FROM alembic_version", "DROP TABLE instance_info"], ids=["revision", "table"]
)
def test_what_is_no_database_of_this_dagster_is_left_to_dagster(
    tmp_path: Path, dagsters: Path, lost: str
) -> None:
    """Tables without a revision get that of long ago; a table that is missing is created."""
    for name in ("ours", "theirs"):
        shutil.copytree(dagsters, tmp_path / name)
        with opened(tmp_path / name / "runs" / "runs.db") as connection:
            connection.execute(lost)
    create(tmp_path / "ours", OURS)
    create(tmp_path / "theirs", DAGSTERS)
    assert structures(tmp_path / "ours") == structures(tmp_path / "theirs")
    assert len(structure(tmp_path / "ours" / "runs" / "runs.db")["revision"]) == 1


def test_a_database_that_was_begun_only_is_finished(tmp_path: Path, dagsters: Path) -> None:
    """A process that was killed before it created anything leaves an empty file."""
    for name in ("runs/runs.db", "events/a-run.db", "schedules/schedules.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    create(tmp_path, OURS)
    assert structures(tmp_path) == structures(dagsters)
