"""Documents on disk between the fetch and the landing, so that memory does not grow with them."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec
from filelock import FileLock, Timeout

from oura_pipeline.days import ONE_DAY, batched
from oura_pipeline.warehouse.errors import UnusableDocuments

logger = logging.getLogger(__name__)

SPOOL = "spool"  # name of the folder

# Separators are control characters: no JSON text may hold them, so nothing is quoted, every
# document keeps its exact text, and DuckDB reads the file in parallel.
SEPARATOR = "\x1f"
LINE_BREAKS = "\n\r"
# Line breaks between two tokens of a document are the exception: they are stored as these.
STAND_INS = "\x1e\x1d"

_TO_STAND_INS = bytes.maketrans(LINE_BREAKS.encode(), STAND_INS.encode())
_FORBIDDEN = b"\x00" + (SEPARATOR + STAND_INS).encode()
_BATCH = 1000  # documents; a night has some 10 kB
_FILE_BYTES = 2_000_000  # so that some days can be read without the others


class Spooled(Protocol):
    """A document with Oura's day and its JSON exactly as received."""

    @property
    def day(self) -> date:
        """Oura's day."""
        ...

    @property
    def raw(self) -> bytes:
        """The JSON, UTF-8."""
        ...


class Unusable(Protocol):
    """A document that cannot be landed: what is known of it, and why."""

    @property
    def day(self) -> date | None:
        """Oura's day; None: unknown."""
        ...

    @property
    def id(self) -> str | None:
        """Oura's identifier; None: unknown."""
        ...

    @property
    def reason(self) -> str:
        """Why it cannot be landed."""
        ...

    @property
    def raw(self) -> bytes:
        """As received."""
        ...


@dataclass
class SpoolFile:
    """A file of one person's documents: its bytes, and the first and the last day in it."""

    path: Path
    first_day: date
    last_day: date
    size: int = 0


class Spool:
    """The fetched documents of one type, files of each person; any number of threads may add.

    Attributes:
        folder: where the files lie.
        longest_document: bytes of the longest document.
        longest_unusable: bytes of the longest line in `unusable_files`.
        has_line_breaks: whether a document holds line breaks.
        regular: whether all documents certainly hold what the table of document types says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.longest_document = self.longest_unusable = 0
        self.has_line_breaks = False
        self.regular = True
        self._files: dict[str, list[SpoolFile]] = {}
        self._created = 0
        self._unusable: dict[str, Path] = {}
        self._discarded: set[str] = set()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs to land what is in the files."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """Be another process's spool, whose folder somebody keeps open."""
        vars(self).update(state, _lock=threading.Lock())

    def add(
        self,
        username: str,
        documents: Iterable[Spooled],
        requested: bool = True,
        *,
        regular: bool = False,
    ) -> None:
        """Append documents of requested days, or (`requested=False`) of other days.

        They are searched for odd values and unknown fields when they land, unless they are regular.

        Raises:
            UnusableDocuments: a document is not UTF-8, or holds characters that JSON forbids.
        """
        # Joined and checked in batches: a document at a time is a system call each.
        for batch in batched(documents, _BATCH):
            raws = [bytes(document.raw) for document in batch]
            days = [document.day for document in batch]
            broken = _has_line_breaks(username, raws)
            if broken:
                # Breaks inside JSON strings are escaped, so those found stand between tokens.
                raws = [raw.translate(_TO_STAND_INS) for raw in raws]
            starts = {day: _line_prefix(username, day, requested) for day in {*days}}
            lines = [b"%b%b\n" % (starts[day], raw) for day, raw in zip(days, raws, strict=True)]
            self._write(username, b"".join(lines), starts, max(map(len, raws)), broken)
            self.regular = self.regular and regular

    def discard(self, username: str) -> None:
        """Drop this person's documents for good: half an answer must not land."""
        with self._lock:
            self._discarded.add(username)
            self._remove(username)

    def forget(self, username: str) -> None:
        """Drop this person's documents, so that others can be added."""
        with self._lock:
            self._remove(username)

    def set_aside(self, username: str, documents: Iterable[Unusable]) -> None:
        """Append documents that cannot be landed, as JSON lines."""
        lines = [_unusable_line(username, document) for document in documents]
        with self._lock:
            if not lines or username in self._discarded:
                return
            name = f"{len(self._unusable)}.{username}.unusable"
            with self._unusable.setdefault(username, self.folder / name).open("ab") as file:
                file.writelines(lines)
            self.longest_unusable = max(self.longest_unusable, *map(len, lines))

    @property
    def discarded(self) -> frozenset[str]:
        """The people whose documents were discarded."""
        with self._lock:
            return frozenset(self._discarded)

    def bytes_of(self, usernames: Iterable[str]) -> int:
        """Return how many bytes these people's documents have."""
        with self._lock:
            return sum(file.size for who in {*usernames} for file in self._files.get(who, ()))

    def spooled(self, usernames: Iterable[str]) -> list[SpoolFile]:
        """Return the files of those people who have documents, in order of arrival."""
        wanted = set(usernames)
        with self._lock:
            return [file for who, files in self._files.items() if who in wanted for file in files]

    def pieces(
        self, usernames: Iterable[str], first_day: date, last_day: date, *, heaviest: int
    ) -> list[tuple[date, date]]:
        """Return these days in pieces whose documents have about that many bytes: first, last."""
        pieces, begins, ends, total = [], first_day, date.min, 0
        for file in sorted(self.spooled(usernames), key=lambda file: file.first_day):
            if total + file.size > heaviest and begins <= ends < last_day:
                pieces.append((begins, ends))
                begins, total = ends + ONE_DAY, 0
            total += file.size
            ends = max(ends, file.last_day)
        return [*pieces, (begins, last_day)]

    def unusable_files(self, usernames: Iterable[str]) -> list[Path]:
        """Return the files, JSON lines, of what cannot be landed of these people."""
        wanted = set(usernames)
        with self._lock:
            return [path for username, path in self._unusable.items() if username in wanted]

    def _remove(self, username: str) -> None:
        for file in self._files.pop(username, ()):
            file.path.unlink(missing_ok=True)
        if path := self._unusable.pop(username, None):
            path.unlink(missing_ok=True)

    def _write(
        self, username: str, lines: bytes, days: Collection[date], longest: int, broken: bool
    ) -> None:
        with self._lock:
            # Another thread may still be adding pages of a person whose fetch has failed.
            if username in self._discarded:
                return
            file = self._file(username, days)
            with file.path.open("ab") as opened:
                opened.write(lines)
            file.size += len(lines)
            file.first_day = min(file.first_day, *days)
            file.last_day = max(file.last_day, *days)
            self.longest_document = max(self.longest_document, longest)
            self.has_line_breaks = self.has_line_breaks or broken

    def _file(self, username: str, days: Collection[date]) -> SpoolFile:
        """Return the file that a person's documents of these days are appended to."""
        files = self._files.setdefault(username, [])
        if not files or files[-1].size >= _FILE_BYTES:
            # The number keeps names apart that a file system without case takes for one.
            path = self.folder / f"{self._created}.{username}"
            self._created += 1
            files.append(SpoolFile(path, min(days), max(days)))
        return files[-1]


@contextmanager
def open_spool(folder: Path, name: str) -> Iterator[Spool]:
    """Open a spool in `folder`, deleted with the block; delete those of crashed processes first."""
    # Health data: nobody else on the machine may read them.
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / "lock"):
        _remove_abandoned(folder)
        # Under the lock of the folder, or another process could delete it before it is held.
        own = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder))
        # The operating system releases it when a process dies: what is not held was abandoned. A
        # generator may be closed by another thread, hence not thread-local.
        held = FileLock(own / "held", thread_local=False)
        held.acquire()
    try:
        yield Spool(own)
    finally:
        held.release()
        shutil.rmtree(own, ignore_errors=True)


def remove_abandoned(folder: Path) -> int:
    """Delete what crashed processes have spooled; return how many spools that were."""
    if not folder.is_dir():
        return 0
    with FileLock(folder / "lock"):
        return _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> int:
    """Delete the spools that no process holds; the caller holds the lock of the folder."""
    removed = 0
    for left in folder.iterdir():
        if not left.is_dir():
            continue
        held = FileLock(left / "held")
        try:
            held.acquire(timeout=0)
        except Timeout:
            continue
        held.release()
        shutil.rmtree(left, ignore_errors=True)
        removed += 1
        logger.info("removed what a crashed run had spooled: %s", left.name)
    return removed


def _unusable_line(username: str, document: Unusable) -> bytes:
    columns = {
        "username": username,
        "day": document.day,
        "id": document.id,
        "reason": document.reason,
        # What is no UTF-8 is readable like this, and harmless to DuckDB.
        "document": document.raw.decode(errors="backslashreplace"),
    }
    return msgspec.json.encode(columns) + b"\n"


def _line_prefix(username: str, day: date, requested: bool) -> bytes:
    return SEPARATOR.join((username, day.isoformat(), str(int(requested)), "")).encode()


def _has_line_breaks(username: str, raws: list[bytes]) -> bool:
    """Return whether a document holds line breaks; refuse what can be no JSON."""
    # DuckDB must never see broken UTF-8: it can abort the process.
    text = b"".join(raws)
    try:
        text.decode()
    except UnicodeDecodeError:
        raise UnusableDocuments("a document is not UTF-8", [username]) from None
    if len(text.translate(None, _FORBIDDEN)) != len(text):
        raise UnusableDocuments(
            "a document holds control characters, which JSON forbids", [username]
        )
    return b"\n" in text or b"\r" in text
