"""Python in other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that runs this code; its arguments are in `sys.argv[1:]`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(child: subprocess.Popen[str]) -> str:
    """Return what it printed; fail with its error if it failed."""
    out, error = child.communicate(timeout=300)  # of what hangs; a busy machine takes its time
    assert child.returncode == 0, error
    return out


@contextmanager
def waiting_child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start a process, wait until it prints `ready`, and kill it at the end of the block."""
    child = start(code, *arguments)
    assert child.stdout is not None
    line = child.stdout.readline()
    try:
        assert line == "ready\n", child.communicate(timeout=10)[1]
        yield child
    finally:
        child.kill()
        child.communicate(timeout=10)
