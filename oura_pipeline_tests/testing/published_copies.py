"""A published copy with literal rows in it, for what reads the copy and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

# Tables instead of views, with the columns that readers rely on. That the real views have them is
# tested where a whole world is synced.
TABLES = {
    "sleep_heart": "username VARCHAR, day DATE, sleep_id VARCHAR, part VARCHAR, time TIMESTAMPTZ, "
    "time_local TIMESTAMP, bpm DOUBLE, hrv_ms DOUBLE, interval_seconds DOUBLE",
    "coverage": "username VARCHAR, document_type VARCHAR, day DATE, status VARCHAR, "
    "documents BIGINT, asked_at TIMESTAMPTZ, error VARCHAR, brought BIGINT",
    "fetches": "username VARCHAR, document_type VARCHAR, day DATE, status VARCHAR, "
    "documents BIGINT, error VARCHAR, asked_at TIMESTAMPTZ",
    "daily_records": "username VARCHAR, day DATE, metric_type VARCHAR, source VARCHAR, "
    "metrics JSON",
    "steps": "username VARCHAR, day DATE, steps BIGINT, parts STRUCT(a INTEGER, b DOUBLE[])",
    "readme": "table_name VARCHAR, description VARCHAR",
    "offsets": "username VARCHAR, since TIMESTAMPTZ, utc_offset_seconds INTEGER",
}

Rows = Sequence[tuple[Any, ...]]


@contextmanager
def writable_copy(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the copy at a path for writing; make it when it is not there."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA IF NOT EXISTS oura")
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS oura.{name} ({columns})")
        yield connection


def insert_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: Rows) -> None:
    """Insert rows into one of the tables."""
    for row in rows:
        connection.execute(
            f"INSERT INTO oura.{name} VALUES ({', '.join('?' * len(row))})",
            list(row),
        )


@contextmanager
def readable_copy(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the copy at a path as readers do."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
