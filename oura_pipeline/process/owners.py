"""Files that say that a process lives: locked by it, and free again however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyOwned(Exception):
    """Another process owns what this one wants."""


@contextmanager
def owned(path: Path, subject: str) -> Iterator[int]:
    """Own a file for the length of the block; yield its descriptor, with which a child owns it too.

    Args:
        path: the file; created with its folder.
        subject: what is owned, for the message.

    Raises:
        AlreadyOwned: another process does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            # Not a lock of `filelock`, which empties the file and does not outlive its process.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyOwned(
                f"{subject}: process {file.read() or '?'} does so already; stop it first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def is_owned(path: Path) -> bool:
    """Return whether a process that lives owns a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
