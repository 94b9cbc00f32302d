"""How the tests let time go by: what stands in the database becomes older."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path


def age(home: Path, table: str, column: str, by: timedelta) -> None:
    """Every instant in a column was so much earlier."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        for row, at in rows:
            earlier = datetime.fromisoformat(at) - by
            change = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
            connection.execute(change, (f"{earlier:%Y-%m-%d %H:%M:%S.%f}", row)).close()
        connection.commit()
