"""The published copy can be opened at any moment, and holding it open keeps nobody from writing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic

import pytest

from oura_pipeline_tests.accounts.homes import at_once
from oura_pipeline_tests.end_to_end import copy_readers, copy_writers

WRITERS = ("arno", "bela", "cleo")
READERS = ("read", "read", "open", "hold", "hold")
ROUNDS = 3
SECONDS = 300.0  # for everything; alone it takes ten, on a busy machine a hundred


@pytest.fixture
def home(empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which everybody's first round is published."""
    folder = tmp_path / "data"
    shutil.copytree(empty_home, folder)
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(folder))
    for name in WRITERS:
        copy_writers.write(name, 1, 1)
    return folder


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


def test_five_read_what_three_publish_and_nobody_is_refused_or_waits(home: Path) -> None:
    """Every state that is seen was once true, is whole, and is no older than the one before.

    Two hold a copy open from before the first publishing until after the last: the writers end
    while they do, and what the two see never changes.
    """
    deadline, stop = monotonic() + SECONDS, home / "stop"
    beginning = {name: [1, 1] for name in WRITERS}
    final = {name: [ROUNDS, ROUNDS] for name in WRITERS}
    many = len(READERS)
    with children([(copy_readers.__name__, how, str(stop)) for how in READERS]) as readers:
        assert [json.loads(first_line(child, deadline)) for child in readers] == [beginning] * many
        written = at_once(len(WRITERS), copy_writers.write_in_a_process, str(home), WRITERS, ROUNDS)
        still_reading = [child.poll() for child in readers]
        stop.touch()
        read = [ended(child, deadline) for child in readers]
    assert written == [None] * len(WRITERS)
    assert still_reading == [None] * many, read
    assert [(code, complained) for code, _, complained in read] == [(0, "")] * many
    seen = [[json.loads(line) for line in said.splitlines()] for _, said, _ in read]
    assert seen == [[final]] * 3 + [[final, beginning]] * 2
    assert sorted(path.name for path in home.glob("*analytics*")) == ["analytics.duckdb"]
