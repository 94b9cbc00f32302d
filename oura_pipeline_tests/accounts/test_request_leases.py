"""Requests to Oura that are counted in Postgres, for processes on any machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, func, select

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.request_leases import RequestLeases
from oura_pipeline.accounts.schema import request_count
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.errors import RateLimited
from oura_pipeline_tests.accounts.homes import at_once


@pytest.fixture
def database(emptied_postgres: str) -> Iterator[Database]:
    """A database in which no request was counted yet."""
    with closing(Database(emptied_postgres)) as database:
        yield database


def _send_for_two_periods(url: str, number: int) -> list[tuple[float, float]]:
    """When requests were asked for and let through, by four threads."""
    with closing(Database(url)) as database, ThreadPoolExecutor(4) as pool:
        budget = Budget(RequestLeases(database, requests=30, seconds=1))
        end = time.monotonic() + 2.2

        def send(_: int) -> list[tuple[float, float]]:
            sent = []
            while (before := time.monotonic()) < end:
                budget.acquire()
                sent.append((before, time.monotonic()))
            return sent

        return [times for of_one in pool.map(send, range(4)) for times in of_one]


def test_processes_together_keep_the_limit_and_use_it(emptied_postgres: str) -> None:
    """Thirty in a second and no more, however the three of them share them."""
    sent = [
        times for of_one in at_once(3, _send_for_two_periods, emptied_postgres) for times in of_one
    ]
    seconds = max(after for _, after in sent) - min(before for before, _ in sent)
    # More than of one period, however little of the machine these processes get.
    assert 30 < len(sent) <= 30 * (int(seconds) + 1)


def test_all_that_wait_are_served_at_once(database: Database) -> None:
    """By one change of the row, and one more for those who come later."""
    changes: list[str] = []

    @event.listens_for(database._engine, "before_cursor_execute")
    def _note(*arguments: Any) -> None:
        changes.extend([arguments[2]] if arguments[2].startswith("UPDATE") else [])

    leases = RequestLeases(database, requests=100, seconds=60)
    assert leases.take(100) == (0.0, 0.0)
    with closing(Database(str(database.url))) as other, ThreadPoolExecutor(8) as pool:
        with other.writing() as connection:
            connection.execute(select(request_count).with_for_update())
            taken = [pool.submit(leases.take, 100) for _ in range(8)]
            while leases._waiting[100] < 8:
                time.sleep(0.01)
        assert [one.result() for one in taken] == [(0.0, 0.0)] * 8
    assert (leases.used()[0], len(changes), leases._leased[100]) == (9, 2, 0)


def test_a_pause_is_everybodys(database: Database) -> None:
    """A shorter one does not end a longer one; one beyond patience is said and not waited for."""
    first, second = (RequestLeases(database, requests=9, seconds=60) for _ in range(2))
    first.pause(100)
    first.pause(5)
    seconds, paused = second.take(9)
    assert seconds == pytest.approx(100, abs=5)
    assert paused == pytest.approx(100, abs=5)
    assert second.used() == (0, pytest.approx(100, abs=5))
    with pytest.raises(RateLimited):
        Budget(second, patience=50).acquire()


def test_whoever_waits_for_a_part_of_the_limit_leaves_the_rest(database: Database) -> None:
    leases = RequestLeases(database, requests=10, seconds=60)
    assert [leases.take(2)[0] for _ in range(2)] == [0.0, 0.0]
    assert leases.take(2)[0] == pytest.approx(60, abs=5)
    assert [leases.take(10)[0] for _ in range(8)] == [0.0] * 8
    seconds, paused = leases.take(10)
    assert (seconds, paused) == (pytest.approx(60, abs=5), 0.0)


def test_requests_leave_the_count_after_a_period(database: Database) -> None:
    """And the row stays small: a part of a period has one number."""
    leases = RequestLeases(database, requests=1000, seconds=1)
    for _ in range(300):
        assert leases.take(1000) == (0.0, 0.0)
    threading.Event().wait(1.1)
    assert leases.take(1000) == (0.0, 0.0)
    assert leases.used()[0] == 1
    with database.reading() as connection:
        [(sent,)] = connection.execute(select(request_count.c.sent))
    assert len(sent) == 1


def test_a_request_counts_until_the_part_of_the_period_in_which_it_was_sent_is_over(
    database: Database,
) -> None:
    """Never shorter than a period; whoever sends in the same part adds to its number."""
    for requests in (2, 3):
        leases = RequestLeases(database, requests=requests, seconds=20_000)
        assert leases.take(requests) == (0.0, 0.0)
    used, seconds = leases.used()
    with database.reading() as connection:
        [(sent, now)] = connection.execute(
            select(request_count.c.sent, func.extract("epoch", func.clock_timestamp()))
        )
    [(until, number)] = sent
    assert (used, number) == (2, 2)
    assert until % 100 == 0
    assert 0 < until - float(now) <= 100
    assert seconds == pytest.approx(until + 20_000 - float(now), abs=30)
