"""The SQLite files of Dagster's records: opened, created, and what is said when they cannot be."""

from collections.abc import Callable
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as db
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.sql import get_alembic_config
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import NullPool

from oura_pipeline.accounts.database import FILE_NOTE
from oura_pipeline.sync.storage_failures import storage_failure

OnConnect = Callable[[Any, Any], None]

BUSY_SECONDS = 60.0


class RecordsUnwritable(Exception):
    """Dagster's records cannot be written; the message says why."""


class Found(Enum):
    """What was in a database: nothing, all tables that Dagster has now, or something else."""

    NOTHING = auto()
    EVERYTHING = auto()
    OTHER = auto()


def ensure_tables(engine: db.Engine, metadata: db.MetaData, page_bytes: int | None = None) -> Found:
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
            return Found.OTHER
        if tables:
            return Found.EVERYTHING
        if page_bytes:
            connection.exec_driver_sql(f"PRAGMA page_size={page_bytes:d}")
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        # All tables or none: the driver would commit each of them.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        metadata.create_all(connection)
        migrations.stamp(_dagsters_migrations(), "head")
        connection.commit()
    return Found.NOTHING


@cache
def _dagsters_migrations() -> ScriptDirectory:
    return ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))


@lru_cache(maxsize=64)
def engine_of(address: str, on_connect: OnConnect | None = None) -> db.Engine:
    """Return what opens a database: compiled statements and, without a pool, no connection."""
    engine = db.create_engine(
        address, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True
    )
    db.event.listen(engine, "handle_error", _in_one_line)
    if on_connect:
        db.event.listen(engine, "connect", on_connect)
    return engine


def _in_one_line(context: ExceptionContext) -> Exception | None:
    """Return what takes the place of an error of the disk: Dagster prints the text of either."""
    error = context.sqlalchemy_exception
    if error is None or context.engine is None:
        return None
    error.add_note(f"{FILE_NOTE}{context.engine.url.database}")
    text = storage_failure(error)
    return RecordsUnwritable(text) if text else None
