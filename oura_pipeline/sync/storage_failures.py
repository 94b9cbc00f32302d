"""What a disk, a file or a database refused, in one line: which file, how much room, what stays."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from socket import gaierror
from tempfile import gettempdir

import duckdb
from sqlalchemy.exc import DBAPIError

from oura_pipeline.accounts.database import FILE_NOTE
from oura_pipeline.settings import load_settings

_FULL = re.compile(
    "|".join(
        re.escape(text)
        for text in (
            "database or disk is full",
            *(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)),
        )
    )
)
# SQLite says of a full disk also this, of a broken one, and of a file that may not grow.
_UNCLEAR = "disk I/O error"
_OF_A_LIMIT = tuple(os.strerror(number) for number in (errno.EDQUOT, errno.EFBIG))
_REASONS = (
    *(_UNCLEAR, "attempt to write a readonly database", "unable to open database file"),
    "database disk image is malformed",
    *(
        os.strerror(number)
        for number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EIO)
    ),
)
_OF_A_NETWORK = (
    *(errno.EADDRINUSE, errno.EADDRNOTAVAIL),
    *(errno.ENETUNREACH, errno.EHOSTUNREACH),
)
_DUCKDB_FILE = re.compile(r'"(?P<path>/[^"]+)"')
_SPARE = 64 * 2**20  # Dagster's records and the spool of a run
_MEGABYTE = 2**20
_KEPT = "What was there before is kept, and nothing is half written"


def storage_failure(error: BaseException, *, to_operator: bool = True) -> str | None:
    """Return what is wrong with a disk, file or database, in one line; None: nothing is.

    Args:
        error: any error; those that it came from are looked at, too.
        to_operator: whether paths may be named, and any error of the system: Dagster must not
            learn the names of people's files.
    """
    for one in _chain(error):
        if isinstance(one, (DBAPIError, sqlite3.Error, duckdb.Error, OSError)):
            reason = _reason(one)
            if reason is not None and (to_operator or _known_reason(reason)):
                return _line(_name(_file(one), with_path=to_operator), _file(one), reason)
    return None


def storage_failure_in(text: str) -> str | None:
    """Return the same of an error of which only the text is left, such as Dagster's records."""
    reason = _known_reason(text)
    if _KEPT in text:  # it is such a line already, behind the name of its class
        return text.strip().partition(": ")[2]
    if reason is None:
        return None
    found = _DUCKDB_FILE.search(text)
    file = Path(found["path"]) if found else None
    return _line(_name(file, with_path=True), file, reason)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _reason(error: Exception) -> str | None:
    """Return what the system says; never the rows or the statement that an error may quote."""
    match error:
        case BrokenPipeError() | ConnectionError() | TimeoutError() | gaierror():
            return None  # of a network, or of whoever reads our output
        case OSError(errno=number) if number in _OF_A_NETWORK:
            return None
        case OSError(strerror=str(reason)):
            return reason
        case DBAPIError(orig=BaseException()):
            return _known_reason(str(error.orig))
        case _:
            return _known_reason(str(error))


def _known_reason(text: str) -> str | None:
    if found := _FULL.search(text):
        return found[0]
    return next((reason for reason in _REASONS if reason in text), None)


def _file(error: Exception) -> Path | None:
    if isinstance(error, OSError):
        return Path(os.fsdecode(error.filename)) if error.filename else None
    for note in getattr(error, "__notes__", ()):
        if note.startswith(FILE_NOTE):
            return Path(note.removeprefix(FILE_NOTE))
    found = _DUCKDB_FILE.search(str(error)) if isinstance(error, duckdb.Error) else None
    return Path(found["path"]) if found else None


def _name(file: Path | None, *, with_path: bool) -> str:
    storage = load_settings().storage
    if file is None:
        return f"a file in {_fullest_folder()}" if with_path else "a file of the data folder"
    ours = (storage.warehouse_path, storage.analytics_path, storage.graphite_log_path)
    is_ours = file in ours or file.suffix in (".sqlite", ".wal")
    return str(file) if with_path else file.name if is_ours else "a file"


def _line(name: str, file: Path | None, reason: str) -> str:
    free, needed = _free(file or _fullest_folder()), needed_room()
    is_full = bool(_FULL.search(reason))
    if reason in _OF_A_LIMIT or (is_full and free > needed) or (reason == _UNCLEAR and _limit()):
        return (
            f"{name} could not be written ({reason}), though {_megabytes(free)} is free: a quota, "
            f"or a limit of file sizes (`ulimit -f`), is reached. {_KEPT}: raise it, and run it "
            "again"
        )
    if is_full or (reason == _UNCLEAR and free < _MEGABYTE):
        return (
            f"the disk is full, and {name} could not be written: {_megabytes(free)} is free, and "
            f"about {_megabytes(needed)} is needed. {_KEPT}: make room, and run it again"
        )
    return f"{name}: {reason}. {_KEPT}: put it right, and run it again"


def _limit() -> bool:
    """Return whether files of this process may not grow as they like."""
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY


def _fullest_folder() -> Path:
    """Return which of the folders that are written to has the least room."""
    # An error of a file that is open already does not name it.
    storage = load_settings().storage
    return min(storage.home, storage.warehouse_folder, Path(gettempdir()), key=_free)


def _free(path: Path) -> int:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(there).free


def needed_room() -> int:
    """Return how many bytes of a disk should be free."""
    # The published copy is made beside the old one, where the file system cannot share blocks.
    warehouse = load_settings().storage.warehouse_path
    return _SPARE + (warehouse.stat().st_size if warehouse and warehouse.exists() else 0)


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.0f} MB" if count >= _MEGABYTE else "less than 1 MB"
