"""The published copy can be opened at any moment, and holding it open keeps nobody from writing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic

import pytest

from oura_pipeline_tests.end_to_end import copy_readers, copy_writers

WRITERS = ("arno", "bela", "cleo", "dora")
READERS = ("read",) * 5 + ("open",) * 2 + ("hold",) * 3
ROUNDS = 3
SECONDS = 300.0  # for everything; alone it takes ten, on a busy machine a hundred


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which everybody's first round is published."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    for name in WRITERS:
        copy_writers.write(name, 1, 1)
    return tmp_path


Child = subprocess.Popen[str]


@contextmanager
def children(commands: Sequence[Sequence[str]]) -> Iterator[list[Child]]:
    """Run modules as processes, all at once; end them with the block."""
    started: list[Child] = []
    try:
        for arguments in commands:
            command = [sys.executable, "-m", *arguments]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        yield started
    finally:
        for child in started:
            child.kill()
            child.communicate()


def first_line(child: Child, deadline: float) -> str:
    """Return the first line that a child prints; fail with its errors where there is none."""
    assert child.stdout
    ready, _, _ = select([child.stdout], [], [], max(0.0, deadline - monotonic()))
    line = child.stdout.readline() if ready else ""
    assert line, child.communicate()[1] if ready else "it printed nothing in time"
    return line


def ended(child: Child, deadline: float) -> tuple[int, str, str]:
    """Wait for a child, and return its status, output and errors."""
    output, errors = child.communicate(timeout=max(1.0, deadline - monotonic()))
    return child.returncode, output, errors


def test_ten_read_what_four_publish_and_nobody_is_refused_or_waits(home: Path) -> None:
    """Every state that is seen was once true, is whole, and is no older than the one before.

    Three hold a copy open from before the first publishing until after the last: the writers end
    while they do, and what the three see never changes.
    """
    deadline, stop = monotonic() + SECONDS, home / "stop"
    beginning = {name: [1, 1] for name in WRITERS}
    final = {name: [ROUNDS, ROUNDS] for name in WRITERS}
    with children([(copy_readers.__name__, how, str(stop)) for how in READERS]) as readers:
        assert [json.loads(first_line(child, deadline)) for child in readers] == [beginning] * 10
        with children(
            [(copy_writers.__name__, name, "2", str(ROUNDS)) for name in WRITERS]
        ) as writers:
            written = [ended(child, deadline) for child in writers]
        still_reading = [child.poll() for child in readers]
        stop.touch()
        read = [ended(child, deadline) for child in readers]
    assert written == [(0, "", "")] * 4
    assert still_reading == [None] * 10, read
    assert [(code, complained) for code, _, complained in read] == [(0, "")] * 10
    seen = [[json.loads(line) for line in said.splitlines()] for _, said, _ in read]
    assert seen == [[final]] * 7 + [[final, beginning]] * 3
    assert sorted(path.name for path in home.glob("*analytics*")) == ["analytics.duckdb"]
