"""What a command, and all that it starts, uses: seconds, CPU seconds, memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oura_pipeline_tests.testing.paths import ROOT

EVERY = 0.02  # seconds between two looks at the memory
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a command used.

    Attributes:
        wall: seconds until it ended.
        cpu: seconds of processors, children included.
        memory: MB that its processes held at once, at most; what they share counts for each.
        output: what it printed.
    """

    wall: float
    cpu: float
    memory: float
    output: str


def use(command: Sequence[str | Path], settings: Mapping[str, str] | None = None) -> Use:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; with what it printed.
    """
    with tempfile.TemporaryFile() as printed:
        began = time.perf_counter()
        child = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env={**os.environ, **(settings or {})},
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        with watched(child.pid) as peak:
            # Unlike `wait`, it tells what this child and its children used, and nobody else.
            try:
                _, status, spent = os.wait4(child.pid, 0)
            except BaseException:
                child.kill()
                raise
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {child.returncode}\n{output}")
    return Use(wall=wall, cpu=spent.ru_utime + spent.ru_stime, memory=peak[0] / 1e6, output=output)


@contextmanager
def watched(process: int) -> Iterator[list[int]]:
    """The bytes that a process and its children held at once at most, in a list of one."""
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            tree = family(process)
            # A process's own peak is exact; that of several together is seen now and then.
            peak[0] = max(peak[0], sum(map(resident, tree)), *map(highest, tree), 0)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def family(process: int) -> list[int]:
    """A process and its children, and theirs."""
    with suppress(OSError):
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = " ".join(task.joinpath("children").read_text("ascii") for task in tasks).split()
        return [process, *(one for child in children for one in family(int(child)))]
    return []  # it has ended meanwhile


def resident(process: int) -> int:
    """The bytes of memory that a process holds now."""
    with suppress(OSError, IndexError):
        pages = Path(f"/proc/{process}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0


def highest(process: int) -> int:
    """The most bytes that a process has held; unlike `ru_maxrss`, none of who started it."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{process}/status").read_text("ascii", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return 0


def cpu_seconds(process: int) -> float:
    """What a process has used of the processors since it began."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def folder_bytes(folder: Path) -> int:
    """The bytes that a folder takes on the disk."""
    return 512 * sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file())
