"""Files of views and tables of the published copy, one per day, for tools that take files.

What surprises: a file that would become the same again is not written, so its time of change says
when its content changed, and a folder of them can be committed or synced. A day that had rows and
has none any more becomes a file without rows; it does not go.
"""

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

AT_ONCE = 31  # days
_SOME = "rows_of_some_days"


class Format(StrEnum):
    """How the rows of a file are written."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"

    @property
    def options(self) -> str:
        """What DuckDB's COPY calls it."""
        return _OPTIONS[self]


_OPTIONS = {
    Format.PARQUET: "FORMAT parquet, COMPRESSION zstd",
    Format.CSV: "FORMAT csv, HEADER",
    Format.JSON: "FORMAT json, ARRAY",
}


class FilesRefused(Exception):
    """What was asked for cannot be written; the message says in one line what can."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a folder.

    Attributes:
        folder: where the files are.
        files: how many there are of what was asked for.
        changed: how many of them were written; the others were like that already.
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
    format_: Format = Format.PARQUET,
    username: str | None = None,
    first_day: date = date.min,
    last_day: date = date.max,
) -> Written:
    """Write a view or table of the published copy: `<folder>/<name>/<day>.<format>`.

    With a username only that person's rows, in `<folder>/<name>/<username>/`. What has no column
    `day` is one file, `<folder>/<name>.<format>`.

    Raises:
        FilesRefused: there is no such view or table, or it cannot be narrowed down like that.
    """
    columns = _columns(connection, name)
    narrowed = (first_day, last_day) != (date.min, date.max)
    _check(name, columns, username=username, narrowed=narrowed)
    theirs = "true" if username is None else f"username = {literal(username)}"
    rows = f"{SCHEMA}.{quoted(name)} WHERE {theirs}"
    if "day" in columns:
        place = folder / name if username is None else inside(folder / name, username)
        rows += f" AND day BETWEEN {_of(first_day)} AND {_of(last_day)}"
        emptied = set(_days_in(place, format_, first_day, last_day))
        done = list(_write_days(connection, place, rows, format_, emptied=emptied))
    else:
        place = folder if username is None else inside(folder / name, username)
        done = [_write(connection, place / f"{name}.{format_}", rows, format_)]
    return Written(
        folder=place,
        files=len(done),
        changed=sum(changed for changed, _ in done),
        rows=sum(many for _, many in done),
    )


def names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The views and tables of the published copy."""
    rows = connection.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = ? "
        "ORDER BY table_name",
        [SCHEMA],
    ).fetchall()
    return [name for (name,) in rows]


def inside(folder: Path, name: str) -> Path:
    """The place of that name in a folder, and nowhere else.

    Raises:
        FilesRefused: the name is none of a file or folder.
    """
    if name in {"", ".", ".."} or any(sign in name for sign in "/\\\0"):
        raise FilesRefused(f"{name!r} cannot be the name of a file")
    return folder / name


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> set[str]:
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ?",
        [SCHEMA, name],
    ).fetchall()
    if not rows:
        known = ", ".join(names(connection))
        raise FilesRefused(f"there is no view or table {name!r}; there are {known}")
    return {column for (column,) in rows}


def _check(name: str, columns: set[str], *, username: str | None, narrowed: bool) -> None:
    if username is not None and "username" not in columns:
        raise FilesRefused(f"{name} is not about people: leave --person out")
    if narrowed and "day" not in columns:
        raise FilesRefused(f"{name} has no days: leave --from and --to out")


def _days_in(folder: Path, format_: Format, first_day: date, last_day: date) -> Iterator[date]:
    """The days of that range for which there is a file."""
    for path in folder.glob(f"????-??-??.{format_}"):
        with suppress(ValueError):
            day = date.fromisoformat(path.stem)
            if first_day <= day <= last_day:
                yield day


def _of(day: date) -> str:
    return literal(day.isoformat())


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: str,
    format_: Format,
    *,
    emptied: Set[date],
) -> Iterator[tuple[bool, int]]:
    """Write a file per day; those that had rows and have none any more are among the days."""
    found = connection.execute(f"SELECT DISTINCT day FROM {rows}").fetchall()
    days = sorted(emptied | {day for (day,) in found})
    for some in batched(days, AT_ONCE):
        # A view is worked out once for some days, not once for each.
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_SOME} AS "
            f"SELECT * FROM {rows} AND day BETWEEN {_of(some[0])} AND {_of(some[-1])}"
        )
        for day in some:
            one = f"temp.{_SOME} WHERE day = {_of(day)}"
            yield _write(connection, folder / f"{day}.{format_}", one, format_)
    connection.execute(f"DROP TABLE IF EXISTS temp.{_SOME}")


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, rows: str, format_: Format
) -> tuple[bool, int]:
    """Let a file hold those rows, in one order whoever writes it; whether it changed, how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, concurrent=True) as fresh:
        row = connection.execute(
            f"COPY (SELECT * FROM {rows} ORDER BY ALL) TO {literal(str(fresh))} ({format_.options})"
        ).fetchone()
        same = path.is_file() and filecmp.cmp(fresh, path, shallow=False)
        if same:
            fresh.unlink()
    return not same, int(row[0]) if row else 0
