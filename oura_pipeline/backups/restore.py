"""The way back from a backup to a data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import NullPool, create_engine, select

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.encryption import load_cipher
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.backups import places
from oura_pipeline.backups.manifest import MANIFEST, Manifest, is_unfinished, read_manifest
from oura_pipeline.backups.places import BackupRefused, place_of
from oura_pipeline.files import copy_file, keep_private, new_file, private_folder, sync_to_disk
from oura_pipeline.pipeline import token_keys
from oura_pipeline.process import interrupts
from oura_pipeline.process.owners import is_owned, owned
from oura_pipeline.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored.

    Attributes:
        manifest: the list of the backup.
        people: how many are signed in in it.
        expired: how many of them have an access token that has run out since.
    """

    manifest: Manifest
    people: int
    expired: int


def restore(folder: Path, settings: Settings, progress: Callable[[str], None]) -> Restored:
    """Copy a backup into an empty data folder; all of it is checked before.

    Args:
        folder: the backup.
        settings: where everything belongs.
        progress: called with a line after each step.

    Raises:
        BackupRefused: it is not a whole backup, or there is something in its place.
        KeyRefused: no key fits the tokens in it.
        AlreadyOwned: the project runs on the data folder.
    """
    home = settings.storage.home
    _check_empty(home)
    manifest = read_manifest(folder)
    progress(f"every file is as {MANIFEST} says: {manifest.size / 1e6:,.1f} MB")
    targets = _targets(folder, manifest, settings)
    keep_private(home)
    with owned(home / "dev.lock", f"`dev` runs on {home}"), _staged(targets) as staged:
        expiries = _expiries(settings)
        _check_free(staged)
        for place, new in staged.items():
            new.rename(place)
            sync_to_disk(place.parent)
    expired = [at for at in expiries if at is not None and at < datetime.now(UTC)]
    return Restored(manifest=manifest, people=len(expiries), expired=len(expired))


def _check_empty(home: Path) -> None:
    for path in sorted(home.rglob("*")):
        if path.suffix == ".lock":
            if is_owned(path):
                raise BackupRefused(f"something of the project runs on {home}: stop it first")
        elif not path.is_dir() and not is_unfinished(path):
            raise BackupRefused(
                f"{home} has data, {path.name} for instance: move it away, or set "
                "OURA_PIPELINE_HOME to an empty folder"
            )


def _check_free(targets: Mapping[Path, Path]) -> None:
    for place in targets:
        if place.exists():
            raise BackupRefused(f"{place} exists: move it away, and restore once more")


def _targets(folder: Path, manifest: Manifest, settings: Settings) -> dict[Path, Path]:
    """Return the file of the backup for each place, in the order in which they get there."""
    targets: dict[Path, Path] = {}
    for file in manifest.files:
        place = place_of(file.name, settings)
        if place is None:
            raise BackupRefused(f"{folder} has {file.name}, which no backup has: use another one")
        targets[place] = folder / file.name
    accounts = places.accounts_file(settings)
    if accounts not in targets:
        raise BackupRefused(f"{folder} has no {places.ACCOUNTS}: use another one")
    # Last: before they are there, nobody is signed in, and nothing is fetched.
    targets[accounts] = targets.pop(accounts)
    _check_free(targets)
    return targets


def _expiries(settings: Settings) -> list[datetime | None]:
    """Return when the access tokens of those who are signed in, in the staged accounts, run out.

    Raises:
        KeyRefused: no key fits.
    """
    key_path = new_file(settings.storage.token_key_path)
    cipher = load_cipher(token_keys(settings), key_path, may_create=False)
    # Immutable: otherwise SQLite leaves files beside it.
    address = f"{new_file(places.accounts_file(settings)).as_uri()}?mode=ro&immutable=1"
    connect = partial(sqlite3.connect, address, uri=True)
    with create_engine("sqlite://", creator=connect, poolclass=NullPool).connect() as connection:
        cipher.require_one_of(connection.scalars(select(schema.tokens.c.refresh_token)).all())
        query = select(schema.tokens.c.expires_at).join(schema.people)
        connected = schema.people.c.state == PersonState.CONNECTED.value
        return list(connection.scalars(query.where(connected)))


@contextmanager
def _staged(targets: Mapping[Path, Path]) -> Iterator[dict[Path, Path]]:
    """Yield a copy beside each place; it is deleted where it has not got there."""
    staged = {place: new_file(place) for place in targets}
    try:
        for place, new in staged.items():
            interrupts.check()
            private_folder(place.parent)
            new.unlink(missing_ok=True)  # of a restore that was killed
            copy_file(targets[place], new)
            new.chmod(0o600)
            sync_to_disk(new)
        yield staged
    finally:
        for new in staged.values():
            new.unlink(missing_ok=True)
