"""Dagster's own records, kept in the data folder, and an event log that writes in batches.

`dagster dev` says that it uses a temporary directory when DAGSTER_HOME is not set. That is true of
everything but the storages named in `dagster.yaml`, which are those below.
"""

# This module, those of events and old records, and that of the UI may import from `dagster._core`:
# Dagster has no public base classes for storages, no way to tidy them, and none to write events at
# once. Everything else about Dagster goes through its public interface.

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as db
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster import DagsterInstance, Field, IntSource, StringSource
from dagster._core.events import BATCH_WRITABLE_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.legacy_storage import CompositeStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData, serialize_value
from filelock import FileLock
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.pool import NullPool

from oura_pipeline.accounts.database import FILE_NOTE
from oura_pipeline.files import keep_private
from oura_pipeline.settings import dagster_home, load_settings
from oura_pipeline.sync.storage_failures import storage_failure

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BUSY_SECONDS = 60.0
CONFIG_FILE = "dagster.yaml"
LOCK = ".opening.lock"
OPTIONAL_BASE_DIR = {"base_dir": Field(StringSource, is_required=False)}

_NO_COMPUTE_LOGS = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}
_WRITTEN_AT_ONCE = {*BATCH_WRITABLE_EVENTS, DagsterEventType.ASSET_CHECK_EVALUATION}
_PACKAGE = Path(__file__).resolve().parent.parent


@contextmanager
def project_instance(*, captures_output: bool = True) -> Iterator[DagsterInstance]:
    """Open the project's Dagster instance, the one that `dagster dev` uses; never a temporary one.

    `DAGSTER_HOME` decides if it is set, in the environment or in `.env`. Otherwise `dagster.yaml`
    of the working directory does or, where there is none, the project's own.

    Args:
        captures_output: whether what steps print in this process goes to Dagster's files. That
            takes the terminal away from the whole process, and starts four others for each step.

    Raises:
        FileNotFoundError: `DAGSTER_HOME` names a directory that does not exist.
    """
    with DagsterInstance.from_ref(instance_ref(captures_output=captures_output)) as instance:
        yield instance


def instance_ref(*, captures_output: bool = True) -> InstanceRef:
    """Return what opens the project's instance, also in another process.

    Raises:
        FileNotFoundError: `DAGSTER_HOME` names a directory that does not exist.
    """
    home = dagster_home()
    if home is not None and not home.is_dir():
        raise FileNotFoundError(
            f"DAGSTER_HOME is {home}: create this directory or unset the variable"
        )
    return InstanceRef.from_dir(
        str(_base_dir()),
        config_dir=str(home or config_dir()),
        overrides={} if captures_output else {"compute_logs": _NO_COMPUTE_LOGS},
    )


def is_on_this_machine() -> bool:
    """Return whether Dagster's records are the files of this project, so all runs are here, too."""
    storage = instance_ref().storage_data
    return storage is not None and storage.class_name == ProjectStorage.__name__


def _base_dir() -> Path:
    """Return Dagster's folder; whoever asks is about to write there, perhaps before all others."""
    home = load_settings().storage.home
    keep_private(home)
    return dagster_home() or home / "dagster"


def config_dir() -> Path:
    """Return where `dagster.yaml` is: here, in the installed package, or in the checkout."""
    return config_file(CONFIG_FILE).parent


def config_file(name: str) -> Path:
    """Return a configuration of Dagster: here, in the installed package, or in the checkout."""
    places = (Path.cwd(), _PACKAGE, _PACKAGE.parent)
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, places))}")


class RecordsUnwritable(Exception):
    """Dagster's records cannot be written; the message says why."""


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, with many events written as one transaction.

    The stock class opens both databases, the run's and the index, for each event. Here a batch is
    written whole into both, or into neither: what Dagster would do with its events one by one is
    what the databases hold afterwards, in the same order and under the same ids.
    """

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write all events, or none."""
        if not _is_one_batch(events):
            # Events of several runs or of other kinds are written one by one, as Dagster does.
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        table = SqlEventLogStorageTable
        with_ids = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        # The inner block ends first: a process killed between the two leaves a run that knows of a
        # day which the index then shows as missing, so it is asked for again.
        with self.index_connection() as index, self._run_shard(events[0].run_id) as run:
            run.execute(table.insert(), rows)
            event_ids = index.execute(with_ids, rows).scalars().all()
            self._store_asset_event_tags(index, events, event_ids)
            self._store_assets(index, events, event_ids)
            self._store_planned_checks(index, events, event_ids)
            self._store_evaluations(index, events, event_ids)

    def _initdb(self, engine: db.Engine, for_index_shard: bool = False) -> None:
        # Another process may create the tables of this run at the same time, to read its events.
        with FileLock(Path(self._base_dir) / LOCK):
            if _found(engine, SqlEventLogStorageMetadata) is _Found.OTHER:
                super()._initdb(engine, for_index_shard)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # As in the stock class, except that it creates a new engine for every transaction, which
        # compiles all statements anew.
        with self._db_lock:
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    @contextmanager
    def _run_shard(self, run_id: str) -> Iterator[Connection]:
        # `_connect` allows one transaction at a time; this one is open beside one in the index.
        engine = _engine(self.conn_string_for_shard(run_id))
        if run_id not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(run_id)
        with engine.begin() as connection:
            yield connection

    def _store_assets(
        self, index: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]
    ) -> None:
        # An asset has one row; only the newest event of a kind leaves a trace in it.
        newest = {
            (event.dagster_event.asset_key, event.dagster_event_type): (event, event_id)
            for event, event_id in zip(events, event_ids, strict=True)
            if event.dagster_event.asset_key
        }
        for event, event_id in sorted(newest.values(), key=lambda pair: pair[1]):
            self._store_asset_event(index, event, event_id)

    def _store_planned_checks(
        self, index: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]
    ) -> None:
        rows = [
            row
            for event, event_id in zip(events, event_ids, strict=True)
            if event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
            for row in self._planned_check_rows(event, event_id)
        ]
        if rows:
            index.execute(AssetCheckExecutionsTable.insert(), rows)

    def _store_evaluations(
        self, index: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]
    ) -> None:
        # Only an op reports them in a batch, and nothing has planned those.
        rows = [
            self._evaluation_row(event, event_id)
            for event, event_id in zip(events, event_ids, strict=True)
            if event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        if rows:
            index.execute(AssetCheckExecutionsTable.insert(), rows)

    def _evaluation_row(self, event: EventLogEntry, event_id: int) -> dict[str, Any]:
        evaluated = event.dagster_event.event_specific_data
        status = AssetCheckExecutionRecordStatus
        return {
            "asset_key": evaluated.asset_key.to_string(),
            "check_name": evaluated.check_name,
            "run_id": event.run_id,
            "execution_status": (status.SUCCEEDED if evaluated.passed else status.FAILED).value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
            "materialization_event_storage_id": None,
            "partition": None,
        }

    def _planned_check_rows(self, event: EventLogEntry, event_id: int) -> Iterator[dict[str, Any]]:
        planned = event.dagster_event.event_specific_data
        subset = planned.partitions_subset
        shared = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        for partition in subset.get_partition_keys() if subset else [None]:
            yield {**shared, "partition": partition}


class _PatientSqliteStorage:
    """Waits a minute for other writers, not five seconds, and creates its tables by itself."""

    _database: ClassVar[str]
    _tables: ClassVar[db.MetaData]

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        """Open the database in a folder."""
        Path(base_dir).mkdir(parents=True, exist_ok=True)
        address = create_db_conn_string(base_dir, cls._database)
        found = _found(_engine(address), cls._tables)
        if found is _Found.OTHER:
            return super().from_local(base_dir, inst_data)
        storage = cls(address, inst_data)
        if found is _Found.NOTHING:
            storage.migrate()
            storage.optimize()
        return storage

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with _engine(self._conn_string).begin() as connection:
            yield connection


class PatientSqliteRunStorage(_PatientSqliteStorage, SqliteRunStorage):
    """Dagster's SQLite run storage."""

    _database, _tables = "runs", RunStorageSqlMetadata


class PatientSqliteScheduleStorage(_PatientSqliteStorage, SqliteScheduleStorage):
    """Dagster's SQLite schedule storage."""

    _database, _tables = "schedules", ScheduleStorageSqlMetadata


class ProjectStorage(CompositeStorage):
    """Dagster's runs, events and ticks as SQLite files in the data folder.

    Configuration: `base_dir`, by default `DAGSTER_HOME` or else `dagster` in the data folder; and
    `event_batch_size`, how many events are written at once, where 0 means Dagster's own event log.
    """

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {
            **OPTIONAL_BASE_DIR,
            "event_batch_size": Field(IntSource, is_required=False, default_value=1000),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ProjectStorage":
        """Open the three storages, in the folders where Dagster itself would have them."""
        base = Path(config_value.get("base_dir") or _base_dir())
        batch_size = config_value["event_batch_size"]
        event_log = BatchedSqliteEventLogStorage if batch_size else SqliteEventLogStorage
        # Dagster reads the size of a batch from the environment only. Whatever process writes
        # events, or starts one that does, has opened its storage before.
        os.environ.setdefault(BATCH_SIZE_VARIABLE, str(batch_size))
        base.mkdir(parents=True, exist_ok=True)
        # Dagster's own creation of the tables fails when two processes are the first at once.
        with FileLock(base / LOCK):
            return cls(
                run_storage=PatientSqliteRunStorage.from_local(str(base / "history")),
                event_log_storage=event_log(str(base / "history" / "runs")),
                schedule_storage=PatientSqliteScheduleStorage.from_local(str(base / "schedules")),
                inst_data=inst_data,
            )


class ProjectArtifactStorage(LocalArtifactStorage):
    """Dagster's folder for files, in the data folder unless `base_dir` says otherwise."""

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return OPTIONAL_BASE_DIR

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ProjectArtifactStorage":
        return cls(config_value.get("base_dir") or str(_base_dir()), inst_data)


class ProjectComputeLogs(LocalComputeLogManager):
    """What steps print, in files in the data folder unless `base_dir` says otherwise."""

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {**super().config_type(), **OPTIONAL_BASE_DIR}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ProjectComputeLogs":
        base_dir = config_value.get("base_dir") or str(_base_dir() / "storage")
        return cls(base_dir, config_value.get("polling_timeout"), inst_data)


class _Found(Enum):
    """What was in a database: nothing, all tables that Dagster has now, or something else."""

    NOTHING = auto()
    EVERYTHING = auto()
    OTHER = auto()


def _found(engine: db.Engine, metadata: db.MetaData) -> _Found:
    """Return what is in a database, and create the tables where there is nothing.

    Dagster's own classes do the same, but import all of Dagster's ninety migrations to see whether
    a database has a revision, and again to write one: for three databases when a process begins,
    and for the database of each run.
    """
    with engine.connect() as connection:
        # Outside of a transaction, as SQLite wants it.
        tables = set(db.inspect(connection).get_table_names())
        migrations = MigrationContext.configure(connection)
        if tables and (not migrations.get_current_revision() or not tables >= {*metadata.tables}):
            return _Found.OTHER
        if tables:
            return _Found.EVERYTHING
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        # All tables or none: the driver would commit each of them.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        metadata.create_all(connection)
        migrations.stamp(_dagsters_migrations(), "head")
        connection.commit()
    return _Found.NOTHING


@cache
def _dagsters_migrations() -> ScriptDirectory:
    return ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))


def _is_one_batch(events: Sequence[EventLogEntry]) -> bool:
    return len({event.run_id for event in events}) == 1 and all(
        event.is_dagster_event and event.dagster_event_type in _WRITTEN_AT_ONCE for event in events
    )


@lru_cache(maxsize=64)
def _engine(address: str) -> db.Engine:
    # An engine holds compiled statements and, without a pool, no connection.
    engine = db.create_engine(
        address, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True
    )
    db.event.listen(engine, "handle_error", _in_one_line)
    return engine


def _in_one_line(context: ExceptionContext) -> Exception | None:
    """Return what takes the place of an error of the disk: Dagster prints the text of either."""
    error = context.sqlalchemy_exception
    if error is None or context.engine is None:
        return None
    error.add_note(f"{FILE_NOTE}{context.engine.url.database}")
    text = storage_failure(error)
    return RecordsUnwritable(text) if text else None
