"""`oura-pipeline query`: the result of a query, shown or written to a file."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click
import duckdb
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from oura_pipeline.analysis.frames import AnalysisError, connect, one_line
from oura_pipeline.commands.console import console, counted, print_lines, print_markup, table_with
from oura_pipeline.files import replacing
from oura_pipeline.warehouse.connection import statements_interruptible
from oura_pipeline.warehouse.tables import literal, quoted

FORMATS = {"csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet", "json": "FORMAT json, ARRAY"}
_RESULT = "memory.main.result"  # a schema that SHOW TABLES does not list
_FLOATS = ("DOUBLE", "FLOAT")
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|DOUBLE$|FLOAT$|DECIMAL\([\d,]+\)$")


@click.command()
@click.argument("sql")
@click.option("--csv", metavar="FILE", help="Write all rows as CSV; - is stdout.")
@click.option("--parquet", metavar="FILE", help="Write all rows as Parquet.")
@click.option("--json", metavar="FILE", help="Write all rows as a JSON array; - is stdout.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Rows shown.")
def query(sql: str, limit: int, **files: str | None) -> None:
    """Query the published copy with SQL.

    The SQL is DuckDB's; with - it is read from stdin. `oura-pipeline query "FROM readme"` lists
    what there is. Shown are two decimals, of small numbers three digits; files have all.
    """
    target = _target(files)
    with _run(sys.stdin.read() if sql == "-" else sql) as result:
        if target is None:
            result.show(limit, console)
        elif target == ("parquet", "-"):
            raise AnalysisError("Parquet needs a file; CSV and JSON can go to stdout")
        elif target[1] == "-":
            result.write_to(sys.stdout.buffer, target[0])
        else:
            result.write(Path(target[1]), target[0])
            print_lines(f"Wrote {counted(result.rows, 'row')} to {target[1]}.")


def _target(files: dict[str, str | None]) -> tuple[str, str] | None:
    """Return the format and the path that were given; None: show the result."""
    given = [(name, path) for name, path in files.items() if path]
    if len(given) > 1:
        raise click.UsageError("use one of --csv, --parquet and --json")
    return given[0] if given else None


@dataclass(frozen=True)
class QueryResult:
    """The result of a query, for as long as its connection is open."""

    connection: duckdb.DuckDBPyConnection

    @property
    def rows(self) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM {_RESULT}").fetchone()
        return int(row[0]) if row else 0

    def write(self, path: Path, format_: str) -> None:
        """Write all rows to a file, which replaces another one only when complete.

        Raises:
            AnalysisError: there is no such folder, or nothing can be written to it.
        """
        if not path.parent.is_dir():
            raise AnalysisError(f"there is no folder {path.parent}: create it first")
        if path.is_dir():
            raise AnalysisError(f"{path} is a folder: give the path of a file")
        try:
            with replacing(path, concurrent=True) as new:
                self._copy(new, format_)
        except OSError as error:
            raise AnalysisError(f"cannot write {path}: {error.strerror}") from None
        except duckdb.Error as error:
            raise AnalysisError(f"cannot write {path}: {one_line(error)}") from None

    def write_to(self, stream: BinaryIO, format_: str) -> None:
        # Through a file: DuckDB's `/dev/stdout` would bypass what Python has buffered.
        with (
            tempfile.TemporaryDirectory(prefix="query-") as folder,
            self._copy(Path(folder) / "result", format_).open("rb") as file,
        ):
            shutil.copyfileobj(file, stream)
        stream.flush()

    def show(self, limit: int, console: Console) -> None:
        """Print the first rows and their number; rows that are too wide become blocks of lines."""
        columns = [
            (name, str(sql_type))
            for name, sql_type, *_ in self.connection.execute(f"DESCRIBE {_RESULT}").fetchall()
        ]
        rows = self.connection.execute(
            f"SELECT {', '.join(map(_shown, columns))} FROM {_RESULT} LIMIT {limit}"
        ).fetchall()
        table = _table(columns, rows)
        width = Measurement.get(console, console.options.update(width=10**6), table).maximum
        if console.is_terminal and width > console.width:
            for number, row in enumerate(rows, start=1):
                console.print(_block(number, [name for name, _ in columns], row))
        else:  # a file or a pipe takes any width
            Console(file=console.file, width=max(width, console.width)).print(table)
        left_out = self.rows - len(rows)
        more = f", {left_out} left out: --limit shows more, --csv writes all" if left_out else ""
        print_markup(f"{counted(len(rows), 'row')}{more}", console)

    def _copy(self, path: Path, format_: str) -> Path:
        self.connection.execute(f"COPY {_RESULT} TO {literal(str(path))} ({FORMATS[format_]})")
        return path


@contextmanager
def _run(sql: str) -> Iterator[QueryResult]:
    with closing(connect()) as connection:
        try:
            # A name that is no table must not become a variable of this program. Other files may
            # be read (`FROM 'notes.csv'`): it is the operator's machine.
            connection.execute("SET python_enable_replacements = false")
            select = _single_select(connection, sql)
            with statements_interruptible(connection):
                # Kept in memory first: it runs once, and no file is begun for one that fails.
                connection.execute(f"CREATE TABLE {_RESULT} AS FROM ({select}\n)")
        except duckdb.Error as error:
            raise AnalysisError(one_line(error)) from None
        yield QueryResult(connection)


def _single_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    if statements and not statements[0].query:
        # DuckDB splits PIVOT: a statement without a text creates a type, the last one selects.
        statements = statements[-1:]
    if len(statements) != 1:
        raise AnalysisError(f"write one statement, not {len(statements)}")
    [statement] = statements
    if statement.type != duckdb.StatementType.SELECT:
        raise AnalysisError(
            f"{statement.type.name} is not possible: the published copy can only be read, with "
            "SELECT, FROM, WITH, PIVOT, DESCRIBE, SHOW or SUMMARIZE"
        )
    # The caller wraps it in parentheses, in which a semicolon is an error.
    return sql.strip().rstrip("; \n\t")


def _shown(column: tuple[str, str]) -> str:
    """Return a column of the result as it is shown, as SQL."""
    name, sql_type = quoted(column[0]), column[1]
    # As DuckDB writes values: Python shows lists and intervals otherwise, without nanoseconds.
    if sql_type not in _FLOATS:
        return f"{name}::VARCHAR"
    # What is small keeps three digits; a mean of pulses needs no twelve.
    digits = f"greatest(2, 2 - floor(log10(abs({name})))::INTEGER)"
    return (
        f"CASE WHEN isfinite({name}) AND {name} <> 0 AND abs({name}) BETWEEN 1e-12 AND 1e12 "
        f"THEN round({name}, {digits}) ELSE {name} END::VARCHAR"
    )


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> Table:
    table = table_with()
    for name, sql_type in columns:
        table.add_column(
            Text(_printable(name)),
            justify="right" if _NUMBER.match(sql_type) else "left",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _block(number: int, names: Sequence[str], row: Sequence[str | None]) -> Table:
    """Return a row with a line per column, like psql's expanded display."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.title, grid.title_justify = f"row {number}", "left"
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in zip(names, row, strict=True):
        grid.add_row(Text(_printable(name)), _cell(value))
    return grid


def _cell(value: str | None) -> Text:
    return Text("NULL", style="dim italic") if value is None else Text(_printable(value))


def _printable(text: str) -> str:
    # People write tags and comments; a terminal must not obey escape sequences in them.
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )
