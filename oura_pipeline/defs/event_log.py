"""Dagster's event log in SQLite files, with many events written at once, and their texts packed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from filelock import FileLock
from sqlalchemy.engine import Connection

from oura_pipeline.defs.event_batches import BatchedEventLog
from oura_pipeline.defs.event_rows import Row
from oura_pipeline.defs.event_texts import packed
from oura_pipeline.defs.record_files import Found, engine_of, ensure_tables
from oura_pipeline.defs.run_events import CREATE_IN_INDEX, read_packed, read_with_index

LOCK = ".opening.lock"
RUN_PAGE_BYTES = 1024  # each table and index takes one, and most of a run's stay empty
_reads_index = ContextVar("_reads_index", default=False)


def _with_index(read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that finds all events of a run, also those that only the index has."""

    @wraps(read)
    def method(storage: SqliteEventLogStorage, *args: Any, **kwargs: Any) -> Any:
        token = _reads_index.set(True)
        try:
            return read(storage, *args, **kwargs)
        finally:
            _reads_index.reset(token)

    return method


class BatchedSqliteEventLogStorage(BatchedEventLog, SqliteEventLogStorage):
    """Dagster's SQLite event log, with many events written as one transaction, and once.

    The stock class opens both databases, the run's and the index, for each event, and writes it
    into both. Here a batch is written whole or not at all, into the index; the run's database has
    its last event, and where the others are. What Dagster reads is the same, in the same order and
    under the same ids.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._columns: dict[str, bool] = {}
        super().__init__(base_dir, inst_data)

    def _write(self, events: Sequence[EventLogEntry], rows: Sequence[Row]) -> None:
        for row in rows:
            row["event"] = packed(row["event"])
        # The inner block ends first: whoever follows the run sees no event before it is there.
        with self._run_shard(events[0].run_id) as run, self.index_connection() as index:
            event_ids = _insert_in_order(index, rows)
            self._store_beside(index, events, rows, event_ids)
            _refer_to_index(run, rows, event_ids)

    # Where Dagster reads what a run did, of which the index has a part. It writes elsewhere.
    get_records_for_run = _with_index(SqliteEventLogStorage.get_records_for_run)
    get_asset_partitions_for_run = _with_index(SqliteEventLogStorage.get_asset_partitions_for_run)
    get_stats_for_run = _with_index(SqliteEventLogStorage.get_stats_for_run)
    get_step_stats_for_run = _with_index(SqliteEventLogStorage.get_step_stats_for_run)
    _get_run_sharded_event_records = _with_index(
        SqliteEventLogStorage._get_run_sharded_event_records
    )

    def _event_to_row(self, event: EventLogEntry) -> Row:
        row: Row = super()._event_to_row(event)
        return {**row, "event": packed(row["event"])}

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        # Asked three times for each event of an asset.
        if column_name not in self._columns:
            found = super()._has_asset_key_col_on_connection(conn, column_name)
            self._columns[column_name] = found
        return self._columns[column_name]

    def _initdb(self, engine: db.Engine, for_index_shard: bool = False) -> None:
        # Another process may create the tables of this run at the same time, to read its events.
        with FileLock(Path(self._base_dir) / LOCK):
            of_run = engine.url.database != self.path_for_shard(INDEX_SHARD_NAME)
            page_bytes = RUN_PAGE_BYTES if of_run else None
            if ensure_tables(engine, SqlEventLogStorageMetadata, page_bytes) is Found.OTHER:
                super()._initdb(engine, for_index_shard)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # As in the stock class, except that it creates a new engine for every transaction, which
        # compiles all statements anew.
        with self._db_lock, self._begin(shard, joined=_reads_index.get()) as connection:
            yield connection

    @contextmanager
    def _run_shard(self, run_id: str) -> Iterator[Connection]:
        # `_connect` allows one transaction at a time; this one is open beside one in the index.
        with self._begin(run_id) as connection:
            refers = f"{run_id} in_index"  # in Dagster's set, which it empties when it wipes all
            if refers not in self._initialized_dbs:
                connection.exec_driver_sql(CREATE_IN_INDEX)
                self._initialized_dbs.add(refers)
            yield connection

    @contextmanager
    def _begin(self, shard: str, *, joined: bool = False) -> Iterator[Connection]:
        address = self.conn_string_for_shard(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine_of(address, read_packed))
            self._initialized_dbs.add(shard)
        with_index = joined and shard != INDEX_SHARD_NAME
        engine = engine_of(address, read_with_index if with_index else read_packed)
        with engine.begin() as connection:
            yield connection


def _insert_in_order(index: Connection, rows: Sequence[Row]) -> Sequence[int]:
    """Insert events one behind the other, and return their ids."""
    # From the first on nobody else can write.
    first_id = index.execute(SqlEventLogStorageTable.insert(), rows[0]).lastrowid
    ids = range(first_id, first_id + len(rows))
    if others := [{"id": id_, **row} for id_, row in zip(ids[1:], rows[1:], strict=True)]:
        index.execute(SqlEventLogStorageTable.insert(), others)
    return ids


def _refer_to_index(run: Connection, rows: Sequence[Row], ids: Sequence[int]) -> None:
    """Insert the last of the events, at an id which leaves room for the others before it."""
    events = SqlEventLogStorageTable
    newest = db.select(db.func.coalesce(db.func.max(events.c.id), 0)).scalar_subquery()
    last_id = run.execute(events.insert().values(id=newest + len(rows), **rows[-1])).lastrowid
    if others := len(rows) - 1:
        first = (last_id - others, ids[0], others)
        run.exec_driver_sql("INSERT INTO in_index VALUES (?, ?, ?)", first)
