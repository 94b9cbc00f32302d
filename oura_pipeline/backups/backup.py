"""A backup: copies of all that cannot be made anew, of one moment, while everything goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from oura_pipeline.accounts.database import BUSY_SECONDS, FILE_NOTE
from oura_pipeline.backups import places
from oura_pipeline.backups.manifest import MANIFEST, Manifest, write_manifest
from oura_pipeline.backups.places import BackupRefused
from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.files import copy_file, new_file, private_folder, sync_to_disk
from oura_pipeline.graphite.carbon import copy_whole_lines
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.process import interrupts
from oura_pipeline.process.owners import owned
from oura_pipeline.settings import Settings

# Ticks before the runs that they asked for, and runs before their events: whatever is asked for
# twice after a restore is found to be there, and nothing is thought to be done that is not.
_DAGSTERS = ("schedules/*.db", "history/*.db", "history/runs/*.db")


def check_folder(folder: Path, settings: Settings) -> None:
    """Raise BackupRefused unless a backup of what there is can be made in this folder."""
    storage = settings.storage
    places.warehouse_file(settings)  # raises for a lake
    if not places.accounts_file(settings).exists():
        raise BackupRefused(f"there is nothing to back up in {storage.home} yet")
    for ours in (storage.home, storage.exports_path, places.dagster_folder(settings)):
        if folder.resolve().is_relative_to(ours.resolve()):
            raise BackupRefused(f"{folder} is inside {ours}, which it is a backup of: use another")
    if folder.is_mount():
        raise BackupRefused(f"{folder} is a disk of its own: name a new folder on it")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BackupRefused(f"{folder} is not empty: name a new folder")


def back_up(pipeline: Pipeline, folder: Path, progress: Callable[[str], None]) -> Manifest:
    """Copy everything into a new folder, which is there once it is whole.

    Args:
        pipeline: what to copy.
        folder: a name that is free, or an empty folder.
        progress: called with a line about each part that is copied.

    Raises:
        BackupRefused: the folder cannot be used.
        AlreadyOwned: another backup is being made.
        AccountsBusy, WarehouseBusy: somebody held a lock for too long.
    """
    settings = pipeline.settings
    check_folder(folder, settings)
    lock = settings.storage.home / "backup.lock"
    with owned(lock, "one backup is made at a time"), _becoming(folder.resolve()) as new:
        # First: it may know of less than there is in our own files, and never of more.
        _copy_dagster(places.dagster_folder(settings), new / places.DAGSTER)
        progress(_line("Dagster's records", new / places.DAGSTER))
        made_at = _copy_ours(pipeline, new, progress)
        manifest = write_manifest(new, made_at)
        progress(_line(f"list with the sha256 of {len(manifest.files)} files", new / MANIFEST))
    return manifest


@contextmanager
def _becoming(folder: Path) -> Iterator[Path]:
    """Yield a new folder that gets its name after the block, and is deleted when that raises."""
    new = new_file(folder)  # what is left by a kill under this name, nobody takes for a backup
    shutil.rmtree(new, ignore_errors=True)
    private_folder(new)
    try:
        yield new
        interrupts.check()
        new.rename(folder)
        sync_to_disk(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy_dagster(folder: Path, target: Path) -> None:
    for pattern in _DAGSTERS:
        for path in sorted(folder.glob(pattern)):
            copy = target / path.relative_to(folder)
            private_folder(copy.parent)
            try:
                _copy_sqlite(path, copy)
            except sqlite3.OperationalError:
                if path.exists():
                    raise
                copy.unlink(missing_ok=True)  # a run that was deleted just now


def _copy_ours(pipeline: Pipeline, new: Path, progress: Callable[[str], None]) -> datetime:
    """Copy what belongs together, while nobody lands documents; return when that was."""
    settings = pipeline.settings
    progress("waiting until nothing is landing")
    with ExitStack() as held:
        # A document and its row of the ledger are written one after the other, under this lock.
        for document_type in STORED_TYPES:
            held.enter_context(pipeline.landing(document_type))
        held.enter_context(pipeline.accounts.keys.unchanged())
        held.enter_context(pipeline.warehouse.copied(new / places.WAREHOUSE))
        made_at = datetime.now(UTC)
        progress(_line("warehouse", new / places.WAREHOUSE))
        _copy_sqlite(places.accounts_file(settings), new / places.ACCOUNTS)
        for path in (settings.storage.token_key_path, settings.storage.session_key_path):
            if path.exists():
                copy_file(path, new / path.name)
        progress(_line("accounts and keys", new / places.ACCOUNTS))
        # After the ledger: what counts as delivered there is in the file.
        copy_whole_lines(settings.storage.graphite_log_path, new / places.POINTS)
        progress(_line("file of points", new / places.POINTS))
    return made_at


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as it is at one moment, whoever writes to it."""
    address = f"{source.as_uri()}?mode=rw"  # does not create it
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written, progress=lambda *_: interrupts.check())
    except sqlite3.Error as error:
        error.add_note(f"{FILE_NOTE}{target}")
        raise


def _line(what: str, path: Path) -> str:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.exists())
    return f"{what}: {size / 1e6:,.1f} MB"
