"""`oura-pipeline query`: one question to the published copy, shown or written to a file.

What surprises: the answer is kept in a table in memory first. So a question is answered once,
what DuckDB cannot answer leaves no file behind, and a file appears when it is whole. A question
may read other files (`FROM 'notes.csv'`): it is the operator's machine. Nothing is downloaded.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from oura_pipeline.analysis.frames import AnalysisError, connect, one_line
from oura_pipeline.files import replacing
from oura_pipeline.warehouse.tables import literal

FORMATS = {"csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet", "json": "FORMAT json, ARRAY"}
_ANSWER = "memory.main.answer"  # not where SHOW TABLES looks
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|DOUBLE$|FLOAT$|DECIMAL\([\d,]+\)$")


@dataclass(frozen=True)
class Answer:
    """The answer to a question, for as long as its connection is open."""

    connection: duckdb.DuckDBPyConnection

    @property
    def rows(self) -> int:
        """How many there are."""
        row = self.connection.execute(f"SELECT count(*) FROM {_ANSWER}").fetchone()
        return int(row[0]) if row else 0

    def write(self, path: Path, form: str) -> None:
        """Write all of it as a file, which replaces another once it is whole.

        Raises:
            AnalysisError: there is no such folder, or nothing can be written to it.
        """
        if not path.parent.is_dir():
            raise AnalysisError(f"there is no folder {path.parent}: make it first")
        if path.is_dir():
            raise AnalysisError(f"{path} is a folder: name a file in it")
        try:
            with replacing(path, concurrent=True) as new:
                self._copy(new, form)
        except OSError as error:
            raise AnalysisError(f"{path} cannot be written: {error.strerror}") from None
        except duckdb.Error as error:
            raise AnalysisError(f"{path} cannot be written: {one_line(error)}") from None

    def write_to(self, stream: BinaryIO, form: str) -> None:
        """Write all of it to a stream."""
        with (
            tempfile.TemporaryDirectory(prefix="query-") as folder,
            self._copy(Path(folder) / "answer", form).open("rb") as file,
        ):
            shutil.copyfileobj(file, stream)
        stream.flush()

    def show(self, limit: int, console: Console) -> None:
        """Print the first rows, and how many there are.

        What is wider than the terminal becomes a block per row; what is no terminal has any width.
        """
        columns = self.connection.execute(f"DESCRIBE {_ANSWER}").fetchall()
        rows = self.connection.execute(
            f"SELECT COLUMNS(*)::VARCHAR FROM {_ANSWER} LIMIT {limit}"
        ).fetchall()
        table = _table([(name, str(sql_type)) for name, sql_type, *_ in columns], rows)
        width = Measurement.get(console, console.options.update(width=10**6), table).maximum
        if console.is_terminal and width > console.width:
            for place, row in enumerate(rows, start=1):
                console.print(_block(place, [name for name, *_ in columns], row))
        else:
            Console(file=console.file, width=max(width, console.width)).print(table)
        left_out = self.rows - len(rows)
        more = f", {left_out} left out: --limit shows more, --csv writes all" if left_out else ""
        console.print(f"{counted(len(rows))}{more}", highlight=False, soft_wrap=True)

    def _copy(self, path: Path, form: str) -> Path:
        self.connection.execute(f"COPY {_ANSWER} TO {literal(str(path))} ({FORMATS[form]})")
        return path


@contextmanager
def asked(sql: str) -> Iterator[Answer]:
    """Ask the published copy.

    Raises:
        AnalysisError: there is no copy yet, or the question is none that it can answer.
    """
    with closing(connect()) as connection:
        try:
            # A name that is no table must not become a variable of this program.
            connection.execute("SET python_enable_replacements = false")
            question = _question(connection, sql)
            connection.execute(f"CREATE TABLE {_ANSWER} AS FROM ({question}\n)")
        except duckdb.Error as error:
            raise AnalysisError(one_line(error)) from None
        yield Answer(connection)


def _question(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one statement there is, which has to be a question."""
    statements = connection.extract_statements(sql)
    if statements and not statements[0].query:
        # DuckDB takes PIVOT apart: it makes a type, in a statement without a text, and then asks.
        statements = statements[-1:]
    if len(statements) != 1:
        raise AnalysisError(f"one question at a time, this is {len(statements)} of them")
    [statement] = statements
    if statement.type != duckdb.StatementType.SELECT:
        raise AnalysisError(
            f"{statement.type.name} is no question: the published copy is for reading, with "
            "SELECT, FROM, WITH, PIVOT, DESCRIBE, SHOW or SUMMARIZE"
        )
    return sql.strip().rstrip("; \n\t")


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> Table:
    table = Table(header_style="bold")
    for name, sql_type in columns:
        table.add_column(
            Text(_printable(name)),
            justify="right" if _NUMBER.match(sql_type) else "left",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _block(place: int, names: Sequence[str], row: Sequence[str | None]) -> Table:
    """One row, a line per column."""
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.title, grid.title_justify = f"row {place}", "left"
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in zip(names, row, strict=True):
        grid.add_row(Text(_printable(name)), _cell(value))
    return grid


def _cell(value: str | None) -> Text:
    return Text("NULL", style="dim italic") if value is None else Text(_printable(value))


def _printable(text: str) -> str:
    """A text without what a terminal would obey: people write tags and comments."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def counted(rows: int) -> str:
    """`1 row`, `2 rows`."""
    return f"{rows} row{'' if rows == 1 else 's'}"
