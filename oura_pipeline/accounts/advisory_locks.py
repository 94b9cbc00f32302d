"""Locks between processes on Postgres, all of a process on one connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from weakref import WeakValueDictionary

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from oura_pipeline.accounts.errors import AccountsBusy

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25  # seconds between two attempts
_TRY = text("SELECT pg_try_advisory_lock(:number)")
_FREE = text("SELECT pg_advisory_unlock(:number)")


class AdvisoryLocks:
    """The locks that this process holds; Postgres frees them when its connection ends.

    They belong to a session of Postgres. A pooler that gives a session to others between two
    transactions breaks them.
    """

    # On a connection each, as many threads as fetch people at once would take as many connections
    # from the server, and a thread that waits would keep one that the holder needs.

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
        )
        self._session: Connection | None = None
        self._one_statement = threading.Lock()
        # A session gets a lock that it holds already: our threads take turns by themselves.
        self._threads: WeakValueDictionary[int, threading.Lock] = WeakValueDictionary()

    @contextmanager
    def held(self, name: str, seconds: float) -> Iterator[None]:
        """Hold a lock.

        Raises:
            AccountsBusy: it was not free for so many seconds.
        """
        number = lock_number(name)
        deadline = time.monotonic() + seconds
        with self._one_statement:
            threads = self._threads.setdefault(number, threading.Lock())
        if not threads.acquire(timeout=seconds):
            raise AccountsBusy.of_lock(name, seconds)
        try:
            self._wait_for(name, number, seconds, deadline)
            try:
                yield
            finally:
                self._free(number)
        finally:
            threads.release()

    def close(self) -> None:
        """End the session, and with it every lock."""
        with self._one_statement:
            self._end()

    def _wait_for(self, name: str, number: int, seconds: float, deadline: float) -> None:
        pause = _FIRST_PAUSE
        while not self._got(number):
            left = deadline - time.monotonic()
            if left <= 0:
                raise AccountsBusy.of_lock(name, seconds)
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _got(self, number: int) -> bool:
        with self._one_statement:
            try:
                return bool(self._open().scalar(_TRY, {"number": number}))
            except DBAPIError as error:
                self._end()
                if not error.connection_invalidated:
                    raise
            # A server that was restarted has ended the session.
            return bool(self._open().scalar(_TRY, {"number": number}))

    def _free(self, number: int) -> None:
        with self._one_statement:
            if self._session is None:
                return
            try:
                self._session.execute(_FREE, {"number": number})
            except DBAPIError:
                self._end()  # the lock went with the session

    def _open(self) -> Connection:
        if self._session is None:
            self._session = self._engine.connect()
        return self._session

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(DBAPIError):
                session.close()


def lock_number(name: str) -> int:
    """Return the number by which Postgres knows a lock."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
