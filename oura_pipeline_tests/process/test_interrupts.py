"""A signal is a request, which ends a command at the next safe point or soon after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from oura_pipeline.process.interrupts import MESSAGE

RUN = "from oura_pipeline.process import interrupts\n{body}\ninterrupts.run(command)\n"
DEAF = """
import time
def command():
    with interrupts.interruptible(abandoned=lambda: print("abandoned", flush=True)):
        print("ready", flush=True)
        time.sleep(60)
"""
SLEEPING = """
def command():
    try:
        print("ready", flush=True)
        interrupts.sleep(60)
    finally:
        print("tidied", flush=True)
"""
ASKING = """
from pathlib import Path
from oura_pipeline.warehouse.connection import ExclusiveFile
def command():
    try:
        with ExclusiveFile(Path("test.duckdb"), timeout=5).opened() as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1")
            print("ready", flush=True)
            connection.execute("SELECT count(*) FROM range(10000000) a, range(10000000) b")
    except interrupts.Interrupted:
        print("interrupted", flush=True)
        raise
"""


def started(body: str, folder: Path) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, "-c", RUN.format(body=body)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


def ended(program: subprocess.Popen[str]) -> tuple[int, str, float]:
    """The status, what was printed, and how many seconds it took."""
    began = monotonic()
    out, err = program.communicate(timeout=30)
    assert MESSAGE in err
    return program.returncode, out, monotonic() - began


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_wait_ends_in_order(number: int, status: int, tmp_path: Path) -> None:
    """What stands in `finally` runs; the status says which signal it was."""
    with started(SLEEPING, tmp_path) as program:
        program.send_signal(number)
        assert ended(program)[:2] == (status, "tidied\n")


def test_a_wait_without_safe_points_is_abandoned(tmp_path: Path) -> None:
    with started(DEAF, tmp_path) as program:
        program.send_signal(signal.SIGINT)
        status, out, took = ended(program)
    assert (status, out) == (130, "abandoned\n")
    assert took < 3


def test_a_second_request_ends_at_once(tmp_path: Path) -> None:
    with started(DEAF, tmp_path) as program:
        program.send_signal(signal.SIGINT)
        sleep(0.3)  # what comes sooner belongs to the first
        program.send_signal(signal.SIGINT)
        status, out, took = ended(program)
    assert (status, out) == (130, "abandoned\n")
    assert took < 1


def test_a_long_statement_is_interrupted_and_the_file_is_free(tmp_path: Path) -> None:
    """What was committed before it stays, and nobody finds the file locked."""
    with started(ASKING, tmp_path) as program:
        program.send_signal(signal.SIGINT)
        assert ended(program)[:2] == (130, "interrupted\n")
    with started(ASKING.replace("CREATE TABLE kept AS SELECT 1", "FROM kept"), tmp_path) as again:
        again.kill()


def test_who_ignores_a_signal_goes_on(tmp_path: Path) -> None:
    """`nohup` and shells without job control do, of what runs in the background."""
    body = SLEEPING.replace("sleep(60)", "sleep(0.5)")
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{body}"
    with started(ignoring, tmp_path) as program:
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0
