"""A disk that is full, broken or closed to us is said in one line, and costs nothing that was."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from multiprocessing.queues import Queue
from pathlib import Path

import duckdb
import pytest
from sqlalchemy.exc import OperationalError

from oura_pipeline.accounts.database import FILE_NOTE
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.storage_failures import storage_failure, storage_failure_in
from oura_pipeline.warehouse.connection import ExclusiveFile, transaction
from oura_pipeline_tests.accounts.homes import FRESH
from oura_pipeline_tests.sync.limited_writes import commit_too_much
from oura_pipeline_tests.testing.world import World, world

LAST = date(2026, 6, 10)
KEPT = "What was there before is kept, and nothing is half written"
FULL = (
    r"the disk is full, and {} could not be written: (less than 1|[\d,]+) MB is free, and about "
    rf"[\d,]+ MB is needed\. {KEPT}: make room, and run it again"
)
LIMITED = (
    r"{} could not be written \({}\), though [\d,]+ MB is free: a quota, or a limit of file sizes "
    rf"\(`ulimit -f`\), is reached\. {KEPT}: raise it, and run it again"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, as the settings have it."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    return tmp_path


def noted(error: OperationalError, path: Path) -> OperationalError:
    error.add_note(f"{FILE_NOTE}{path}")
    return error


def need_more_than_there_is(home: Path) -> None:
    """A warehouse that no copy of has room: a file with nothing in it takes none."""
    with (home / "warehouse.duckdb").open("wb") as file:
        file.truncate(shutil.disk_usage(home).free + 2**30)


def sqlite(text: str) -> OperationalError:
    rows = ("INSERT INTO fetches VALUES (?)", ("ada", 61))
    return OperationalError(*rows, sqlite3.OperationalError(text))


def test_a_full_disk_is_said_with_the_file_and_the_room(home: Path) -> None:
    """Whatever found it full, and however it is wrapped; never a row of a statement."""
    need_more_than_there_is(home)
    path = home / "accounts.sqlite"
    full = os.strerror(errno.ENOSPC)
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = OSError(errno.ENOSPC, full, str(home / "warehouse.duckdb"))
    for error, name in (
        (noted(sqlite("database or disk is full"), path), str(path)),
        (OSError(errno.ENOSPC, full), r"a file in /\S+"),
        (duckdb.IOException(f'Could not write file "{home}/w.wal": {full}'), f"{home}/w.wal"),
        (wrapped, f"{home}/warehouse.duckdb"),
    ):
        assert re.fullmatch(FULL.format(name), storage_failure(error) or ""), error


def test_a_quota_or_a_limit_is_not_called_a_full_disk(home: Path) -> None:
    """Whatever a disk with room refuses as if it were full, and what says so itself."""
    path = home / "accounts.sqlite"
    full, quota, large = (os.strerror(it) for it in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    errors = [
        (noted(sqlite("database or disk is full"), path), "database or disk is full"),
        (OSError(errno.ENOSPC, full, str(path)), full),
        (duckdb.IOException(f'Could not write file "{path}": {large}'), large),
    ]
    for error, reason in errors:
        assert re.fullmatch(LIMITED.format(path, reason), storage_failure(error) or ""), error
    need_more_than_there_is(home)
    exceeded = OSError(errno.EDQUOT, quota, str(path))
    assert re.fullmatch(LIMITED.format(path, quota), storage_failure(exceeded) or "")


def test_other_refusals_of_the_system_are_one_line_too(home: Path) -> None:
    """And whatever is none keeps its traceback."""
    path = home / "token.key"
    said = f"{path}: Permission denied. {KEPT}: put it right, and run it again"
    assert storage_failure(PermissionError(errno.EACCES, "Permission denied", str(path))) == said
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
    assert "No such file" in (storage_failure(missing) or "")
    text = f'duckdb.IOException: IO Error: Cannot open file "{home}/x.duckdb": Permission denied'
    assert storage_failure_in(text) == said.replace("token.key", "x.duckdb")
    for bug in (
        KeyError("score"),
        OSError(errno.EADDRINUSE, "Address already in use"),
        BrokenPipeError(),
        ConnectionRefusedError(),
        sqlite("no such x"),
    ):
        assert storage_failure(bug) is None


def test_dagster_learns_no_name_of_a_file_of_somebody(home: Path) -> None:
    """Only those of our databases, and no folder."""
    need_more_than_there_is(home)
    full = os.strerror(errno.ENOSPC)
    for name, shown in (("warehouse.duckdb", "warehouse.duckdb"), ("exports/ada.csv", "a file")):
        error = OSError(errno.ENOSPC, full, str(home / name))
        said = storage_failure(error, to_operator=False)
        assert re.fullmatch(FULL.format(shown), said or "")
    other = FileExistsError(errno.EEXIST, "File exists", "ada")
    assert storage_failure(other, to_operator=False) is None


def test_a_commit_that_fails_says_why_and_keeps_what_was_there(home: Path) -> None:
    """Not that there is nothing to roll back; the file opens again, and takes the rows later."""
    answers: Queue[list[str]] = FRESH.Queue()
    writer = FRESH.Process(target=commit_too_much, args=(home, answers))
    writer.start()
    raised, said = answers.get(timeout=60)
    writer.join(60)
    writer.close()
    path = home / "warehouse.duckdb"
    assert raised.startswith("TransactionContext Error: Failed to commit: Could not write file")
    assert re.fullmatch(LIMITED.format(f"{path}.wal", "File too large"), said)
    with ExclusiveFile(path, timeout=5).opened() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(10,)]
        with transaction(connection):
            connection.execute("INSERT INTO t SELECT range FROM range(5)")
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(15,)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with one person."""
    with running(SandboxOptions(people=1, days=10, end=LAST)) as cloud:
        home = tmp_path_factory.mktemp("full") / "data"
        with world(home, cloud) as made:
            made.sign_in("runa")
            yield made


def test_a_sync_that_has_no_room_says_so_and_works_once_it_has(made: World) -> None:
    """No page of SQL, and never a status without a word."""
    day = ["--from", str(LAST), "--to", str(LAST), "--type", "daily_sleep"]
    command = [sys.executable, "-c", _LIMITED, *day]
    environment = {**os.environ, "OURA_PIPELINE_HOME": str(made.home), "COLUMNS": "200"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=90, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"(`ulimit -f`), is reached. {KEPT}" in said
    assert "Traceback" not in said
    assert "INSERT" not in said
    result = made.run(LAST, LAST, types=["daily_sleep"])
    assert result.success
    assert made.landed("runa", DAILY_SLEEP) == made.truth("runa", DAILY_SLEEP, LAST, LAST) != []


# Without byte code: Python 3.13 would cut off that of modules, for everybody after it.
_LIMITED = """
import resource, sys
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from oura_pipeline.cli import main
sys.argv.insert(1, "sync")
main()
"""
