"""Python in another process, for what only another process can do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A child that runs this code; its arguments are in `sys.argv[1:]`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(child: subprocess.Popen[str]) -> str:
    """What it printed; fails with its error where there was one."""
    out, error = child.communicate(timeout=60)
    assert child.returncode == 0, error
    return out


@contextmanager
def waiting(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A child that printed a line and now waits; it is ended with the block."""
    child = start(code, *arguments)
    assert child.stdout is not None
    line = child.stdout.readline()
    try:
        assert line == "ready\n", child.communicate(timeout=10)[1]
        yield child
    finally:
        child.kill()
        child.communicate(timeout=10)
