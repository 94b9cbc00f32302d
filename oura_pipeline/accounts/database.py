"""Connections, transactions and locks between processes, on SQLite or Postgres."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from oura_pipeline.accounts.advisory_locks import AdvisoryLocks, lock_number
from oura_pipeline.accounts.errors import AccountsBusy, DatabaseRefused
from oura_pipeline.files import private_folder

FILE_NOTE = "in the file "
"""With this begins the note of an error that says which file it is about: SQLite does not."""
BUSY_SECONDS = 30
LOCK_SECONDS = 300
MAX_CONNECTIONS = 50  # to a file
SERVER_CONNECTIONS = 10
"""How many connections a process has to Postgres at most, and one for its locks: a server allows
100 by default, for all processes."""
_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class Database:
    """An accounts database on SQLite (a file) or Postgres; may be shared between threads.

    Raises:
        DatabaseRefused: the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.url = parsed_url(url)
        self.path = _prepared_file(self.url) if self.url.get_backend_name() == "sqlite" else None
        self._engine = _engine(self.url)
        self._writer = self._engine.execution_options(immediate=True)
        self._advisory = None if self.path else AdvisoryLocks(self.url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *alone_in: Table) -> Iterator[Connection]:
        """One transaction, committed at the end and rolled back by an exception; keep it short.

        Args:
            alone_in: tables that nobody else writes to meanwhile; on SQLite those are all.
        """
        with self._writer.begin() as connection:
            if alone_in and connection.dialect.name == "postgresql":
                names = ", ".join(table.name for table in alone_in)
                connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
            yield connection

    def take_turns(self, connection: Connection, names: Iterable[str]) -> None:
        """Wait for others who named the same in theirs, until a transaction that writes ends."""
        if self.path:
            return  # where only one writes at a time
        for number in sorted(map(lock_number, names)):
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    @contextmanager
    def lock(self, name: str, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold a lock that one thread of one process has at a time; a dead process releases it.

        Raises:
            AccountsBusy: it was not free for so many seconds.
        """
        locked = self._advisory.held if self._advisory else self._file_lock
        with locked(name, seconds):
            yield

    def keeps_sessions(self) -> bool:
        """Return whether a connection to Postgres keeps its session, to which its locks belong."""
        if self.path:
            return True
        own = text("SELECT pg_backend_pid()")
        with self._engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            before = connection.scalar(own)
            # A pooler in transaction mode gives the session that is idle now to this transaction.
            with self._engine.begin() as other:
                other.scalar(own)
                return bool(connection.scalar(own) == before)

    def keep_log(self) -> None:
        """Let readers and a writer of a SQLite file work at the same time, from now on (WAL)."""
        self._bare("PRAGMA journal_mode=WAL")

    def insert(self, table: Table, replaced: tuple[str, ...] = (), **also: Any) -> Any:
        """Return an insert that replaces these columns of a row that is there already.

        Args:
            table: the table.
            replaced: columns that get their new value.
            also: columns that get another expression than their new value; the same object each
                time, because what is returned is kept.
        """
        return _replacing_insert(self._backend, table, replaced, tuple(also.items()))

    def insert_new(self, table: Table, unique: str) -> Any:
        """Return an insert that leaves a row alone that has the same value in this column.

        It returns the column of the rows that are new.
        """
        return _careful_insert(self._backend, table, unique)

    def scrub(self) -> bool:
        """Write a SQLite file anew without what was deleted from it, and empty its log.

        Connections that are open and idle do not matter.

        Returns:
            False: somebody was reading or writing for longer than they should.
        """
        try:
            self._bare("VACUUM")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
            return False
        return not self._bare("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection that is not in use."""
        if self._advisory:
            self._advisory.close()
        self._engine.dispose()

    @property
    def _backend(self) -> str:
        return self.url.get_backend_name()

    def _bare(self, statement: str) -> Any:
        """The first value that SQLite answers outside of any transaction; None on Postgres."""
        if not self.path:
            return None
        raw = self._engine.raw_connection()
        try:
            cursor = raw.cursor()
            row = cursor.execute(statement).fetchone()
            cursor.close()
            return row and row[0]
        finally:
            raw.close()

    @contextmanager
    def _file_lock(self, name: str, seconds: float) -> Iterator[None]:
        with file_lock(Path(f"{self.path}.{name}.lock"), seconds):
            yield


# Built once: for a few rows that takes longer than to write them.
@cache
def _replacing_insert(
    backend: str, table: Table, replaced: tuple[str, ...], also: tuple[tuple[str, Any], ...]
) -> Any:
    insert = _INSERTS[backend](table)
    changes = {name: insert.excluded[name] for name in replaced} | dict(also)
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)


@cache
def _careful_insert(backend: str, table: Table, unique: str) -> Any:
    column = table.c[unique]
    insert = _INSERTS[backend](table).on_conflict_do_nothing(index_elements=[column])
    return insert.returning(column)


@contextmanager
def file_lock(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock file, for its owner's eyes only.

    Raises:
        AccountsBusy: it was not to be had for so many seconds.
    """
    try:
        with FileLock(path, timeout=seconds, mode=0o600):
            yield
    except Timeout as error:
        raise AccountsBusy.of_lock(path.name, seconds) from error


def parsed_url(url: str) -> URL:
    """Return the address of an accounts database.

    Raises:
        DatabaseRefused: it cannot be used.
    """
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseRefused(
            "the address of the accounts cannot be used; "
            "it is like sqlite:///folder/accounts.sqlite or postgresql://host/name"
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseRefused(
            f"the accounts can be kept in sqlite or postgresql, not in {parsed.get_backend_name()}"
        )
    return parsed


def _prepared_file(url: URL) -> Path:
    name = url.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        raise DatabaseRefused(
            "the accounts need a file that several processes can open, "
            "like sqlite:///folder/accounts.sqlite"
        )
    path = Path(name).absolute()
    try:
        private_folder(path.parent)
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        pass
    except OSError as error:
        raise DatabaseRefused(f"{path} cannot be created: {error.strerror}") from error
    return path


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        pool = {"pool_size": SERVER_CONNECTIONS, "max_overflow": 0, "pool_timeout": BUSY_SECONDS}
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, **pool)
    pool = {"pool_size": 5, "max_overflow": MAX_CONNECTIONS - 5, "pool_timeout": BUSY_SECONDS}
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}, **pool
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "handle_error", partial(_name_file, url.database))
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # `_begin` begins, not the driver
    connection.execute("PRAGMA foreign_keys=ON").close()
    connection.execute("PRAGMA synchronous=FULL").close()  # a commit survives a power cut
    connection.execute("PRAGMA secure_delete=ON").close()  # what is deleted becomes zeros


def _name_file(path: str | None, context: ExceptionContext) -> None:
    if context.sqlalchemy_exception:
        context.sqlalchemy_exception.add_note(f"{FILE_NOTE}{path}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    # A transaction that reads first and writes later cannot wait for another writer: SQLite ends
    # it at once with "database is locked".
    if immediate:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # By the driver, which takes a twentieth of the time, and locks nothing that could be busy.
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN").close()
