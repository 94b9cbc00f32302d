"""The budget of requests to Oura, shared by all threads and processes through a SQLite file."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from oura_pipeline.oura.errors import RateLimited
from oura_pipeline.process import interrupts

LOG = logging.getLogger(__name__)
# A sliding window, written by hand: pyrate-limiter's SQLite bucket polls a lock file, which under
# 4 processes of 8 threads delays single requests by half a second, and it has no pause that holds
# for everyone.

LOG_WAITS_FROM = 2.0  # seconds
_CLOCK_STEP = 1.0  # seconds; a time further ahead means that the clock was set back
_BUSY = 60.0  # seconds to wait for other processes' transactions

# Every request of the last period instead of a counter per period: so no span of that length ever
# holds more than the limit, wherever Oura's own periods begin.
_TABLES = """
CREATE TABLE IF NOT EXISTS request (number INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS pause (id INTEGER PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL);
"""


@dataclass(frozen=True, kw_only=True)
class BudgetState:
    """How much of the budget is used.

    Attributes:
        limit: requests per period.
        used: requests in the period that ends now.
        resets_at: when the next request becomes free or the pause ends, UTC; None: nothing used.
    """

    limit: int
    used: int
    resets_at: datetime | None

    def exceeds(self, share: float) -> bool:
        """Return whether more is used than this share, so by those who may use all of it."""
        return self.used > requests_in_share(self.limit, share)


def requests_in_share(requests: int, share: float) -> int:
    """Return how many of so many requests a share is: at least one."""
    return max(int(requests * share), 1)


def _log_wait(seconds: float) -> None:
    LOG.info("Oura's budget is used up: waiting %.0f s", seconds)


class Budget:
    """At most `requests` in any `seconds`, together with everyone who opens the same file.

    Args:
        path: the SQLite file; it and its folder are created when missing.
        requests: how many requests.
        seconds: in how many seconds.
        patience: the longest pause of Oura's that is waited for, in seconds.
        waiting: called when a long wait begins, with its seconds.
        sleep: waits so many seconds.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        requests: int,
        seconds: int,
        patience: float = 900.0,
        waiting: Callable[[float], None] = _log_wait,
        sleep: Callable[[float], None] = interrupts.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._patience = patience
        self._waiting = waiting
        self._sleep = sleep
        self._clock = clock
        self._announced_until = 0.0
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = _open(path)

    def __enter__(self) -> Budget:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the requests stay recorded."""
        with self._lock:
            self._database.close()

    def acquire(self, share: float = 1.0) -> None:
        """Take one request out of the budget, after waiting for it where necessary.

        Args:
            share: the part of the budget, above 0 and up to 1, that anybody may have used before
                this request waits. Background work takes less than 1: what the others leave, so
                that it never delays them.

        Raises:
            RateLimited: Oura asked for a pause that is longer than `patience`.
        """
        limit = requests_in_share(self._requests, share)
        while seconds := self._take(limit):
            self._announce(seconds)
            # Not all at once: they would wait for each other's transactions.
            self._sleep(seconds + random.uniform(0, min(0.05, seconds)))  # noqa: S311 - not a secret

    def pause(self, seconds: float) -> None:
        """Make everyone who shares the file pause for so many seconds from now."""
        with self._transaction() as database:
            now = self._clock()
            until = max(now + seconds, self._paused_until(now))
            database.execute("INSERT OR REPLACE INTO pause VALUES (1, ?, ?)", (now, until))

    def state(self) -> BudgetState:
        """Return how much of it is used now."""
        with self._transaction() as database:
            now = self._clock()
            used, oldest = database.execute(
                "SELECT count(*), min(at) FROM request WHERE at > ? AND at <= ?",
                (now - self._seconds, now + _CLOCK_STEP),
            ).fetchone()
            free_at = oldest + self._seconds if used else 0.0
            resets = max(free_at, self._paused_until(now))
        at = datetime.fromtimestamp(resets, UTC) if resets > now else None
        return BudgetState(limit=self._requests, used=used, resets_at=at)

    def _take(self, limit: int) -> float:
        """Take a request, or return the seconds to wait before trying again; 0: taken."""
        with self._transaction() as database:
            now = self._clock()
            paused = self._paused_until(now) - now
            if paused > self._patience:
                raise RateLimited(paused)
            last = database.execute("SELECT coalesce(max(number), 0) FROM request").fetchone()[0]
            # The request that was taken `limit` requests ago must have left the period.
            wait = max(paused, self._until_free(last + 1 - limit, now))
            if wait > 0:
                return wait
            database.execute("INSERT INTO request VALUES (?, ?)", (last + 1, now))
            database.execute("DELETE FROM request WHERE number <= ?", (last + 1 - self._requests,))
        return 0.0

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

    def _announce(self, seconds: float) -> None:
        """Announce a wait once, not once per thread."""
        now = self._clock()
        with self._lock:
            new = seconds >= LOG_WAITS_FROM and now >= self._announced_until
            if new:
                self._announced_until = now + seconds
        if new:
            self._waiting(seconds)

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
