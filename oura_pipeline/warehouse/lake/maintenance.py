"""What a lake needs from time to time: few large files, and nothing that is no longer needed.

`CHECKPOINT` would do all of it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from oura_pipeline.warehouse.tables import literal


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """Files that were written anew, together.

    Attributes:
        read: files that were there.
        written: files in their place.
    """

    read: int
    written: int


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a lake's newest snapshot consists of."""

    files: int
    bytes: int


def size(connection: duckdb.DuckDBPyConnection) -> Size:
    """Return how many files the newest snapshot has, and their bytes, of deletions too."""
    (row,) = connection.execute(
        "SELECT sum(file_count + delete_file_count)::BIGINT, "
        "sum(file_size_bytes + delete_file_size_bytes)::BIGINT "
        f"FROM ducklake_table_info({literal(_name(connection))})"
    ).fetchall()
    return Size(files=row[0], bytes=row[1])


def merge(connection: duckdb.DuckDBPyConnection) -> Compacted:
    """Make few large files of the small ones that landings leave."""
    return _compacted(connection, "ducklake_merge_adjacent_files")


def rewrite(connection: duckdb.DuckDBPyConnection, *, deleted_share: float) -> Compacted:
    """Write those files anew of whose rows more than a share is deleted (0 to 1)."""
    return _compacted(
        connection, "ducklake_rewrite_data_files", f", delete_threshold => {deleted_share}"
    )


def expire(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Forget the snapshots of before an instant, except the newest; return how many."""
    return len(_call(connection, "ducklake_expire_snapshots", _older(before)))


def clean_up(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Delete files that no snapshot has needed since an instant; return how many."""
    return len(_call(connection, "ducklake_cleanup_old_files", _older(before)))


def remove_orphans(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Delete files of before an instant that a killed process left; return how many.

    Nobody may have begun to write since before that instant: such files look the same.
    """
    return len(_call(connection, "ducklake_delete_orphaned_files", _older(before)))


def _compacted(connection: duckdb.DuckDBPyConnection, function: str, more: str = "") -> Compacted:
    rows = _call(connection, function, more)
    return Compacted(read=sum(row[-2] for row in rows), written=sum(row[-1] for row in rows))


def _older(before: datetime) -> str:
    return f", older_than => {literal(before.isoformat())}::TIMESTAMPTZ"


def _call(connection: duckdb.DuckDBPyConnection, function: str, more: str) -> list[tuple[int, ...]]:
    return connection.execute(f"CALL {function}({literal(_name(connection))}{more})").fetchall()


def _name(connection: duckdb.DuckDBPyConnection) -> str:
    (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    return str(name)
