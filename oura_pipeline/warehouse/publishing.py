"""The published copy: a whole DuckDB file that takes the place of the previous one at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oura_pipeline.files import copy_file, replacing

_HEADERS = 3 * 4096  # bytes: DuckDB's main header and its two database headers


@dataclass(frozen=True)
class Published:
    """The result of publishing.

    Attributes:
        path: the copy.
        bytes: its size.
        seconds: the time it took, waiting for the warehouse included.
        fresh: False if nothing had changed since the last copy, which then stays.
    """

    path: Path
    bytes: int
    seconds: float
    fresh: bool


def is_current(source: Path, target: Path) -> bool:
    """Return whether `target` is a copy of `source` as it is now."""
    # What is still in the write-ahead log is in no header, so there must be no such log; nor beside
    # the copy, where only somebody who wrote into an older one can have left it.
    if not source.exists() or not target.exists() or wal(source).exists() or wal(target).exists():
        return False
    ours, theirs = source.stat(), target.stat()
    # The copy gets its source's time of change. DuckDB's headers hold a counter of checkpoints and
    # the position of the root of all data.
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns) and (
        _headers(source) == _headers(target)
    )


def swap_in(source: Path, target: Path) -> None:
    """Replace `target` by a copy of a closed DuckDB file, durably and at once."""
    # The mark by which `is_current` knows whose copy this is.
    with replacing_copy(target, source.stat().st_mtime_ns) as new:
        copy_file(source, new)


@contextmanager
def replacing_copy(target: Path, changed: int) -> Iterator[Path]:
    """Yield the name of a file that takes the place of the published copy after the block.

    A reader that has the old copy open keeps reading it: the rename takes only its name away.

    Args:
        target: the copy.
        changed: when that of which it is a copy was changed, ns since 1970; becomes its own time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as new:
        yield new
        # Read-only: whoever opened the copy for writing would keep readers out, and leave a log
        # that DuckDB would read into the next copy.
        new.chmod(new.stat().st_mode & 0o444)
        os.utime(new, ns=(changed, changed))
        # Whoever opened the old copy for writing may have left a log that is not the new one's.
        wal(target).unlink(missing_ok=True)


def wal(path: Path) -> Path:
    """Return the path of a DuckDB file's write-ahead log."""
    return path.with_name(path.name + ".wal")


def now() -> float:
    """Return the seconds of a clock for durations."""
    return time.perf_counter()


def _headers(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADERS)
