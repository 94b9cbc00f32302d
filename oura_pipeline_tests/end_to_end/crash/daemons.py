"""Dagster's daemon, or two of them, whose processes are killed while runs are due."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import sleep

from oura_pipeline_tests.end_to_end.crash.crash import Crash
from oura_pipeline_tests.end_to_end.crash.programs import Program, command, result_of, until
from oura_pipeline_tests.end_to_end.crash.truth import unfinished_runs
from oura_pipeline_tests.testing.world import World

_VICTIMS = ("run", "daemon", "code server", "everything")
_PAUSE = timedelta(minutes=6)  # somebody may ask for a sync every five


def daemons(crash: Crash) -> None:
    """Everybody asks for a sync; once its run has begun, something is killed.

    Meanwhile syncs of the command line are killed, and a second daemon is refused.
    """
    home, asked_at, dead = crash.made.home, datetime.now(UTC), set[str]()
    try:
        daemon = _start(crash)
        for number, victim in enumerate(crash.rng.sample(_VICTIMS, 2)):
            crash.change()
            result_of(partial(_ask, crash.made, asked_at + number * _PAUSE), crash.log("asks"))
            until(lambda: _runs_of(home), "no run has begun, still")
            sleep(crash.rng.uniform(0, 3))
            dead |= _kill(crash, victim, daemon)
            if not daemon.runs:
                daemon = _start(crash)
            for _ in range(3):
                kill = crash.kill_of_a_sync()
                crash.killed(crash.sync(kill=kill), f"{kill}, beside a daemon")
        _refuse_a_second(crash)
        until(lambda: not dead & _unfinished(crash), "runs whose process is gone are still open")
    finally:
        # A power cut. What is queued then waits for the next daemon.
        _kill(crash, "everything", daemon)
    until(lambda: not [*_everybody(home)], "processes still go on")


def _refuse_a_second(crash: Crash) -> None:
    second = _start(crash)
    if second.wait() != 1 or "does so already" not in second.said:
        crash.find(f"a second daemon ran: {second.said[-300:]!r}")


def _kill(crash: Crash, victim: str, daemon: Program) -> set[str]:
    """Kill processes, count that, and return the ids of the runs that died with them."""
    home = crash.made.home
    runs = _runs_of(home)
    everybody = sorted(_everybody(home))
    match victim:
        case "run":
            chosen = [*runs][:1]
        case "daemon":
            chosen = [daemon.process.pid or 0]
        case "code server":
            chosen = [pid for pid in everybody if pid not in {*runs, daemon.process.pid}][:1]
        case _:
            chosen = everybody
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    crash.count("kills", f"{victim} of a daemon")
    daemon.ends_within(1)
    return {run_id for pid in chosen for run_id in runs.get(pid, ())}


def _start(crash: Crash) -> Program:
    return crash.start("daemon", command("daemon"))


def _ask(made: World, at: datetime) -> None:
    with made.accounts() as accounts:
        for person in accounts.people.all():
            accounts.people.request_sync(person.username, at)


def _unfinished(crash: Crash) -> set[str]:
    sleep(1)
    return {*result_of(unfinished_runs, crash.log("runs"))}


def _runs_of(home: Path) -> dict[int, list[str]]:
    """Return the runs that processes own, of which each has a file open."""
    found: dict[int, list[str]] = {}
    for pid in _everybody(home):
        with suppress(OSError):
            files = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
            if runs := [file.name for file in files if file.parent == home / "runs"]:
                found[pid] = runs
    return found


def _everybody(home: Path) -> Iterator[int]:
    """Yield the processes that were started with this data folder; forks of this one were not."""
    wanted = f"OURA_PIPELINE_HOME={home}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)
