"""The budget of requests to Oura, shared by all threads and processes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol

from oura_pipeline.oura.errors import RateLimited
from oura_pipeline.process import interrupts

LOG = logging.getLogger(__name__)

LOG_WAITS_FROM = 2.0  # seconds


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


class RequestCount(Protocol):
    """The requests that were sent in the last period, by everyone who shares them.

    Attributes:
        requests: how many are allowed.
    """

    requests: int

    def take(self, limit: int) -> tuple[float, float]:
        """Take a request where fewer than `limit` are used; return two zeros.

        Otherwise return the seconds to wait before trying again, and how many of them are left of a
        pause that Oura asked for.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody take one for so many seconds from now."""
        ...

    def used(self) -> tuple[int, float]:
        """Return how many are used, and the seconds until one is free or a pause ends."""
        ...

    def close(self) -> None:
        """Close it; the requests stay recorded."""
        ...


class Budget:
    """At most so many requests in any period, together with everyone who shares the count.

    Args:
        count: of the requests that were sent.
        patience: the longest pause of Oura's that is waited for, in seconds.
        waiting: called when a long wait begins, with its seconds.
        sleep: waits so many seconds.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        count: RequestCount,
        *,
        patience: float = 900.0,
        waiting: Callable[[float], None] = _log_wait,
        sleep: Callable[[float], None] = interrupts.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._count = count
        self._patience = patience
        self._waiting = waiting
        self._sleep = sleep
        self._clock = clock
        self._announced_until = 0.0
        self._lock = threading.Lock()

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
        """Close the count; the requests stay recorded."""
        self._count.close()

    def acquire(self, share: float = 1.0) -> None:
        """Take one request out of the budget, after waiting for it where necessary.

        Args:
            share: the part of the budget, above 0 and up to 1, that anybody may have used before
                this request waits. Background work takes less than 1: what the others leave, so
                that it never delays them.

        Raises:
            RateLimited: Oura asked for a pause that is longer than `patience`.
        """
        limit = requests_in_share(self._count.requests, share)
        while True:
            seconds, paused = self._count.take(limit)
            if not seconds:
                return
            if paused > self._patience:
                raise RateLimited(paused)
            self._announce(seconds)
            # Not all at once: they would wait for each other's transactions.
            self._sleep(seconds + random.uniform(0, min(0.05, seconds)))  # noqa: S311 - not a secret

    def pause(self, seconds: float) -> None:
        """Make everyone who shares the count pause for so many seconds from now."""
        self._count.pause(seconds)

    def state(self) -> BudgetState:
        """Return how much of it is used now."""
        used, seconds = self._count.used()
        at = datetime.fromtimestamp(self._clock() + seconds, UTC) if seconds > 0 else None
        return BudgetState(limit=self._count.requests, used=used, resets_at=at)

    def _announce(self, seconds: float) -> None:
        """Announce a wait once, not once per thread."""
        now = self._clock()
        with self._lock:
            new = seconds >= LOG_WAITS_FROM and now >= self._announced_until
            if new:
                self._announced_until = now + seconds
        if new:
            self._waiting(seconds)
