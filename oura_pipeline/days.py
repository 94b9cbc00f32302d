"""Ranges and runs of days, batches, waiting times and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
ONE_DAY = timedelta(days=1)
_EARLIEST = timedelta(hours=15)  # a day begins 14 h before its UTC midnight at UTC+14
_LATEST = timedelta(hours=13)  # and ends 12 h after the next one at UTC-12


def days_between(first_day: date, last_day: date) -> list[date]:
    """Return all days from the first to the last, both included."""
    return [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]


def reach(first_day: date, last_day: date) -> tuple[datetime, datetime]:
    """Return the time that holds these days wherever on Earth they are: since, and until before."""
    return (
        datetime.combine(first_day, time(), UTC) - _EARLIEST,
        datetime.combine(last_day, time(), UTC) + ONE_DAY + _LATEST,
    )


def runs_of_days(days: Iterable[date], longest: int | None = None) -> list[tuple[date, date]]:
    """Return the first and last day of each run of consecutive days.

    Args:
        days: in any order, repeated or not.
        longest: after how many days a run is split; None: never.
    """
    runs: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        first, last = runs[-1] if runs else (day, day)
        follows = day == last + ONE_DAY and (longest is None or (day - first).days < longest)
        if follows:
            runs[-1] = first, day
        else:
            runs.append((day, day))
    return runs


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`, the last one possibly shorter."""
    # itertools.batched comes with Python 3.12.
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def batched_by_weight(
    items: Iterable[Item], weight: Callable[[Item], int], *, heaviest: int, longest: int
) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `longest` that weigh at most `heaviest` together.

    An item that is too heavy by itself is a list of its own.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        added = weight(item)
        if batch and (total + added > heaviest or len(batch) == longest):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += added
    if batch:
        yield batch


def back_off(failures: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """Return how long to wait after so many failures in a row; the wait doubles with each."""
    if not failures:
        return timedelta(0)
    return min(first * (1 << min(failures - 1, 20)), longest)  # capped: a timedelta can overflow


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of a text or of bytes, in hex."""
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()
