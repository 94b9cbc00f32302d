"""One budget for all threads and processes."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.oura.budget import Budget, BudgetState
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import RateLimited
from oura_pipeline_tests.accounts.homes import at_once
from oura_pipeline_tests.oura.fake_oura import FakeClock, FakeOura, FakeTokens, reply
from oura_pipeline_tests.oura.spending import (
    UsedUpError,
    count,
    refuse_to_wait,
    spend,
    spend_shares,
)
from oura_pipeline_tests.testing.postgres import new_database

Open = Callable[..., Budget]
BEGIN = 1_800_000_000.0


@pytest.fixture
def clock() -> FakeClock:
    """A time that passes only by waiting."""
    return FakeClock(BEGIN)


@pytest.fixture
def open_budget(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    """Opens budgets over one file: 3 requests in 10 seconds, unless said otherwise."""
    opened: list[Budget] = []

    def open_one(requests: int = 3, seconds: int = 10, **options: object) -> Budget:
        budget = Budget(
            BudgetFile(
                tmp_path / "deep" / "budget.sqlite",
                requests=requests,
                seconds=seconds,
                clock=clock,
            ),
            sleep=clock.sleep,
            clock=clock,
            **options,  # type: ignore[arg-type]
        )
        opened.append(budget)
        return budget

    yield open_one
    for budget in opened:
        budget.close()


def acquired_at(budget: Budget, clock: FakeClock, count: int) -> list[int]:
    """When so many requests were let through, whole seconds from the beginning."""
    times = []
    for _ in range(count):
        budget.acquire()
        times.append(round(clock.now - BEGIN))
    return times


def test_no_period_holds_more_than_the_limit(open_budget: Open, clock: FakeClock) -> None:
    """Wherever it begins: the fourth request waits for the first one to be a period old."""
    budget = open_budget()
    assert acquired_at(budget, clock, 2) == [0, 0]
    clock.now += 4
    assert acquired_at(budget, clock, 5) == [4, 10, 10, 14, 20]


def test_those_who_open_the_same_file_share_it(open_budget: Open, clock: FakeClock) -> None:
    """Also when the first one is gone."""
    first, second = open_budget(), open_budget()
    acquired_at(first, clock, 2)
    first.close()
    assert acquired_at(second, clock, 2) == [0, 10]


def test_the_state_tells_how_much_is_used(open_budget: Open, clock: FakeClock) -> None:
    """And when the next request becomes free."""
    budget = open_budget()
    assert budget.state() == BudgetState(limit=3, used=0, resets_at=None)
    acquired_at(budget, clock, 1)
    clock.now += 4
    acquired_at(budget, clock, 2)
    at = datetime.fromtimestamp(BEGIN + 10, UTC)
    assert budget.state() == BudgetState(limit=3, used=3, resets_at=at)
    clock.now = BEGIN + 10
    at = datetime.fromtimestamp(BEGIN + 14, UTC)
    assert budget.state() == BudgetState(limit=3, used=2, resets_at=at)


def test_a_pause_holds_for_everyone(open_budget: Open, clock: FakeClock) -> None:
    """Though the budget is not used up."""
    first, second = open_budget(), open_budget()
    first.pause(7)
    at = datetime.fromtimestamp(BEGIN + 7, UTC)
    assert second.state() == BudgetState(limit=3, used=0, resets_at=at)
    assert acquired_at(second, clock, 1) == [7]


def test_a_shorter_pause_does_not_end_a_longer_one(open_budget: Open, clock: FakeClock) -> None:
    """Two threads may be told different ones."""
    budget = open_budget()
    budget.pause(7)
    budget.pause(2)
    assert acquired_at(budget, clock, 1) == [7]


def test_a_pause_beyond_patience_raises_instead_of_waiting(
    open_budget: Open, clock: FakeClock
) -> None:
    """To everyone, until it is short enough."""
    budget = open_budget(patience=100.0)
    budget.pause(150)
    with pytest.raises(RateLimited) as caught:
        budget.acquire()
    assert (caught.value.retry_after, clock.slept) == (150, [])
    clock.now += 60
    assert acquired_at(budget, clock, 1) == [150]


def test_a_long_wait_is_announced_once(open_budget: Open, clock: FakeClock) -> None:
    """Not a short one; and a new one again."""
    said: list[float] = []
    budget = open_budget(waiting=lambda seconds: said.append(round(seconds)))
    budget.pause(1)
    acquired_at(budget, clock, 3)
    assert said == []
    acquired_at(budget, clock, 4)
    assert said == [10, 10]


def test_a_wait_that_goes_on_is_not_announced_again(open_budget: Open, clock: FakeClock) -> None:
    """As by the other threads that wait for the same."""
    said: list[float] = []
    budget = open_budget(waiting=said.append)
    budget.pause(50)
    clock.step = 0.3
    budget.acquire()
    assert said == [50]


def test_a_long_wait_is_logged(
    open_budget: Open, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """For whoever looks at the run."""
    caplog.set_level(logging.INFO)
    acquired_at(open_budget(requests=1, seconds=120), clock, 2)
    assert caplog.messages == ["Oura's budget is used up: waiting 120 s"]


def test_a_clock_that_was_set_back_stops_nobody(open_budget: Open, clock: FakeClock) -> None:
    """Requests and pauses of the future are none."""
    budget = open_budget()
    acquired_at(budget, clock, 3)
    budget.pause(100)
    clock.now -= 86_400
    budget.acquire()
    assert clock.slept == []
    assert budget.state().used == 1


def test_a_changed_limit_counts_at_once(open_budget: Open, clock: FakeClock) -> None:
    """Lower or higher."""
    acquired_at(open_budget(), clock, 3)
    assert acquired_at(open_budget(requests=2), clock, 1) == [10]
    assert acquired_at(open_budget(requests=4), clock, 3) == [10, 10, 10]


def test_the_file_does_not_grow(open_budget: Open, clock: FakeClock, tmp_path: Path) -> None:
    """It holds as many requests as the limit."""
    acquired_at(open_budget(), clock, 50)
    with closing(sqlite3.connect(tmp_path / "deep" / "budget.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM request").fetchone() == (3,)


def test_an_error_within_gives_the_file_free(open_budget: Open, clock: FakeClock) -> None:
    """Otherwise everyone would wait for ever."""
    first, second = open_budget(patience=1.0), open_budget()
    first.pause(5)
    with pytest.raises(RateLimited):
        first.acquire()
    assert acquired_at(second, clock, 1) == [5]


def test_a_share_waits_where_the_whole_does_not(open_budget: Open, clock: FakeClock) -> None:
    """Whoever used it: half of 4 is free for the background only while 2 are unused."""
    budget = open_budget(requests=4)
    budget.acquire()
    budget.acquire(0.5)
    assert clock.slept == []
    assert acquired_at(budget, clock, 1) == [0]
    budget.acquire(0.5)
    assert round(clock.now - BEGIN) == 10
    assert budget.state().used == 1


@pytest.mark.parametrize(
    ("share", "times"),
    [
        (0.01, [0, 10, 20, 30, 40]),
        (0.39, [0, 10, 20, 30, 40]),
        (0.5, [0, 0, 10, 10, 20]),
        (0.99, [0, 0, 0, 0, 10]),
        (1.0, [0, 0, 0, 0, 0]),
    ],
)
def test_a_share_is_whole_requests_and_one_at_least(
    open_budget: Open, clock: FakeClock, share: float, times: list[int]
) -> None:
    """Rounded down, so that it is never more; but a share that could never ask would hang."""
    budget = open_budget(requests=5)
    found = []
    for _ in times:
        budget.acquire(share)
        found.append(round(clock.now - BEGIN))
    assert found == times


def test_the_state_tells_whether_more_than_a_share_is_used(
    open_budget: Open, clock: FakeClock
) -> None:
    """Not by those who keep to it: they would wait for themselves."""
    budget = open_budget(requests=4)
    acquired_at(budget, clock, 2)
    assert [budget.state().exceeds(share) for share in (0.25, 0.5, 1.0)] == [True, False, False]
    acquired_at(budget, clock, 2)
    assert [budget.state().exceeds(share) for share in (0.25, 0.5, 1.0)] == [True, True, False]


def test_a_client_keeps_to_its_share(open_budget: Open, clock: FakeClock) -> None:
    """With every request, also with one that repeats another."""
    oura = FakeOura(documents={"personal_info": [{"id": "somebody"}]})
    oura.next_answers.append(reply(500))
    budget = open_budget(requests=4)
    with httpx.Client(transport=httpx.MockTransport(oura)) as http:
        client = OuraClient(
            http, api_url="https://api.oura.test", tokens=FakeTokens(), budget=budget, share=0.25
        )
        client.personal_info()
        assert round(clock.now - BEGIN) == 10
        client.personal_info()
    assert round(clock.now - BEGIN) == 20


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where requests are counted: in a file, or in the accounts on Postgres."""
    if request.param == "file":
        return str(tmp_path / "budget.sqlite")
    url = f"postgresql+psycopg://{new_database(request.getfixturevalue('postgres_server'))}"
    Accounts.open(url, key_path=tmp_path / "token.key").close()
    return url


def test_four_processes_of_eight_threads_get_the_limit_and_no_more(where: str) -> None:
    """Of 1600 requests that they want at once."""
    became: Counter[str] = sum(at_once(4, spend, where), Counter())
    assert became == {"got": 1000, "refused": 600}
    with Budget(count(where, 1000)) as budget:
        assert budget.state().used == 1000


def test_the_background_keeps_to_its_share_and_the_foreground_never_waits_for_it(
    where: str,
) -> None:
    """In four processes: 400 requests of the foreground fit, and 100 at most of the background."""
    became: Counter[str] = sum(at_once(4, spend_shares, where), Counter())
    assert (became["foreground got"], became["foreground refused"]) == (400, 0)
    assert became["background got"] <= 100
    assert became["background got"] + became["background refused"] == 800
    with Budget(count(where, 500)) as budget:
        assert budget.state().used == 400 + became["background got"]


def test_a_background_alone_gets_its_whole_share(where: str) -> None:
    """And not one more, however many ask at once."""
    got: list[int] = []

    def take() -> None:
        with suppress(UsedUpError):
            while True:
                budget.acquire(0.5)
                got.append(1)

    with Budget(count(where, 200), sleep=refuse_to_wait) as budget:
        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == budget.state().used == 100
