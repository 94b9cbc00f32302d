"""The page `docs/reference/views.md`: every view, table and column of the published copy."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.catalog.fields import walk
from oura_pipeline.markdown import markdown_table
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.tables import SCHEMA, ensure_descriptions, ensure_table
from oura_pipeline.warehouse.views.catalogue import VIEWS, ensure_views
from oura_pipeline.warehouse.views.storing import LARGE, TOO_LARGE
from oura_pipeline.warehouse.views.view import View

_OPENING = """\
# Views and tables

What the published copy, `analytics.duckdb`, holds in its schema `oura`: views that answer
questions, and below them a table per document type. The file says the same about itself:
`FROM oura.readme`, and

```sql
SELECT table_name, column_name, data_type, comment
FROM duckdb_columns() WHERE schema_name = 'oura';
```

This page is generated; `make docs` writes it.

* **Day** is Oura's own day. A night belongs to the day on which it ends.
* **Times** are instants (`TIMESTAMPTZ`); columns that end in `_local` are what the person's clock
  showed (`TIMESTAMP`).
* **Null is not zero.** Null: Oura sent no value. A day without a row: there was no document, or the
  day was never requested; `coverage` tells which.
* **Contributors are scores** of 1 to 100, whatever their names suggest. Durations are in the
  columns named `…_minutes`, and in seconds in the tables.
* **HRV is RMSSD** in milliseconds, measured asleep. Apple's is SDNN; the one cannot be converted
  into the other.

"""


def data_dictionary() -> str:
    """Return the text of the page."""
    # Asked of an empty warehouse, so that the page says what an analyst's own file says.
    with duckdb.connect() as connection:
        for document_type in STORED_TYPES:
            ensure_table(connection, document_type)
        ensure_ledgers(connection)
        ensure_descriptions(connection)
        ensure_views(connection)
        columns = _columns(connection)
        tables = _tables(connection)
    parts = [_OPENING, "## Views\n\n", views_table(), "\n", _stored(), "\n\n"]
    for view in VIEWS:
        parts += [*_view(view, columns[view.name]), "\n"]
    parts.append("## Tables\n\n")
    for name, comment in tables:
        listed = [*_with_nested(name, columns[name])]
        parts += [f"### `{name}`\n\n{comment}\n\n", _column_table(listed), "\n"]
    return "".join(parts).rstrip("\n") + "\n"


def views_table() -> str:
    """Return a table of the views."""
    rows = [(f"`{view.name}`", view.one_row_per, view.description) for view in VIEWS]
    return markdown_table(("view", "one row per", "what it is"), rows)


def _stored() -> str:
    *names, last = (f"`{view.name}`" for view in VIEWS if view.stored)
    sizes = f"{LARGE // 10**6} MB to {TOO_LARGE // 10**9} GB"
    return (
        f"In a copy of {sizes} {', '.join(names)} and {last} "
        "are tables, computed when it is\npublished: the same rows, columns and comments."
    )


Columns = list[tuple[str, str, str]]  # name, type, comment


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, coalesce(comment, '') FROM duckdb_columns() "
        "WHERE schema_name = ? ORDER BY table_name, column_index",
        [SCHEMA],
    ).fetchall()
    found: dict[str, Columns] = {}
    for table, *column in rows:
        found.setdefault(table, []).append(tuple(column))
    return found


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT table_name, coalesce(comment, '') FROM duckdb_tables() "
        "WHERE schema_name = ? ORDER BY table_name",
        [SCHEMA],
    ).fetchall()


def _view(view: View, columns: Columns) -> Iterator[str]:
    yield f"### `{view.name}`\n\n{view.description} One row per {view.one_row_per}.\n\n"
    yield f"{view.definition.strip()}\n\n"
    yield _column_table(columns)


def _with_nested(table: str, columns: Columns) -> Iterator[tuple[str, str, str]]:
    """Yield the columns of a table, each followed by the fields inside it."""
    # DuckDB keeps comments of columns, but not of what is inside a STRUCT: those are the table's.
    fields = {
        field.name: field
        for document_type in STORED_TYPES
        if document_type.table == table
        for field in document_type.fields
    }
    for column in columns:
        yield column
        if column[0] in fields:
            for path, field in walk(fields[column[0]].fields):
                sql_type = "STRUCT" if field.fields else field.sql_type
                yield ".".join((column[0], *path)), sql_type, field.description


def _column_table(columns: Columns) -> str:
    rows = [(f"`{name}`", _short(type_), comment) for name, type_, comment in columns]
    return markdown_table(("column", "type", "what it is"), rows)


def _short(type_: str) -> str:
    """Return a type that fits into a cell: what is inside a STRUCT has lines of its own."""
    # The short name, which DuckDB understands too: the long one would widen the whole column.
    names = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    if "STRUCT" in type_:
        return "STRUCT[]" if type_.endswith("[]") else "STRUCT"
    return names.get(type_, type_)
