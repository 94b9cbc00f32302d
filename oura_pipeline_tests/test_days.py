"""Ranges and runs of days, batches, waiting times and digests."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from oura_pipeline.days import (
    back_off,
    batched,
    batched_by_weight,
    days_between,
    digest,
    runs_of_days,
)

MINUTE = timedelta(minutes=1)


def june(day: int) -> date:
    return date(2026, 6, day)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (date(2026, 2, 28), date(2026, 3, 1), [date(2026, 2, 28), date(2026, 3, 1)]),
        (june(1), june(1), [june(1)]),
        (june(2), june(1), []),
    ],
)
def test_a_range_has_both_its_ends(first: date, last: date, days: list[date]) -> None:
    assert days_between(first, last) == days


@pytest.mark.parametrize(
    ("days", "longest", "runs"),
    [
        ([], None, []),
        ([3], None, [(3, 3)]),
        ([1, 2, 3, 5, 7, 8], None, [(1, 3), (5, 5), (7, 8)]),
        ([8, 2, 7, 1, 2], None, [(1, 2), (7, 8)]),
        ([1, 2, 3, 4, 5], 2, [(1, 2), (3, 4), (5, 5)]),
        ([1, 2, 4, 5], 2, [(1, 2), (4, 5)]),
        ([1, 2], 1, [(1, 1), (2, 2)]),
    ],
)
def test_runs_of_days(days: list[int], longest: int | None, runs: list[tuple[int, int]]) -> None:
    expected = [(june(first), june(last)) for first, last in runs]
    assert runs_of_days(map(june, days), longest) == expected


def test_batches_have_one_size_but_for_the_last() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []


def test_a_batch_is_read_when_it_is_asked_for() -> None:
    items = iter(range(6))
    assert next(batched(items, 2)) == [0, 1]
    assert next(items) == 2


@pytest.mark.parametrize(
    ("weights", "batches"),
    [
        ([], []),
        ([4, 6, 1], [[4, 6], [1]]),
        ([11, 1, 12], [[11], [1], [12]]),
        ([1, 1, 1, 1], [[1, 1, 1], [1]]),
        ([0, 0, 0, 0], [[0, 0, 0], [0]]),
        ([5, 6], [[5], [6]]),
    ],
)
def test_batches_by_weight(weights: list[int], batches: list[list[int]]) -> None:
    """At most three items, and ten in weight unless one alone is heavier."""
    assert list(batched_by_weight(weights, int, heaviest=10, longest=3)) == batches


def test_waiting_doubles_up_to_the_longest() -> None:
    waits = [back_off(n, first=MINUTE, longest=60 * MINUTE) / MINUTE for n in (0, 1, 2, 6, 7, 999)]
    assert waits == [0, 1, 2, 32, 60, 60]


def test_a_text_and_its_bytes_have_one_digest() -> None:
    assert digest("").startswith("e3b0c44298fc1c14")
    assert digest("Zoë") == digest("Zoë".encode())
    assert len(digest("a")) == 64
