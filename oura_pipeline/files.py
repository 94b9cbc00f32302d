"""Files that are whole, durable and, where they hold a secret, private."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

OTHERS = 0o077  # what the group and everybody else may do
_FICLONE = 0x40049409  # ioctl of Linux: share the blocks of another file until one is written
_OURS = {"budget.sqlite", "dagster", "token.key"}  # one of them is in every data folder


@contextmanager
def replacing(path: Path, *, keep_mode: bool = False, concurrent: bool = False) -> Iterator[Path]:
    """Yield the name of a new file that takes the place of `path` after the block.

    Readers see the old file or the whole new one, also after a power cut. The old one stays when
    the block raises, or removes the new file.

    Args:
        path: the file to replace; its folder must exist.
        keep_mode: whether the new file gets the mode of the old one.
        concurrent: whether several may be replacing this file at once.
    """
    new = new_file(path)
    if concurrent:  # neither may end up with half of the other's file
        new = new.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    new.unlink(missing_ok=True)
    try:
        yield new
        if new.exists():
            if keep_mode:
                shutil.copymode(path, new)
            sync_to_disk(new)
            new.replace(path)
            sync_to_disk(path.parent)
    finally:
        new.unlink(missing_ok=True)


def new_file(path: Path) -> Path:
    """Return where the new file for `path` is prepared; a crash leaves it there."""
    # Always the same name: crashes leave one file, which the next attempt removes.
    return path.with_name(f".{path.name}.new")


def copy_file(source: Path, target: Path) -> None:
    """Copy what is in a file into a new one."""
    try:
        with source.open("rb") as read, target.open("xb") as written:
            _copy(read, written)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk does not say
        raise


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write a file, and the folders above it, unless it holds this already; return whether."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, concurrent=True) as new:
        new.write_bytes(content)
    return True


def create_private(path: Path, content: str) -> None:
    """Create a file that only its owner can read, unless there is one.

    Of several processes one creates it, and nobody sees half of it.
    """
    private_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp creates it as 0600
            file.write(content)
        sync_to_disk(new)
        with suppress(FileExistsError):
            path.hardlink_to(new)  # unlike a rename it never replaces another process's file
    finally:
        new.unlink()
    sync_to_disk(path.parent)


def keep_private(home: Path) -> None:
    """Make the data folder, and what this process creates from now on, its owner's alone.

    An older version, or somebody who made the folder by hand, may have left it open to others.
    """
    os.umask(OTHERS)  # DuckDB, SQLite and Dagster create files themselves
    private_folder(home)
    if not is_private(home) and _is_data_folder(home):
        _close(home)  # first: what is in it is out of reach from here on
        for path in home.rglob("*"):
            _close(path)


def open_to_others(*places: Path) -> Iterator[Path]:
    """Yield the files and folders, among these and in them, that not only their owner may use."""
    for place in places:
        for path in (place, *(sorted(place.rglob("*")) if place.is_dir() else ())):
            with suppress(FileNotFoundError):  # Dagster and DuckDB remove files at any moment
                if not path.is_symlink() and not is_private(path):
                    yield path


def private_folder(path: Path) -> None:
    """Create a folder that only its owner can read; one that exists stays as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def is_private(path: Path) -> bool:
    """Return whether nobody but its owner may read or write a file."""
    return path.stat().st_mode & OTHERS == 0


def _copy(read: BinaryIO, written: BinaryIO) -> None:
    # Share blocks if the file system can, else let the kernel copy, else copy here.
    try:
        fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
    except OSError:
        pass
    else:
        return
    try:
        # Up to a gigabyte per call: the kernel may copy less, and returns 0 at the end.
        while os.copy_file_range(read.fileno(), written.fileno(), 1 << 30):
            pass
    except (AttributeError, OSError):
        read.seek(0)
        written.seek(0)
        written.truncate()
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()


def _is_data_folder(path: Path) -> bool:
    """Return whether a folder is empty or ours, and not, say, /tmp."""
    if path.stat().st_uid != os.getuid():
        return False
    names = {entry.name for entry in path.iterdir()}
    return not names or bool(names & _OURS)


def _close(path: Path) -> None:
    # Gone by now, or somebody else's: `doctor` names what is still open.
    with suppress(FileNotFoundError, PermissionError):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def sync_to_disk(path: Path) -> None:
    """Make a file's content, or the renames in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
