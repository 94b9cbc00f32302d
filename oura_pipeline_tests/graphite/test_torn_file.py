"""A file of points whose last line a kill has torn: no point is lost, and no metric invented."""

from __future__ import annotations

import os
import resource
import signal
import sys
from datetime import UTC, date, datetime, time
from multiprocessing import get_context
from pathlib import Path

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.graphite.carbon import FileSender
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.push import push
from oura_pipeline.ledger import PushState

WHOLE = b"bio.ada.sleep.score 73 1767225600\nbio.ada.hr.bpm 61 1767225660\n"
NEXT = ("bio.ada.sleep.score", [(1_767_312_000, 74)])
# Said in full: the process that is killed reads this anew, perhaps on the next day.
NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)
DAYS = [
    DayPoints("ada", "daily_sleep", day, {"bio.ada.hr.bpm": [(at + 60 * m, m) for m in range(900)]})
    for day in (date(2026, 1, n) for n in range(1, 6))
    for at in [int(datetime.combine(day, time(), UTC).timestamp())]
]
LINES = [
    f"{metric} {value} {at}"
    for day in DAYS
    for metric, points in day.points.items()
    for at, value in points
]


@pytest.mark.parametrize("whole", [WHOLE, b""])
def test_half_a_line_is_cut_off_wherever_it_ends(whole: bytes, tmp_path: Path) -> None:
    """Also where it is the only one, or all of it but the newline is there."""
    path = tmp_path / "graphite.log"
    line = b"bio.ada.sleep.score 74 1767312000\n"
    for end in range(len(line)):
        path.write_bytes(whole + line[:end])
        FileSender(path).send([NEXT])
        assert path.read_bytes() == whole + line


def test_half_a_line_may_be_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    """As the zeros that a power cut can leave."""
    path = tmp_path / "graphite.log"
    path.write_bytes(WHOLE + bytes(200_000))
    FileSender(path).send([NEXT])
    assert path.read_bytes() == WHOLE + b"bio.ada.sleep.score 74 1767312000\n"


@pytest.mark.parametrize("limit", [10_007, 50_001, 99_999])
def test_what_a_killed_process_was_sending_is_sent_again(limit: int, tmp_path: Path) -> None:
    """It dies in the middle of a line, after the ledger has announced the days."""
    killed = get_context("forkserver").Process(target=_push_until, args=(tmp_path, limit))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGXFSZ
    killed.close()
    path = tmp_path / "graphite.log"
    torn = path.read_bytes()
    assert len(torn) == limit
    assert not torn.endswith(b"\n")
    with _accounts(tmp_path) as accounts:
        assert _states(accounts) == {day.day: PushState.PENDING for day in DAYS}
        push(DAYS, sender=FileSender(path), ledger=accounts.pushes, now=NOW)
        assert _states(accounts) == {day.day: PushState.DELIVERED for day in DAYS}
    lines = path.read_text(encoding="ascii").splitlines()
    assert set(lines) == set(LINES)
    assert len(lines) < 2 * len(LINES)  # what was whole is there twice, which is harmless


def _push_until(home: Path, limit: int) -> None:
    """Push until the file has so many bytes; the system ends the process then."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with _accounts(home) as accounts:

        class Limited(FileSender):
            def send(self, metrics: object) -> None:
                sys.dont_write_bytecode = True  # a module's would be cut off
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                super().send(metrics)  # type: ignore[arg-type]

        push(DAYS, sender=Limited(home / "graphite.log"), ledger=accounts.pushes, now=NOW)
    os._exit(1)


def _accounts(home: Path) -> Accounts:
    accounts = Accounts.open(f"sqlite:///{home / 'accounts.sqlite'}", key_path=home / "token.key")
    if not accounts.people.all():
        accounts.people.add("ada", SignIn(refresh_token="of ada"))
    return accounts


def _states(accounts: Accounts) -> dict[object, PushState]:
    return {row.day: row.state for row in accounts.pushes.find("daily_sleep")}
