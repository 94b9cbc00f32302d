"""Digests of views as sessions with other settings have them.

Needs DuckDB and nothing else, because other versions of DuckDB run it too.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

Digests = dict[str, tuple[int, str]]  # name of a view: its rows, and a digest of them

# Settings that fit together; between them everything that a session can change about order, time,
# texts and numbers.
SESSIONS: tuple[tuple[str, ...], ...] = (
    (
        "default_order = 'DESC'",
        "default_null_order = 'nulls_first'",
        "TimeZone = 'Pacific/Kiritimati'",
        "Calendar = 'japanese'",
        "default_collation = 'NOCASE'",
        "integer_division = true",
        "threads = 1",
        "ieee_floating_point_ops = false",
        "old_implicit_casting = true",
        "preserve_insertion_order = false",
        "perfect_ht_threshold = 0",
        "ordered_aggregate_threshold = 1",
    ),
    (
        "default_null_order = 'nulls_first_on_asc_last_on_desc'",
        "TimeZone = 'America/St_Johns'",
        "Calendar = 'islamic'",
        "default_collation = 'de'",
        "threads = 7",
        "scalar_subquery_error_on_multiple_rows = false",
        "lambda_syntax = 'DISABLE_SINGLE_ARROW'",
        "disabled_optimizers = 'filter_pushdown,statistics_propagation,common_subexpressions'",
    ),
)


def digests(path: Path, views: Iterable[str], settings: Iterable[str] = ()) -> Digests:
    """Return a digest of each view's rows, in whatever order a session with these settings has."""
    with duckdb.connect() as connection:
        # Before the file is there, because DuckDB parses its views when it is attached.
        for setting in settings:
            connection.execute(f"SET {setting}")
        connection.execute(f"ATTACH '{path}' AS theirs (READ_ONLY)")
        return {view: digest_of(connection, f"theirs.oura.{view}") for view in views}


def digest_of(connection: duckdb.DuckDBPyConnection, view: str) -> tuple[int, str]:
    """Return how many rows a view has, and a digest of them in whatever order."""
    rows = connection.execute(f"FROM {view}").fetchall()
    texts = sorted(repr(tuple(map(_text, row))) for row in rows)
    return len(rows), hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo is None else value.astimezone(UTC).isoformat()
    # Versions differ in the last digits of means.
    return f"{value:.9g}" if isinstance(value, float) else value


if __name__ == "__main__":
    print(json.dumps(digests(Path(sys.argv[1]), sys.argv[2:])))
