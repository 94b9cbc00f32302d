"""A person's rows of the views as CSV files, for spreadsheets."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.markdown import markdown_table
from oura_pipeline.warehouse.tables import SCHEMA, literal
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.view import View

# Millions of lines in a few years, which no spreadsheet opens; the documents have them.
_TOO_LONG = {"heart_rate", "hypnogram", "long", "met_1min", "movement"}
# The days once more, as JSON, and what a study thinks of the person.
_FOR_OTHERS = {"compliance", "daily_records"}


@dataclass(frozen=True, kw_only=True)
class ViewFile:
    """A view of which somebody has rows, and how many."""

    view: View
    rows: int


def write_views(copy: Path, username: str, folder: Path) -> list[ViewFile]:
    """Write `<view>.csv` for each view of the published copy in which the person has rows.

    DuckDB writes them row by row, whatever their number. Without a copy there are none.
    """
    try:
        connection = connect(copy)
    except AnalysisError:
        return []
    written = []
    with closing(connection):
        there = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
        for view in VIEWS:
            if view.name in _TOO_LONG | _FOR_OTHERS or view.name not in there:
                continue
            path = folder / f"{view.name}.csv"
            row = connection.execute(
                f"COPY (SELECT * EXCLUDE (username) FROM {SCHEMA}.{view.name} "
                f"WHERE username = {literal(username)} ORDER BY ALL) "
                f"TO {literal(str(path))} (FORMAT csv, HEADER)"
            ).fetchone()
            if row and row[0]:
                written.append(ViewFile(view=view, rows=int(row[0])))
            else:
                path.unlink()
    return written


def describe_views(files: list[ViewFile], folder: str) -> str:
    """Return the part of the README on these files, with every column and its unit."""
    parts = [
        "## Views",
        "",
        "What the documents say, computed: as of the newest published copy. Days are Oura's, times "
        "with an offset are instants, those that end in `_local` are of the person's clock. What "
        "has a line every few seconds or minutes is in the documents alone.",
        "",
    ]
    for file in files:
        parts += [
            f"### `{folder}/{file.view.name}.csv`",
            "",
            f"{file.view.line} {file.rows} rows.",
            "",
            markdown_table(
                ("column", "what it is"),
                [
                    (f"`{column.name}`", column.comment)
                    for column in file.view.columns
                    if column.name != "username"
                ],
            ),
        ]
    return "\n".join(parts) + "\n" if files else ""
