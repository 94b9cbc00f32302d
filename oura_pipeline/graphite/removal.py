"""Remove a person's points from the file of points, and say how to remove them from Graphite."""

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
    """Where a Graphite keeps a person's points, if any were ever sent to it.

    Attributes:
        metrics: the beginning of every metric name, without a dot at its end.
        folder: below whisper's own folder; everything in it is theirs.
        delete: the command that deletes it, with `<whisper>` for whisper's folder.
        gone: whether VictoriaMetrics has deleted them.
    """

    metrics: str
    folder: str
    delete: str
    gone: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what the operator has to do, or that it is done."""
        if self.gone:
            return (
                f"VictoriaMetrics has deleted everything under {self.metrics}.*; its files lose it "
                "when they are merged.",
            )
        # Carbon has no command to delete a point or a metric, and graphite-web none either.
        return (
            f"Graphite still has every point that was sent to it under {self.metrics}.*: neither "
            "graphite-web nor carbonapi can delete a metric.",
            f"Delete them on the machine that stores them, with whisper's folder for <whisper>: "
            f"{self.delete}",
        )


def stored_metrics(prefix: str, username: str) -> StoredMetrics:
    """Return where a Graphite keeps a person's points."""
    folder = f"{prefix}.{username}".replace(".", "/")
    return StoredMetrics(
        metrics=f"{prefix}.{username}", folder=f"{folder}/", delete=f"rm -r <whisper>/{folder}"
    )


def remove_lines(path: Path, metrics: str) -> int:
    """Remove a person's lines from the file of points and from every rotated one beside it.

    Args:
        path: the file that `FileSender` appends to; it waits meanwhile.
        metrics: the beginning of their metric names, without a dot at its end.

    Returns:
        How many lines were removed.
    """
    if not path.parent.is_dir():
        return 0
    with FileLock(f"{path}.lock"):
        new_file(path).unlink(missing_ok=True)  # a crash may have left lines of theirs in it
        # With the dot: `bio.ada` must not take the lines of `bio.adam`.
        return sum(_remove_from(file, f"{metrics}.".encode()) for file in _files(path))


def _files(path: Path) -> list[Path]:
    """Return the file and its rotated ones: `graphite.log`, `graphite.log.1`, `….2.gz`."""
    found = path.parent.glob(f"{path.name}*")
    return sorted(file for file in found if file.is_file() and file.suffix != ".lock")


def _remove_from(file: Path, start: bytes) -> int:
    """Remove the lines with this start from a file; leave it untouched where there are none."""
    opened = gzip.open if file.suffix == ".gz" else open
    removed = _count(file, start, opened)
    if not removed:
        return 0
    with (
        replacing(file, keep_mode=True) as new,
        opened(file, "rb") as source,
        opened(new, "wb") as target,
    ):
        target.writelines(line for line in source if not line.startswith(start))
    return removed


def _count(file: Path, start: bytes, opened: Callable[..., IO[Any]]) -> int:
    with opened(file, "rb") as source:
        return sum(line.startswith(start) for line in source)
