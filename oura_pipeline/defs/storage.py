"""Dagster's own records, kept in the data folder.

`dagster dev` says that it uses a temporary directory when DAGSTER_HOME is not set. That is true of
everything but the storages named in `dagster.yaml`, which are those below.
"""

# This module, those of events, records and steps, and that of the UI may import `dagster._core`:
# Dagster has no public base classes for storages, no way to tidy them, and none to write events at
# once. Everything else about Dagster goes through its public interface.

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as db
from dagster import DagsterInstance, Field, IntSource, StringSource
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.legacy_storage import CompositeStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData
from filelock import FileLock
from sqlalchemy.engine import Connection

from oura_pipeline.defs.event_log import LOCK, BatchedSqliteEventLogStorage
from oura_pipeline.defs.record_files import Found, engine_of, ensure_tables
from oura_pipeline.files import keep_private
from oura_pipeline.settings import dagster_home, load_settings

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
CONFIG_FILE = "dagster.yaml"
OPTIONAL_BASE_DIR = {"base_dir": Field(StringSource, is_required=False)}
BATCH_SIZE = {"event_batch_size": Field(IntSource, is_required=False, default_value=1000)}

_NO_COMPUTE_LOGS = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}
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


def write_events_at_once(config_value: Mapping[str, Any]) -> None:
    """Let Dagster write as many events at once as the configuration of a storage says."""
    # It reads this from the environment only. Whatever process writes events, or starts one that
    # does, has opened its storage before.
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(config_value["event_batch_size"]))


class _PatientSqliteStorage:
    """Waits a minute for other writers, not five seconds, and creates its tables by itself."""

    _database: ClassVar[str]
    _tables: ClassVar[db.MetaData]

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        """Open the database in a folder."""
        Path(base_dir).mkdir(parents=True, exist_ok=True)
        address = create_db_conn_string(base_dir, cls._database)
        found = ensure_tables(engine_of(address), cls._tables)
        if found is Found.OTHER:
            return super().from_local(base_dir, inst_data)
        storage = cls(address, inst_data)
        if found is Found.NOTHING:
            storage.migrate()
            storage.optimize()
        return storage

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with engine_of(self._conn_string).begin() as connection:
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
    `event_batch_size`, how many events are written at once, where 0 means each by itself.
    """

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {**OPTIONAL_BASE_DIR, **BATCH_SIZE}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ProjectStorage":
        """Open the three storages, in the folders where Dagster itself would have them."""
        base = Path(config_value.get("base_dir") or _base_dir())
        write_events_at_once(config_value)
        base.mkdir(parents=True, exist_ok=True)
        # Dagster's own creation of the tables fails when two processes are the first at once.
        with FileLock(base / LOCK):
            return cls(
                run_storage=PatientSqliteRunStorage.from_local(str(base / "history")),
                event_log_storage=BatchedSqliteEventLogStorage(str(base / "history" / "runs")),
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
