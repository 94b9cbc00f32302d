"""Export views and tables of the published copy to files, one per day."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import duckdb

from oura_pipeline.days import batched
from oura_pipeline.files import replacing
from oura_pipeline.warehouse.tables import SCHEMA, literal, quoted

DAYS_PER_QUERY = 31
_BATCH = "rows_of_batch"


class FileFormat(StrEnum):
    """How the rows of a file are written."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"

    @property
    def options(self) -> str:
        """Return the options of DuckDB's COPY."""
        return _OPTIONS[self]


_OPTIONS = {
    FileFormat.PARQUET: "FORMAT parquet, COMPRESSION zstd",
    FileFormat.CSV: "FORMAT csv, HEADER",
    FileFormat.JSON: "FORMAT json, ARRAY",
}


class ViewExportError(Exception):
    """An export that cannot be made; the message says in one line what can be exported."""


@dataclass(frozen=True, kw_only=True)
class ViewExport:
    """The outcome of exporting a view.

    Attributes:
        folder: where the files are.
        files: how many files there are of the view in the range.
        changed: how many of them were written; the others had the content already.
        rows: how many rows are in all of them.
    """

    folder: Path
    files: int
    changed: int
    rows: int


def export_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    folder: Path,
    *,
    file_format: FileFormat = FileFormat.PARQUET,
    username: str | None = None,
    first_day: date = date.min,
    last_day: date = date.max,
) -> ViewExport:
    """Write a view or table of the published copy to `<folder>/<name>/<day>.<format>`.

    With a username, write only that person's rows, to `<folder>/<name>/<username>/`. A view without
    a column `day` is one file, `<folder>/<name>.<format>`.

    A file whose content would not change is left alone, so that a folder of them can be synced or
    committed. A day that has no rows any more becomes a file without rows.

    Raises:
        ViewExportError: there is no such view or table, or it has no people or days to choose.
    """
    columns = _columns(connection, name)
    narrowed = (first_day, last_day) != (date.min, date.max)
    _check(name, columns, username=username, narrowed=narrowed)
    theirs = "true" if username is None else f"username = {literal(username)}"
    rows = f"{SCHEMA}.{quoted(name)} WHERE {theirs}"
    if "day" in columns:
        target = folder / name if username is None else child_path(folder / name, username)
        rows += f" AND day BETWEEN {_literal(first_day)} AND {_literal(last_day)}"
        # A day whose rows are gone has a file that would be read as if they were still there.
        existing = set(_days_in(target, file_format, first_day, last_day))
        files = list(_write_days(connection, target, rows, file_format, existing=existing))
    else:
        target = folder if username is None else child_path(folder / name, username)
        files = [_write(connection, target / f"{name}.{file_format}", rows, file_format)]
    return ViewExport(
        folder=target,
        files=len(files),
        changed=sum(changed for changed, _ in files),
        rows=sum(count for _, count in files),
    )


def view_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the views and tables of the published copy."""
    rows = connection.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = ? "
        "ORDER BY table_name",
        [SCHEMA],
    ).fetchall()
    return [name for (name,) in rows]


def child_path(folder: Path, name: str) -> Path:
    """Return the path of a name directly inside a folder.

    Raises:
        ViewExportError: the name would lead elsewhere.
    """
    # Usernames come from people who sign in: none may lead out of the folder.
    if name in {"", ".", ".."} or any(sign in name for sign in "/\\\0"):
        raise ViewExportError(f"{name!r} cannot be the name of a file")
    return folder / name


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> set[str]:
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ?",
        [SCHEMA, name],
    ).fetchall()
    if not rows:
        known = ", ".join(view_names(connection))
        raise ViewExportError(f"there is no view or table {name!r}; there are {known}")
    return {column for (column,) in rows}


def _check(name: str, columns: set[str], *, username: str | None, narrowed: bool) -> None:
    if username is not None and "username" not in columns:
        raise ViewExportError(f"{name} is not about people: leave --person out")
    if narrowed and "day" not in columns:
        raise ViewExportError(f"{name} has no days: leave --from and --to out")


def _days_in(
    folder: Path, file_format: FileFormat, first_day: date, last_day: date
) -> Iterator[date]:
    """Yield the days of the range for which there is a file."""
    for path in folder.glob(f"????-??-??.{file_format}"):
        # Somebody's own files may match the pattern.
        with suppress(ValueError):
            day = date.fromisoformat(path.stem)
            if first_day <= day <= last_day:
                yield day


def _literal(day: date) -> str:
    return literal(day.isoformat())


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: str,
    file_format: FileFormat,
    *,
    existing: Set[date],
) -> Iterator[tuple[bool, int]]:
    """Write a file per day that has rows or a file; yield whether it changed, and its rows."""
    found = connection.execute(f"SELECT DISTINCT day FROM {rows}").fetchall()
    days = sorted(existing | {day for (day,) in found})
    for batch in batched(days, DAYS_PER_QUERY):
        # A view is computed once for a batch of days, not once for each.
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_BATCH} AS "
            f"SELECT * FROM {rows} AND day BETWEEN {_literal(batch[0])} AND {_literal(batch[-1])}"
        )
        for day in batch:
            of_day = f"temp.{_BATCH} WHERE day = {_literal(day)}"
            yield _write(connection, folder / f"{day}.{file_format}", of_day, file_format)
    connection.execute(f"DROP TABLE IF EXISTS temp.{_BATCH}")


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, rows: str, file_format: FileFormat
) -> tuple[bool, int]:
    """Write rows to a file; return whether it changed, and how many rows there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, concurrent=True) as fresh:
        row = connection.execute(
            # In one order whoever writes it, so that equal rows are an equal file.
            f"COPY (SELECT * FROM {rows} ORDER BY ALL) "
            f"TO {literal(str(fresh))} ({file_format.options})"
        ).fetchone()
        # By content: the time and size of a file that was just written say nothing.
        same = path.is_file() and filecmp.cmp(fresh, path, shallow=False)
        if same:
            fresh.unlink()
    return not same, int(row[0]) if row else 0
