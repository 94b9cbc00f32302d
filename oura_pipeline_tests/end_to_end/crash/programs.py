"""Programs under test, forked from this process, which has imported everything already."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event
from typing import Any

import stamina

from oura_pipeline.cli import main
from oura_pipeline_tests.end_to_end.crash.points import Kill, count_points, kill_at

# Nothing of this process is open or runs in a thread when it forks.
FORK = get_context("fork")
PATIENCE = 120.0  # seconds after which something is stuck


class Stuck(Exception):
    """Something was not at rest after two minutes."""


class Program:
    """A running program; the leader of a session of its own."""

    def __init__(
        self,
        work: Callable[[], object],
        log: Path,
        *,
        kill: Kill | None = None,
        tries_once: bool = False,
    ) -> None:
        """Start it.

        Args:
            work: what it does.
            log: where its output goes.
            kill: where it dies.
            tries_once: whether it sends no request a second time.
        """
        self.log = log
        self._size = log.stat().st_size if log.exists() else 0
        arguments = (work, log, kill, tries_once)
        self.process: BaseProcess = FORK.Process(target=_run, args=arguments, daemon=True)
        self.process.start()

    @property
    def said(self) -> str:
        """Its output."""
        with self.log.open("rb") as file:
            file.seek(self._size)
            return file.read().decode(errors="replace")

    @property
    def runs(self) -> bool:
        return self.process.exitcode is None

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return its status once it has ended.

        Raises:
            Stuck: it has not; it is killed.
        """
        if not self.ends_within(seconds):
            self.kill()
            raise Stuck(f"{self.log.stem} did not end: {self.said[-500:]!r}")
        return self.process.exitcode or 0

    def kill(self, *, tree: bool = False) -> None:
        """Kill it, or all of its session, on the spot."""
        if self.runs:
            (os.killpg if tree else os.kill)(self.process.pid or 0, signal.SIGKILL)
            self.ends_within(10)

    def kill_after(self, seconds: float) -> bool:
        """Kill it at a moment; return whether it was still there."""
        ended = self.ends_within(seconds)
        self.kill()
        return not ended

    def ends_within(self, seconds: float) -> bool:
        """Return whether it ends within this time."""
        # `join` waits for ever for a process that has become another program.
        gives_up_at = time.monotonic() + seconds
        while self.runs and time.monotonic() < gives_up_at:
            time.sleep(0.01)
        return not self.runs


def command(*arguments: str) -> Callable[[], object]:
    """Return what runs a command of `oura-pipeline`."""

    def work() -> None:
        sys.argv = ["oura-pipeline", *arguments]
        main()

    return work


def result_of(work: Callable[[], Any], log: Path) -> Any:
    """Return what a function returns in a process of its own, which may open anything.

    Raises:
        Stuck: it returns nothing.
    """
    answer = log.with_suffix(".json")
    answer.unlink(missing_ok=True)
    program = Program(lambda: answer.write_text(json.dumps(work()), encoding="utf-8"), log)
    if program.wait() != 0:
        raise Stuck(program.said[-3000:])
    return json.loads(answer.read_text(encoding="utf-8"))


def rehearse(work: Callable[[], object], points: tuple[str, ...], log: Path) -> dict[str, int]:
    """Return how often work passes each point; import here what it imports on its way."""

    def count() -> tuple[dict[str, int], list[str]]:
        counts = count_points(points)
        with suppress(SystemExit):
            work()
        sys.setprofile(None)
        return dict(counts), sorted(sys.modules)

    counts, modules = result_of(count, log)
    # A fork of this process has them, then.
    for name in modules:
        with suppress(ImportError):
            import_module(name)
    return dict(counts)


def until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return when it is true.

    Raises:
        Stuck: it is not after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Stuck(f"{what} after {seconds:.0f} s")
        Event().wait(0.1)


def end(programs: Iterable[Program]) -> None:
    for program in programs:
        program.kill(tree=True)


def _run(work: Callable[[], object], log: Path, kill: Kill | None, tries_once: bool) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    if tries_once:
        stamina.set_testing(True, attempts=1)
    if kill:
        kill_at(kill)
    work()
