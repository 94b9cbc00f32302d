"""Many processes and threads that read and write the same accounts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import FetchStatus
from oura_pipeline_tests.accounts.homes import ON_SQLITE, at_once, fetch, opened

DAY = date(2026, 1, 1)
ROUNDS, DAYS = 10, 100


def _write_and_read(home: Path, number: int) -> int:
    """Everybody writes their own type, and the same type, and reads in between."""
    with opened(home) as accounts:
        for _ in range(ROUNDS):
            days = [DAY + timedelta(day) for day in range(DAYS)]
            accounts.fetches.record(
                [fetch("ada", document_type=f"type{number}", day=day) for day in days]
            )
            accounts.fetches.record(
                [fetch("ada", document_type="same", day=DAY, status=FetchStatus.FAILED)]
            )
            assert len(accounts.fetches.find(f"type{number}")) == DAYS
        return len(accounts.fetches.find("same"))


@ON_SQLITE
def test_eight_processes_write_the_ledgers_at_once(home: Path, accounts: Accounts) -> None:
    """Nobody fails, nothing is lost and every failure is counted once."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    assert at_once(8, _write_and_read, home) == [1] * 8
    (same,) = accounts.fetches.find("same")
    assert same.attempts == 8 * ROUNDS
    assert len(accounts.fetches.find()) == 8 * DAYS + 1


def test_threads_share_one_object(accounts: Accounts) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r"))

    def work(number: int) -> int:
        rows = [fetch("ada", document_type=f"type{number}", status=FetchStatus.FAILED)]
        for _ in range(5):
            accounts.fetches.record(rows)
        return accounts.fetches.find(f"type{number}")[0].attempts

    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(work, range(24))) == [5] * 24


def _count_up(home: Path, number: int) -> None:
    """Reads and writes a file in two steps, which only a lock makes safe."""
    path = home / "count"
    with opened(home) as accounts:
        for _ in range(20):
            with accounts.lock("the count of ada/../lovelace"):
                count = int(path.read_text(encoding="utf-8"))
                path.write_text(str(count + 1), encoding="utf-8")


def test_a_lock_is_held_by_one_at_a_time(home: Path, accounts: Accounts) -> None:
    """Whatever it is called; the file that stays behind does not say."""
    (home / "count").write_text("0", encoding="utf-8")
    assert at_once(4, _count_up, home) == [None] * 4
    assert (home / "count").read_text(encoding="utf-8") == "80"
    assert [path.name for path in home.iterdir() if "lovelace" in path.name] == []


def test_locks_of_two_names_do_not_wait_for_each_other(accounts: Accounts) -> None:
    with accounts.lock("one"), accounts.lock("two"):
        assert accounts.people.all() == []


def _impatient(home: Path, name: str, number: int) -> str:
    with opened(home) as accounts, accounts.lock(name, seconds=0):
        return "held"


def test_who_does_not_want_to_wait_for_a_lock_is_told_at_once(
    home: Path, accounts: Accounts
) -> None:
    with accounts.lock("one"):
        (refused,) = at_once(1, _impatient, home, "one")
        assert refused.startswith("AccountsBusy('the lock ")
        assert "was not free for 0 s" in refused
    assert at_once(1, _impatient, home, "one") == ["held"]
