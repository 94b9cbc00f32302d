"""Files as whoever looks for secrets in them has to read them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from oura_pipeline.defs.event_texts import unpacked

PACKED = {"event_logs": "event", "asset_check_executions": "evaluation_event"}


def readable(path: Path) -> bytes:
    """The bytes of a file, and the texts of Dagster's events that are packed in it."""
    written = path.read_bytes()
    return written + packed_texts(path) if is_event_log(path) else written


def is_event_log(path: Path) -> bool:
    return path.parent.name == "runs" and path.suffix == ".db"


def packed_texts(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as database:
        found = [
            unpacked(value)
            for table, column in PACKED.items()
            for (value,) in database.execute(f"SELECT {column} FROM {table}")
            if isinstance(value, bytes)
        ]
    return "\n".join(found).encode()
