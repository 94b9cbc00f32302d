"""What Graphite and the file of points hold of a person, and how it goes.

What surprises: neither graphite-web nor carbonapi can delete a metric, and a point that was sent
can never be taken back. Only the file of points is ours to write anew; whisper's folder is named,
for whoever runs the Graphite.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from oura_pipeline.files import new_file, replacing


@dataclass(frozen=True, kw_only=True)
class StoredMetrics:
    """What a Graphite holds of a person, if points of theirs were ever sent to it.

    Attributes:
        metrics: the beginning of every metric's name.
        folder: where whisper keeps them, below its own folder; everything in it is theirs.
        delete: the command, with `<whisper>` for whisper's folder.
    """

    metrics: str
    folder: str
    delete: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The same, in words."""
        return (
            f"Graphite keeps every point that was sent to it under {self.metrics}.*: neither "
            "graphite-web nor carbonapi can delete a metric.",
            f"On the machine that stores them, with whisper's folder for <whisper>: {self.delete}",
        )


def stored_metrics(prefix: str, username: str) -> StoredMetrics:
    """Where the points of a person stand in a Graphite."""
    folder = f"{prefix}.{username}".replace(".", "/")
    return StoredMetrics(
        metrics=f"{prefix}.{username}", folder=f"{folder}/", delete=f"rm -r <whisper>/{folder}"
    )


def remove_lines(path: Path, metrics: str) -> int:
    """Write the file of points, and every rotated one beside it, without those of a person.

    Args:
        path: the file that `FileSender` appends to; it waits meanwhile.
        metrics: the beginning of their metrics' names, without a dot at its end.

    Returns:
        How many lines went.
    """
    if not path.parent.is_dir():
        return 0
    with FileLock(f"{path}.lock"):
        new_file(path).unlink(missing_ok=True)  # a crash may have left lines of theirs in it
        return sum(_without(file, f"{metrics}.".encode()) for file in _files(path))


def _files(path: Path) -> list[Path]:
    """The file and what log rotation or an operator made of it: `graphite.log.1`, `….2.gz`."""
    found = path.parent.glob(f"{path.name}*")
    return sorted(file for file in found if file.is_file() and file.suffix != ".lock")


def _without(file: Path, start: bytes) -> int:
    """Write a file anew without the lines that start like this; untouched where there is none."""
    opened = gzip.open if file.suffix == ".gz" else open
    gone = _count(file, start, opened)
    if not gone:
        return 0
    with (
        replacing(file, keep_mode=True) as new,
        opened(file, "rb") as read,
        opened(new, "wb") as written,
    ):
        written.writelines(line for line in read if not line.startswith(start))
    return gone


def _count(file: Path, start: bytes, opened: Callable[..., IO[Any]]) -> int:
    with opened(file, "rb") as read:
        return sum(line.startswith(start) for line in read)
