"""How the tests go back in time: to earlier schemas, and to rows that are older."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from oura_pipeline.accounts.migrate import SCRIPTS


def age(home: Path, table: str, column: str, by: timedelta) -> None:
    """Every instant in a column was so much earlier."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        for row, at in rows:
            earlier = datetime.fromisoformat(at) - by
            change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
            connection.execute(change, (f"{earlier:%Y-%m-%d %H:%M:%S.%f}", row)).close()
        connection.commit()


def upgrade(connection: Connection, revision: str) -> None:
    """Bring a database to the schema of an earlier version."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, revision)
