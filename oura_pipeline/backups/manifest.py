"""The list of a backup's files, by which a whole backup is told from anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from oura_pipeline.accounts.migrate import REVISION
from oura_pipeline.backups.places import BackupRefused
from oura_pipeline.files import sync_to_disk
from oura_pipeline.process import interrupts

MANIFEST = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A file of a backup: its path in there, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup is.

    Attributes:
        version: of the project that made it.
        accounts_schema: the version of the accounts database.
        made_at: the moment that it shows, UTC.
        files: all but this list.
    """

    version: str
    accounts_schema: str
    made_at: datetime
    files: tuple[Copied, ...]

    @property
    def size(self) -> int:
        """How many bytes there are in all files."""
        return sum(file.size for file in self.files)


def write_manifest(folder: Path, made_at: datetime) -> Manifest:
    """List the files in a folder, and write them and the list to the disk."""
    manifest = Manifest(
        version=version("oura_pipeline"),
        accounts_schema=REVISION,
        made_at=made_at,
        files=tuple(_copied(path, folder) for path in _files(folder)),
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(text + b"\n")
    for path in (folder, *folder.rglob("*")):
        sync_to_disk(path)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Return the list of a backup, once every file is as it says.

    Raises:
        BackupRefused: it is no backup, not a whole one, or not as it was made.
    """
    if is_unfinished(folder.resolve()):
        raise BackupRefused(f"{folder} is a backup that was never finished: use another one")
    manifest = _decoded(folder)
    if manifest.accounts_schema > REVISION:
        raise BackupRefused(
            f"{folder} was made by version {manifest.version}, which is newer than this one: "
            "install that version"
        )
    if strange := {path.relative_to(folder).as_posix() for path in _files(folder)} ^ {
        MANIFEST,
        *(file.name for file in manifest.files),
    }:
        raise _changed(folder, min(strange))
    for file in manifest.files:
        if _copied(folder / file.name, folder) != file:
            raise _changed(folder, file.name)
    return manifest


def is_unfinished(path: Path) -> bool:
    """Return whether a file or folder has the name of a `new_file`: a kill has left it."""
    return path.name.startswith(".") and path.suffix == ".new"


def _decoded(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupRefused(f"{folder} is no backup: it has no {MANIFEST}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _changed(folder, MANIFEST) from None


def _changed(folder: Path, name: str) -> BackupRefused:
    return BackupRefused(
        f"{folder} is not as it was made: {name} was changed, added or lost. Nothing was restored; "
        "use another backup"
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())


def _copied(path: Path, folder: Path) -> Copied:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            interrupts.check()
            size += len(block)
            digest.update(block)
    return Copied(name=path.relative_to(folder).as_posix(), size=size, sha256=digest.hexdigest())
