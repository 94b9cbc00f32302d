"""The files of a member's own export, in a ZIP archive, a folder or alone; nothing is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.process import interrupts

# Many years are some hundred MB, in some sixty files.
LARGEST_FILE = 1_000_000_000  # bytes, unpacked
LARGEST_EXPORT = 3_000_000_000
MOST_FILES = 5000
# What people measure shrinks to a twentieth; nothing but zeros to a thousandth.
_HIGHEST_RATIO, _SMALL = 200, 10_000_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGED = "a file in it is damaged: download it from Oura again"
_CHUNK = 1 << 20
_NO_FILES = ("__MACOSX", ".DS_Store")
_SUFFIXES = (".csv", ".json")


@dataclass(frozen=True, kw_only=True)
class ExportMember:
    """A file of an export.

    Attributes:
        name: its path inside, with slashes.
        size: bytes, unpacked.
        open: opens it to read bytes.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The files of an export that hold tables, and when Oura made it, UTC."""

    members: tuple[ExportMember, ...]
    made_at: datetime


# Whatever a damaged archive, or one that was made to do harm, raises while it is read.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def verify(member: ExportMember) -> None:
    """Read a file of an export once, so that none that is damaged is found out half-way.

    Raises:
        ExportRefused: it is damaged.
    """
    try:
        with member.open() as stream:
            while stream.read(_CHUNK):
                interrupts.check()
    except _DAMAGE:
        raise ExportRefused(_DAMAGED) from None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an export; its files can be read until the block ends.

    Raises:
        ExportRefused: it is no export, or harmful.
    """
    if path.is_dir():
        yield _of_files({file.relative_to(path): file for file in sorted(path.rglob("*"))})
    elif path.suffix.lower() in _SUFFIXES:
        yield _of_files({Path(path.name): path})
    else:
        with _opened(path) as archive:
            yield _of_zip(archive, path)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    # Besides its own error: bytes that are no date, no name, or of a later version.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise ExportRefused(
            "this is no ZIP file, or not all of it: download Oura's file again, and give it as "
            "it is"
        ) from None
    with archive:
        yield archive


def _of_files(files: dict[Path, Path]) -> Archive:
    found = {inside: file for inside, file in files.items() if file.is_file()}
    members = [
        ExportMember(name=inside.as_posix(), size=file.stat().st_size, open=_opener(file))
        for inside, file in found.items()
    ]
    times = [file.stat().st_mtime for file in found.values()]
    return _checked(members, datetime.fromtimestamp(max(times, default=0), UTC))


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: file.open("rb")


def _of_zip(archive: zipfile.ZipFile, path: Path) -> Archive:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES:
        raise ExportRefused(f"it has {len(infos)} files, an export of Oura's has some sixty")
    for info in infos:
        _check(info)
    members = [
        ExportMember(name=info.filename, size=info.file_size, open=_member_opener(archive, info))
        for info in infos
    ]
    return _checked(members, _made_at(infos, path))


def _member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _check(info: zipfile.ZipInfo) -> None:
    """Refuse a file that is not to be unpacked."""
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    # `orig_filename` still has what follows a zero byte.
    outside = info.filename.startswith(("/", "\\")) or ".." in parts or ":" in info.filename
    if outside or "\0" in info.orig_filename or not info.filename.isprintable():
        raise ExportRefused("a file in it has a path that leads out of the archive")
    if info.header_offset < 0:  # a part is missing before it
        raise ExportRefused(_DAMAGED)
    if info.flag_bits & _ENCRYPTED:
        raise ExportRefused("it is protected by a password: unpack it, and give the folder")
    if info.compress_type not in _METHODS:
        raise ExportRefused("it is packed in another way than Oura's are")
    if info.file_size > _SMALL and info.file_size > _HIGHEST_RATIO * max(info.compress_size, 1):
        raise ExportRefused("a file in it would grow by more than what was measured can")


def _checked(members: list[ExportMember], made_at: datetime) -> Archive:
    """Return the files that hold tables; refuse what is too much."""
    if any(member.size > LARGEST_FILE for member in members):
        raise ExportRefused(f"a file in it has more than {LARGEST_FILE // 10**6:,} MB")
    if sum(member.size for member in members) > LARGEST_EXPORT:
        raise ExportRefused(f"its files have more than {LARGEST_EXPORT // 10**6:,} MB together")
    kept = [member for member in members if _is_table(PurePosixPath(member.name))]
    twice = [name for name, many in Counter(member.name for member in kept).items() if many > 1]
    if twice:
        raise ExportRefused("a file is in it twice")
    return Archive(members=tuple(kept), made_at=min(made_at, datetime.now(UTC)))


def _is_table(name: PurePosixPath) -> bool:
    # macOS puts a second file beside each when it packs a folder.
    hidden = name.name.startswith(".") or any(part in _NO_FILES for part in name.parts)
    return name.suffix.lower() in _SUFFIXES and not hidden


def _made_at(infos: list[zipfile.ZipInfo], path: Path) -> datetime:
    """Return the newest time in the archive, or that of the archive where it has none."""
    newest = max((info.date_time for info in infos), default=(1980, 1, 1, 0, 0, 0))
    try:
        # Without a zone; half a day more or less decides nothing.
        made_at = datetime(*newest, tzinfo=UTC)
    except ValueError:  # a month 0, an hour 31
        made_at = datetime.min.replace(tzinfo=UTC)
    if made_at.year > 1980:  # which is how archives write that they do not know
        return made_at
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
