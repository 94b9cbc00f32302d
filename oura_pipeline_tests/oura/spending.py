"""What processes do that use up a budget together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.request_leases import RequestLeases
from oura_pipeline.oura.budget import Budget, RequestCount
from oura_pipeline.oura.budget_file import BudgetFile


class UsedUpError(Exception):
    """Raised instead of waiting."""


def refuse_to_wait(seconds: float) -> None:
    """For threads that would wait for an hour."""
    raise UsedUpError(seconds)


class InADatabaseOfItsOwn(RequestLeases):
    """A count that closes the database."""

    def close(self) -> None:
        self._database.close()


def count(where: str, requests: int) -> RequestCount:
    """That many in an hour, counted in a file or in Postgres."""
    if where.startswith("postgresql"):
        return InADatabaseOfItsOwn(Database(where), requests=requests, seconds=3600)
    return BudgetFile(Path(where), requests=requests, seconds=3600)


def spend(where: str, _number: int) -> Counter[str]:
    """Eight threads of one process that want 50 requests each; what became of them."""
    return _spend(where, 1000, [(1.0, "")] * 8)


def spend_shares(where: str, _number: int) -> Counter[str]:
    """Four threads that want a fifth of the budget, beside two that want all of it."""
    return _spend(where, 500, [*[(0.2, "background ")] * 4, *[(1.0, "foreground ")] * 2])


def _spend(where: str, requests: int, threads: Iterable[tuple[float, str]]) -> Counter[str]:
    became: Counter[str] = Counter()

    def take(share: float, name: str) -> None:
        for _ in range(50):
            try:
                budget.acquire(share)
            except UsedUpError:
                became[f"{name}refused"] += 1
            else:
                became[f"{name}got"] += 1

    with Budget(count(where, requests), sleep=refuse_to_wait) as budget:
        started = [threading.Thread(target=take, args=one) for one in threads]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    return became
