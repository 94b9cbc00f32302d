"""The published copy: a whole DuckDB file that takes the place of the previous one at once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from oura_pipeline.files import copy_file, replacing
from oura_pipeline.warehouse.connection import ONE_CORE, SETTINGS, statements_interruptible
from oura_pipeline.warehouse.views.storing import LARGE, TOO_LARGE, store_views

_HEADERS = 3 * 4096  # bytes: DuckDB's main header and its two database headers
_DIGEST = 16  # bytes at the end of a copy
_MEMORY = "512MB"  # for computing views


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
    # The copy gets its source's time of change.
    return source.stat().st_mtime_ns == target.stat().st_mtime_ns and (
        _state(source) == _last_bytes(target)
    )


def swap_in(source: Path, target: Path) -> None:
    """Replace `target` by a copy of a closed DuckDB file, durably and at once."""
    with replacing_copy(target, source.stat().st_mtime_ns) as new:
        copy_file(source, new)
        store_views_if_large(new)
        with new.open("ab") as file:
            # By this `is_current` knows of what it is a copy. DuckDB reads no byte after its own.
            file.write(_state(source))


def store_views_if_large(new: Path) -> None:
    """Let a closed copy, if it is large, have tables in the place of views that take long."""
    if not LARGE <= new.stat().st_size <= TOO_LARGE:
        return
    with duckdb.connect(str(new), config=SETTINGS | ONE_CORE) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # A view that would need more stays one. Nothing spills into files that a crash leaves.
        connection.execute(f"SET memory_limit = '{_MEMORY}'; SET temp_directory = ''")
        with statements_interruptible(connection):
            store_views(connection)


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
        # Whoever was killed while computing its tables left one, of data that may be gone by now.
        wal(new).unlink(missing_ok=True)
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


def _state(path: Path) -> bytes:
    """Return a digest of DuckDB's headers: a counter of checkpoints and where the data are."""
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(_HEADERS), digest_size=_DIGEST).digest()


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _DIGEST))
        return file.read()
