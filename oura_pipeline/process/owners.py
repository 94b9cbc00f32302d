"""Files that say that a process lives: locked by it, and free again however it ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class AlreadyOwned(Exception):
    """Another process owns what this one wants."""


@contextmanager
def owned(path: Path, subject: str) -> Iterator[int]:
    """Own a file for the length of the block; yield its descriptor, with which a child owns it too.

    Args:
        path: the file; created in a folder that exists.
        subject: what is owned, for the message.

    Raises:
        AlreadyOwned: another process does.
    """
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
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


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Own a file together with whoever else does, for the length of the block."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _new(path) or path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_owned(path: Path) -> bool:
    """Return whether a process that lives owns a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _new(path: Path) -> BinaryIO | None:
    """Create a file that is locked before anybody sees it; None: it exists."""
    # Without an owner it would be taken for left behind.
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        os.link(name, path)
    except FileExistsError:
        os.close(descriptor)
        return None
    finally:
        Path(name).unlink()
    return os.fdopen(descriptor, "rb")
