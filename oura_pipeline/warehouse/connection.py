"""Exclusive connections to a DuckDB file."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable

logger = logging.getLogger(__name__)

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Nothing is ever downloaded while documents land; what we use is built in.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# Most statements are about a few hundred rows; handing them to threads costs a third of them.
ONE_CORE = {"threads": 1}
POLL_SECONDS = 0.02  # short beside an operation, so that nobody waits longer than needed
WATCH_SECONDS = 0.05  # while the file is kept open; each look takes a fifth of a millisecond
LOG_EVERY_SECONDS = 10.0
# So long stays open what a run may soon need again; programs that do not know our locks get in
# while it waits for Oura.
IDLE_SECONDS = 3.0
WATCHER = "warehouse"  # name of the thread that closes it

_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class ExclusiveFile:
    """A DuckDB file that one operation at a time has open, across threads and processes.

    Args:
        path: the DuckDB file; created, like its folder, when something is first written.
        timeout: seconds to wait for others before `WarehouseBusy` is raised.
        log_every: seconds between two log lines while waiting.
    """

    def __init__(self, path: Path, *, timeout: float, log_every: float = LOG_EVERY_SECONDS) -> None:
        self.path = path
        self.timeout = timeout
        self.log_every = log_every
        self._one_thread = threading.Lock()
        # DuckDB lets one process in, readers included, and refuses the next one instead of letting
        # it wait: a lock file beside the database makes our processes wait in line. The watcher,
        # another thread, lets it go as well.
        self._lock = FileLock(path.with_name(path.name + ".lock"), thread_local=False)
        # Who waits for the lock holds this one, so that the holder notices; and whoever let it go
        # comes after them.
        self._next = FileLock(path.with_name(path.name + ".next.lock"), thread_local=False)
        self._keepers = 0
        self._kept: duckdb.DuckDBPyConnection | None = None
        self._used_at = 0.0
        self._watched = False

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the file open between the operations of the block, unless somebody waits for it.

        Opening and closing cost more than most operations. Whoever else wants the file, here or in
        another process, waits for the operation that is going on and no longer.
        """
        self._keepers += 1
        try:
            yield
        finally:
            self._keepers -= 1
            with self._one_thread:
                if not self._keepers:
                    self._release()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, with the DuckDB file closed.

        Raises:
            WarehouseBusy: another run has held it for longer than `timeout`.
        """
        with self._turn():
            self._close()
            yield

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the lock and a connection in UTC until the block ends.

        Raises:
            WarehouseBusy: another run or program has held the file for longer than `timeout`.
            WarehouseUnreadable: this DuckDB cannot read the file.
        """
        with self._turn(), self._connected(read_only=False) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Hold the lock and a connection in UTC; None as long as there is no file.

        Raises:
            WarehouseBusy: another run or program has held the file for longer than `timeout`.
            WarehouseUnreadable: this DuckDB cannot read the file.
        """
        with self._turn():
            if not self.path.exists():
                yield None
                return
            # Read-only: a reader never creates or migrates a file.
            with self._connected(read_only=True) as connection:
                yield connection

    @contextmanager
    def connected(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection, and close the file with it; the caller already holds the lock."""
        with self._session(self._connect(read_only=read_only)) as connection:
            yield connection

    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self._keepers:
            with self.connected(read_only=read_only) as connection:
                yield connection
            return
        if self._kept is None:
            self._kept = self._connect(read_only=False)
        if not self._watched:
            threading.Thread(target=self._watch, name=WATCHER, daemon=True).start()
            self._watched = True
        # A connection of its own: what it creates for a time, or sets, ends with it.
        with self._session(self._kept.cursor()) as connection:
            yield connection

    @contextmanager
    def _session(
        self, connection: duckdb.DuckDBPyConnection
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with statements_interruptible(connection):
                yield connection
        finally:
            connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the lock; let it go afterwards, unless the file is kept open."""
        interrupts.check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        self._wait(self._take_thread, began)
        try:
            if not self._lock.is_locked:
                self._acquire(began)
            yield
        # After an error, which DuckDB may not survive, the file is opened anew.
        except BaseException:
            self._release()
            raise
        else:
            self._used_at = time.monotonic()
            if self._kept is None or self._is_wanted():
                self._release()
        finally:
            self._one_thread.release()

    def _acquire(self, began: float) -> None:
        self._wait(partial(_take, self._next), began)
        try:
            self._wait(partial(_take, self._lock), began)
        finally:
            self._next.release()

    def _take_thread(self, seconds: float) -> bool:
        # In short pieces: waiting for a thread cannot be interrupted.
        return self._one_thread.acquire(timeout=min(seconds, POLL_SECONDS))

    def _wait(self, take: Callable[[float], bool], began: float) -> None:
        """Call `take` with how many seconds it may wait, until it has what it takes."""
        logged = began
        while not take(max(0.0, min(self.log_every, self.timeout - (time.monotonic() - began)))):
            interrupts.check()
            now = time.monotonic()
            if now - began >= self.timeout:
                raise WarehouseBusy(
                    f"{self.path.name}: other runs have held it for {now - began:.0f} s; "
                    "look for a run that hangs, then repeat this one"
                )
            if now - logged >= self.log_every:
                logged = now
                waited = now - began
                logger.info("waiting for %s: held by another run, %.0f s", self.path.name, waited)

    def _is_wanted(self) -> bool:
        """Return whether somebody waits for the lock."""
        if not _take(self._next, 0.0):
            return True
        self._next.release()
        return False

    def _watch(self) -> None:
        """Close the kept file when somebody waits for it, or when it is not used any more."""
        while True:
            time.sleep(WATCH_SECONDS)
            if not self._one_thread.acquire(blocking=False):
                continue
            try:
                idle = time.monotonic() - self._used_at > IDLE_SECONDS
                if self._kept is None or idle or self._is_wanted():
                    self._watched = False
                    self._release()
                    return
            finally:
                self._one_thread.release()

    def _close(self) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            kept.close()

    def _release(self) -> None:
        try:
            self._close()
        finally:
            self._lock.release()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        # A program that does not know the lock file, for instance somebody's `duckdb` shell, is
        # noticed only by DuckDB's refusal.
        began = logged = time.monotonic()
        while True:
            try:
                connection = duckdb.connect(
                    str(self.path), read_only=read_only, config=SETTINGS | ONE_CORE
                )
                # Casts between instants and days would follow the zone of the machine.
                connection.execute("SET GLOBAL TimeZone = 'UTC'")
                return connection
            except duckdb.Error as error:
                # DuckDB has one class for all of this: only the text tells a lock from a broken
                # file.
                holder = _holder(str(error))
                if holder is None:
                    raise WarehouseUnreadable(_reason(self.path, error)) from error
            now = time.monotonic()
            if now - began >= self.timeout:
                raise WarehouseBusy(
                    f"{self.path.name} is open in {holder}: close it there, "
                    "or open analytics.duckdb instead, which is made for reading"
                )
            if now - logged > self.log_every:
                logged = now
                logger.info("waiting for %s: open in %s", self.path.name, holder)
            interrupts.sleep(min(0.2, max(0.0, self.timeout - (now - began))) or POLL_SECONDS)


def _take(lock: FileLock, seconds: float) -> bool:
    """Return whether the lock was taken within these seconds, or until the process is to end."""
    try:
        lock.acquire(
            timeout=seconds, poll_interval=POLL_SECONDS, cancel_check=interrupts.is_stopping
        )
    except Timeout:
        return False
    return True


@contextmanager
def statements_interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End a statement of the block, with Interrupted, when the process is told to end."""
    try:
        with interrupts.interruptible(repeatedly=connection.interrupt):
            yield
    except duckdb.InterruptException:
        interrupts.check()
        raise


@contextmanager
def every_core(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB use all cores for the statements of the block, which have much to do."""
    connection.execute("RESET threads")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {ONE_CORE['threads']}")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit the statements of the block together, or none of them."""
    interrupts.check()
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    # An interrupt rolls back too: the connection may be used again.
    except BaseException:
        # A COMMIT that failed has rolled back already: its own reason is the one to tell.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _holder(message: str) -> str | None:
    """Return who has the DuckDB file open, in words; None if DuckDB refused for another reason."""
    if found := _HOLDER.search(message):
        return f"{Path(found['program']).name} (process {found['pid']})"
    if "Could not set lock" in message:
        return "another program"
    # DuckDB refuses a second connection of one process if only one of them is read-only.
    if "different configuration" in message:
        return "this same process, through another connection"
    return None


def _reason(path: Path, error: duckdb.Error) -> str:
    message = str(error)
    if "newer version of DuckDB" in message or "version number" in message:
        return (
            f"{path.name} was written by a newer DuckDB than {duckdb.__version__}, which is "
            "installed here: install the newer one, or use another file"
        )
    # Errors are one line, and do not show where the data are kept.
    first_line = message.splitlines()[0].replace(str(path), path.name)
    return f"{path.name} cannot be opened as a DuckDB file: {first_line}"
