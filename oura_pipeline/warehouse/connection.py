"""Exclusive, short-lived connections to a DuckDB file."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
POLL_SECONDS = 0.02  # short beside an operation, so that nobody waits longer than needed
LOG_EVERY_SECONDS = 10.0

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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, with the DuckDB file closed.

        Raises:
            WarehouseBusy: another run has held it for longer than `timeout`.
        """
        # DuckDB lets one process in, readers included, and refuses the next one instead of letting
        # it wait: a lock file beside the database makes our processes wait in line.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A new object each time: a lock that this thread already holds would let it in again.
        lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        self._acquire(lock)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def opened(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the lock and a connection in UTC until the block ends.

        Raises:
            WarehouseBusy: another run or program has held the file for longer than `timeout`.
            WarehouseUnreadable: this DuckDB cannot read the file.
        """
        with self.locked(), self.connected(read_only=read_only) as connection:
            yield connection

    @contextmanager
    def connected(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection; the caller already holds the lock."""
        connection = self._connect(read_only=read_only)
        try:
            # Casts between instants and days would follow the zone of the machine.
            connection.execute("SET TimeZone = 'UTC'")
            with statements_interruptible(connection):
                yield connection
        finally:
            connection.close()

    def _acquire(self, lock: FileLock) -> None:
        began = time.monotonic()
        while True:
            interrupts.check()
            waited = time.monotonic() - began
            try:
                lock.acquire(
                    # In pieces, so that a log line says why nothing happens.
                    timeout=max(0.0, min(self.log_every, self.timeout - waited)),
                    poll_interval=POLL_SECONDS,
                    cancel_check=interrupts.is_stopping,
                )
            except Timeout:
                interrupts.check()
                waited = time.monotonic() - began
                if waited >= self.timeout:
                    raise WarehouseBusy(
                        f"{self.path.name}: other runs have held it for {waited:.0f} s; "
                        "look for a run that hangs, then repeat this one"
                    ) from None
                logger.info("waiting for %s: held by another run, %.0f s", self.path.name, waited)
            else:
                return

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        # A program that does not know the lock file, for instance somebody's `duckdb` shell, is
        # noticed only by DuckDB's refusal.
        began = logged = time.monotonic()
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=SETTINGS)
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
