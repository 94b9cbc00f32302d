"""The requests to Oura of all machines, leased to their processes from one row in Postgres."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select, text, update

from oura_pipeline.accounts.base import Store
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.schema import request_count

Sent = list[tuple[float, int]]
"""Until when, in seconds since 1970, and how many; the oldest first."""

_PARTS = 200  # of a period: a request is counted for half a percent longer than it has to be
_ROW = request_count.c.id == 1
_FIRST = {"id": 1, "sent": [], "paused_until": 0.0}
# The server's clock, the same for all machines. A crash of the server may forget what was leased
# in its last moments: nobody waits for its disk.
_NOW = select(
    func.extract("epoch", func.clock_timestamp()),
    func.set_config("synchronous_commit", "off", text("true")),
)


class RequestLeases(Store):
    """The requests of everyone who shares the database; a `RequestCount`.

    One thread of a process leases requests for all of its threads that wait at that moment. So the
    row is locked once for as many requests as are sent at once, and none is leased in vain.
    """

    def __init__(self, database: Database, *, requests: int, seconds: int) -> None:
        super().__init__(database)
        self.requests = requests
        self._seconds = seconds
        self._turn, self._counting = threading.Lock(), threading.Lock()
        # By the limit of a thread: how many wait, and how many of those have a lease.
        self._waiting: Counter[int] = Counter()
        self._leased: Counter[int] = Counter()
        # Until when there is nothing to be had, and until when there is a pause; by `monotonic`.
        self._free_at: defaultdict[int, float] = defaultdict(float)
        self._paused_until = 0.0

    def take(self, limit: int) -> tuple[float, float]:
        """Take a request; see `RequestCount`."""
        with self._counting:
            self._waiting[limit] += 1
        with self._turn:
            try:
                if not self._leased[limit]:
                    self._lease(limit)
                return self._of_lease(limit)
            finally:
                with self._counting:
                    self._waiting[limit] -= 1

    def pause(self, seconds: float) -> None:
        """Let nobody take one for so many seconds from now."""
        with self._row() as (connection, _, paused_until, now):
            until = max(paused_until, now + seconds)
            connection.execute(update(request_count).where(_ROW).values(paused_until=until))

    def used(self) -> tuple[int, float]:
        """Return how many are used, and the seconds until one is free; see `RequestCount`."""
        with self._row() as (_, sent, paused_until, now):
            free_at = sent[0][0] + self._seconds if sent else 0.0
            return _count(sent), max(free_at, paused_until) - now

    def close(self) -> None:
        """Do nothing: the database is the accounts'."""

    def _of_lease(self, limit: int) -> tuple[float, float]:
        if self._leased[limit]:
            self._leased[limit] -= 1
            return 0.0, 0.0
        now = time.monotonic()
        # A moment where the time to try again has come.
        return max(self._free_at[limit] - now, 0.001), max(self._paused_until - now, 0.0)

    def _lease(self, limit: int) -> None:
        """Lease requests for all threads that wait, or note until when there are none."""
        if time.monotonic() < self._free_at[limit]:
            return
        with self._row() as (connection, sent, paused_until, now):
            free = limit - _count(sent)
            if paused_until <= now and free > 0:
                with self._counting:
                    number = min(self._waiting[limit], free)
                self._leased[limit] = number
                self._record(connection, sent, now, number)
                return
            free_at = max(paused_until, self._free_from(sent, limit))
            self._free_at[limit] = time.monotonic() + free_at - now
            self._paused_until = time.monotonic() + paused_until - now

    def _record(self, connection: Connection, sent: Sent, now: float, number: int) -> None:
        part = self._seconds / _PARTS
        until = (now // part + 1) * part
        if sent and sent[-1][0] >= until:
            until, before = sent.pop()
            number += before
        changed = update(request_count).where(_ROW).values(sent=[*sent, (until, number)])
        connection.execute(changed)

    def _free_from(self, sent: Sent, limit: int) -> float:
        """Return when fewer than `limit` will be used."""
        left = _count(sent)
        for until, number in sent:
            left -= number
            if left < limit:
                return until + self._seconds
        return 0.0

    @contextmanager
    def _row(self) -> Iterator[tuple[Connection, Sent, float, float]]:
        """Hold the row, with what was sent in the last period, the pause and the present moment."""
        query = select(request_count).where(_ROW).with_for_update()
        with self._database.writing() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                connection.execute(self._database.insert_new(request_count, "id"), _FIRST)
                row = connection.execute(query).one()
            now = float(connection.execute(_NOW).one()[0])
            sent = [(until, number) for until, number in row.sent if until + self._seconds > now]
            yield connection, sent, row.paused_until, now


def _count(sent: Sent) -> int:
    return sum(number for _, number in sent)
