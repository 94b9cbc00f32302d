"""The requests to Oura of one machine, counted in a SQLite file for all threads and processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A sliding window, written by hand: pyrate-limiter's SQLite bucket polls a lock file, which under
# 4 processes of 8 threads delays single requests by half a second, and it has no pause that holds
# for everyone.

_CLOCK_STEP = 1.0  # seconds; a time further ahead means that the clock was set back
_BUSY = 60.0  # seconds to wait for other processes' transactions

# Every request of the last period instead of a counter per period: so no span of that length ever
# holds more than the limit, wherever Oura's own periods begin.
_TABLES = """
CREATE TABLE IF NOT EXISTS request (number INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS pause (id INTEGER PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL);
"""


class BudgetFile:
    """The requests of everyone who opens the same file; a `RequestCount`.

    Args:
        path: the SQLite file; it and its folder are created when missing.
        requests: how many are allowed.
        seconds: in how many seconds.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        requests: int,
        seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.requests = requests
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = _open(path)

    def close(self) -> None:
        """Close the file; the requests stay recorded."""
        with self._lock:
            self._database.close()

    def take(self, limit: int) -> tuple[float, float]:
        """Take a request; see `RequestCount`."""
        with self._transaction() as database:
            now = self._clock()
            paused = max(self._paused_until(now) - now, 0.0)
            last = database.execute("SELECT coalesce(max(number), 0) FROM request").fetchone()[0]
            # The request that was taken `limit` requests ago must have left the period.
            wait = max(paused, self._until_free(last + 1 - limit, now))
            if wait > 0:
                return wait, paused
            database.execute("INSERT INTO request VALUES (?, ?)", (last + 1, now))
            database.execute("DELETE FROM request WHERE number <= ?", (last + 1 - self.requests,))
        return 0.0, 0.0

    def pause(self, seconds: float) -> None:
        """Make everyone who shares the file pause for so many seconds from now."""
        with self._transaction() as database:
            now = self._clock()
            until = max(now + seconds, self._paused_until(now))
            database.execute("INSERT OR REPLACE INTO pause VALUES (1, ?, ?)", (now, until))

    def used(self) -> tuple[int, float]:
        """Return how many are used, and the seconds until one is free; see `RequestCount`."""
        with self._transaction() as database:
            now = self._clock()
            used, oldest = database.execute(
                "SELECT count(*), min(at) FROM request WHERE at > ? AND at <= ?",
                (now - self._seconds, now + _CLOCK_STEP),
            ).fetchone()
            free_at = oldest + self._seconds if used else 0.0
            return used, max(free_at, self._paused_until(now)) - now

    def _until_free(self, number: int, now: float) -> float:
        """Return the seconds until a request leaves the period that ends now."""
        query = "SELECT at FROM request WHERE number = ?"
        row: tuple[float] | None = self._database.execute(query, (number,)).fetchone()
        if row is None or row[0] > now + _CLOCK_STEP:
            return 0.0
        return max(row[0] + self._seconds - now, 0.0)

    def _paused_until(self, now: float) -> float:
        query = "SELECT since, until FROM pause"
        row: tuple[float, float] | None = self._database.execute(query).fetchone()
        return row[1] if row and row[0] <= now + _CLOCK_STEP and row[1] > now else 0.0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file alone: one thread by the lock, one process by SQLite."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _BUSY
    while True:
        # Switching to the write-ahead log needs the file alone, and does not wait by itself.
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    # No sync per request: a power cut loses some requests, and nothing else.
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_TABLES)
