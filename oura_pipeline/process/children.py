"""Child processes that end together, and with this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from oura_pipeline.process import interrupts

POLL_SECONDS = 0.1  # Popen waits for one child, not for the first of several
PATIENCE_SECONDS = 15.0

Child = subprocess.Popen[bytes]

# Only its parent holds the other end of its stdin, and lets go of it by being killed, too.
_GUARDIAN = """\
import os, sys, time
while os.read(0, 1):
    pass
groups = [int(group) for group in sys.argv[1:]]
def signal(number):
    for group in list(groups):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            groups.remove(group)
signal(15)
for _ in range(50):
    if groups:
        time.sleep(0.1)
    signal(0)
signal(9)
"""


@contextmanager
def children(
    commands: Mapping[str, Sequence[str]],
    *,
    folder: Path,
    environment: Mapping[str, str],
    inherited: Sequence[int] = (),
    log: Path | None = None,
) -> Iterator[Mapping[str, Child]]:
    """Run commands, by name, while the block runs; afterwards nothing of them is left.

    Args:
        commands: programs with their arguments.
        folder: their working directory.
        environment: theirs.
        inherited: file descriptors that they keep open.
        log: the file to which they append what they say; None: they say it where this process does.
    """
    started: dict[str, Child] = {}
    with interrupts.interruptible(abandoned=lambda: _signal(started, signal.SIGKILL)):
        try:
            with log.open("ab") if log else nullcontext() as said:
                for name, command in commands.items():
                    started[name] = subprocess.Popen(  # noqa: S603  (our own programs)
                        command,
                        cwd=folder,
                        env=environment,
                        pass_fds=inherited,
                        stdout=said,
                        stderr=said,
                        start_new_session=True,  # a group of its own, which can be ended as a whole
                    )
            with _guarded(started):
                yield started
        finally:
            _end(started)


@contextmanager
def _guarded(started: Mapping[str, Child]) -> Iterator[None]:
    """Have the children ended when this process is killed during the block."""
    groups = [str(child.pid) for child in started.values()]
    guardian = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _GUARDIAN, *groups], stdin=subprocess.PIPE, start_new_session=True
    )
    with guardian:
        try:
            yield
        finally:
            guardian.kill()


def first_ended(
    started: Mapping[str, Child], *, meanwhile: Callable[[], object] = lambda: None
) -> tuple[str, int]:
    """Wait until one of them ends; return its name, and its status as a shell has it.

    Args:
        started: the children, by name.
        meanwhile: what is done again and again.

    Raises:
        Interrupted: this process was told to end before.
    """
    while True:
        for name, child in started.items():
            if (status := child.poll()) is not None:
                return name, 128 - status if status < 0 else status
        meanwhile()
        interrupts.sleep(POLL_SECONDS)


def _end(started: Mapping[str, Child]) -> None:
    # What they started themselves, as Dagster does its code servers, does not end with them.
    for number, seconds in ((signal.SIGTERM, PATIENCE_SECONDS), (signal.SIGKILL, 5.0)):
        _signal(started, number)
        deadline = time.monotonic() + seconds
        while any(map(_is_there, started.values())) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _signal(started: Mapping[str, Child], number: int) -> None:
    for child in started.values():
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _is_there(child: Child) -> bool:
    """Return whether anything of a child's group is left."""
    child.poll()  # otherwise its entry stays until somebody asks
    with suppress(ChildProcessError):
        os.waitpid(-child.pid, os.WNOHANG)  # in a container, orphans become ours
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True
