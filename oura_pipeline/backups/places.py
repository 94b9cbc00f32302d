"""The files of a backup, and where each belongs."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from oura_pipeline.accounts.database import parsed_url
from oura_pipeline.settings import Settings, dagster_home

ACCOUNTS = "accounts.sqlite"
WAREHOUSE = "warehouse.duckdb"
POINTS = "graphite.log"
TOKEN_KEY, SESSION_KEY = "token.key", "session.key"
DAGSTER = "dagster"


class BackupRefused(Exception):
    """A backup cannot be made, or restored; nothing was changed."""


def place_of(name: str, settings: Settings) -> Path | None:
    """Return where a file of a backup, by its path in there, belongs; None for what is none."""
    storage = settings.storage
    places = {
        ACCOUNTS: accounts_file(settings),
        WAREHOUSE: warehouse_file(settings),
        POINTS: storage.graphite_log_path,
        TOKEN_KEY: storage.token_key_path,
        SESSION_KEY: storage.session_key_path,
    }
    first, *rest = PurePosixPath(name).parts or ("",)
    if first == DAGSTER and name.endswith(".db"):
        return dagster_folder(settings).joinpath(*rest)
    return places.get(name)


def warehouse_file(settings: Settings) -> Path:
    """Return the file of the warehouse.

    Raises:
        BackupRefused: it is a DuckLake.
    """
    if path := settings.storage.warehouse_path:
        return path
    raise BackupRefused(
        "the warehouse is a DuckLake, which this does not copy: stop everything, use pg_dump and "
        "pg_restore for its catalog, and copy its files and the data folder"
    )


def accounts_file(settings: Settings) -> Path:
    """Return the file of the accounts.

    Raises:
        BackupRefused: they are on Postgres.
    """
    url = parsed_url(settings.storage.accounts_url)
    if url.get_backend_name() != "sqlite":
        raise BackupRefused(
            "the accounts are on Postgres, which this does not copy: stop everything, use pg_dump "
            "and pg_restore for them, and copy the data folder"
        )
    return Path(url.database or "").absolute()


def dagster_folder(settings: Settings) -> Path:
    """Return the folder of Dagster's records."""
    return dagster_home() or settings.storage.home / DAGSTER
