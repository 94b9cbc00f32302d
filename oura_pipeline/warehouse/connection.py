"""The only way in: take the lock, open the DuckDB file, do one short thing, close it.

What surprises: DuckDB lets one process in, readers included, and refuses the next one instead of
letting it wait. A lock file beside the database makes ours wait in line; a process that does not
know of it (somebody's `duckdb` shell) is waited for as well, but only seen by DuckDB's refusal.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable

logger = logging.getLogger(__name__)

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Nothing is ever downloaded while documents land; what we use is built in.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
POLL_SECONDS = 0.02  # seconds between two looks at the lock
LOG_EVERY_SECONDS = 10.0  # seconds

_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class ExclusiveFile:
    """Lets one operation at a time into a DuckDB file, across threads and processes.

    Args:
        path: the DuckDB file; it and its folder are made when something is first written.
        timeout: seconds to wait for others before giving up with `WarehouseBusy`.
        log_every: seconds of waiting after which a line is logged, again and again.
    """

    def __init__(self, path: Path, *, timeout: float, log_every: float = LOG_EVERY_SECONDS) -> None:
        self.path = path
        self.timeout = timeout
        self.log_every = log_every

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, with the DuckDB file closed.

        Raises:
            WarehouseBusy: others of this project have held it for longer than `timeout`.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One object per operation: a lock that a thread already holds would let it in again.
        lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        self._acquire(lock)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def opened(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the lock and a connection in UTC; both end with the block.

        Raises:
            WarehouseBusy: somebody has held the file for longer than `timeout`.
            WarehouseUnreadable: this DuckDB cannot read the file.
        """
        with self.locked(), self.connected(read_only=read_only) as connection:
            yield connection

    @contextmanager
    def connected(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for whoever holds the lock already."""
        connection = self._connect(read_only=read_only)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def _acquire(self, lock: FileLock) -> None:
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began
            try:
                lock.acquire(
                    timeout=max(0.0, min(self.log_every, self.timeout - waited)),
                    poll_interval=POLL_SECONDS,
                )
            except Timeout:
                waited = time.monotonic() - began
                if waited >= self.timeout:
                    raise WarehouseBusy(
                        f"{self.path.name}: other runs have held it for {waited:.0f} s; "
                        "look for a run that hangs, then start this one again"
                    ) from None
                logger.info("waiting for %s: held by another run, %.0f s", self.path.name, waited)
            else:
                return

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        began = time.monotonic()
        told = began
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=SETTINGS)
            except duckdb.Error as error:
                holder = _holder(str(error))
                if holder is None:
                    raise WarehouseUnreadable(_reason(self.path, error)) from error
            now = time.monotonic()
            if now - began >= self.timeout:
                raise WarehouseBusy(
                    f"{self.path.name} is open in {holder}: close it there, "
                    "or open analytics.duckdb instead, which is made for reading"
                )
            if now - told > self.log_every:
                told = now
                logger.info("waiting for %s: open in %s", self.path.name, holder)
            time.sleep(min(0.2, max(0.0, self.timeout - (now - began))) or POLL_SECONDS)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of the block, or nothing of it."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _holder(message: str) -> str | None:
    """Who has the DuckDB file open, in words; None when the refusal is about something else."""
    if found := _HOLDER.search(message):
        return f"{Path(found['program']).name} (process {found['pid']})"
    if "Could not set lock" in message:
        return "another program"
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
    first_line = message.splitlines()[0].replace(str(path), path.name)
    return f"{path.name} cannot be opened as a DuckDB file: {first_line}"
