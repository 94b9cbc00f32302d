"""Load views and tables of the published copy into pandas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.connection import SETTINGS
from oura_pipeline.warehouse.tables import SCHEMA, literal, quoted

# pandas is imported when it is used: whoever only connects does without it.
if TYPE_CHECKING:
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]

Day = date | str

# DuckDB can deadlock when a union of many parts fills the buffer between it and us
# (duckdb/duckdb#22215): a month of `long` did. Results are fetched as a whole anyway.
_NO_STREAMING_LIMIT = "SET streaming_buffer_size = '1TB'"


class AnalysisError(Exception):
    """A request that cannot be answered; the message is one line and says what to do."""


def connect(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to the newest published copy, in UTC.

    `nights` and `oura.nights` both work; a cursor of the connection needs `analytics.oura.nights`.
    A connection stays with its copy: connect again for a newer one.

    Args:
        path: a published copy; default: the one in the settings.

    Raises:
        AnalysisError: there is none yet, or this DuckDB cannot read it.
    """
    path = path or load_settings().storage.analytics_path
    if not path.exists():
        raise AnalysisError(f"there is no {path} yet: `oura-pipeline sync` publishes it")
    # Attached to a database in memory: a process that connects to a path for the second time gets
    # the file that it has open there already, which a later copy may have replaced.
    connection = duckdb.connect(config=SETTINGS)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_NO_STREAMING_LIMIT)
        # It would stand in what is printed. A notebook that cannot show one refuses this.
        with suppress(duckdb.InvalidInputException):
            connection.execute("SET enable_progress_bar = false")
        connection.execute(f"ATTACH {literal(str(path))} AS analytics (READ_ONLY)")
        connection.execute(f"USE analytics.{SCHEMA}")
    except duckdb.Error as error:
        connection.close()
        raise AnalysisError(
            f"{path} cannot be read by DuckDB {duckdb.__version__}: {one_line(error)}"
        ) from None
    return connection


def one_line(error: duckdb.Error) -> str:
    """Return DuckDB's message without the query that it repeats."""
    return " ".join(str(error).partition("\nLINE ")[0].split())


def columns_of(name: str) -> pd.DataFrame:
    """Return the columns of a view or table of the published copy: column, type, comment.

    Raises:
        AnalysisError: there is no such view or table.
    """
    import pandas as pd

    with closing(connect()) as connection:
        rows = _columns(connection, name)
    return pd.DataFrame(rows, columns=["column", "type", "comment"], dtype=_text_type())


def load(
    name: str,
    *,
    username: str | Sequence[str] | None = None,
    start: Day | None = None,
    end: Day | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return a view or table of the published copy, ordered by person, day and time.

    Days and times on the person's clock are `datetime64[us]`, instants `datetime64[us, UTC]`,
    whole numbers `Int64`, other numbers `float64` with NaN, booleans `boolean`, texts pandas'
    `str`; lists and structures are objects.

    Args:
        name: for instance `daily_summary`; `SELECT * FROM readme` lists all.
        username: one person or several; default: everybody.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.
        columns: only these, in this order.

    Raises:
        AnalysisError: the copy has no such name, column or person, or a day is no day. A person
            or a range of days without data is an empty frame.
    """
    usernames = [username] if isinstance(username, str) else username
    first, last = as_date(start, "start"), as_date(end, "end")
    if first and last and first > last:
        raise AnalysisError(f"the start, {first}, is after the end, {last}: swap them")
    with closing(connect()) as connection:
        types = _types(connection, name)
        wanted = list(types) if columns is None else list(columns)
        _require_columns(name, types, wanted)
        if not wanted:
            raise AnalysisError("`columns` is empty: name some, or leave it out for all")
        where = _conditions(name, types, usernames, first, last)
        frame = _frame(
            connection.execute(
                f"SELECT {', '.join(map(quoted, wanted))} FROM {SCHEMA}.{quoted(name)} "
                f"WHERE {where} ORDER BY {_order(types)}"
            )
        )
        # Reading every name takes longer than most frames: not where rows prove that one exists.
        if usernames and (frame.empty or len(usernames) > 1):
            _require_people(connection, usernames)
    return frame


def as_date(given: Day | None, what: str) -> date | None:
    """Return a date, whatever form a notebook has it in.

    Raises:
        AnalysisError: it is none; the message calls it `what`.
    """
    # First, because a datetime is a date to isinstance.
    if isinstance(given, datetime):  # pandas' Timestamp too
        return given.date()
    if given is None or isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise AnalysisError(f"the {what} is a date or YYYY-MM-DD, not {given!r}") from None


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str, str | None]]:
    """Return name, type and comment of each column; raise where the copy lacks the table."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = 'analytics' AND schema_name = ? ORDER BY table_name, column_index",
        [SCHEMA],
    ).fetchall()
    found = [row[1:] for row in rows if row[0] == name]
    if not found:
        there = ", ".join(dict.fromkeys(row[0] for row in rows))
        raise AnalysisError(f"the published copy has no {name!r}; it has {there or 'nothing'}")
    return found


def _types(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """Return the type of each column; raise where the copy lacks the table."""
    try:
        # Of this table alone: `duckdb_columns()`, which has the comments too, reads all of them.
        rows = connection.execute(f"DESCRIBE {SCHEMA}.{quoted(name)}").fetchall()
    except duckdb.CatalogException:
        rows = _columns(connection, name)
    return {column: sql_type for column, sql_type, *_ in rows}


def _require_columns(name: str, types: dict[str, str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in types:
            raise AnalysisError(f"{name} has no column {column!r}; it has {', '.join(types)}")


def _require_people(connection: duckdb.DuckDBPyConnection, usernames: Sequence[str]) -> None:
    """Raise for a name that is nowhere in the copy: a typing error, not a person without data."""
    tables = connection.execute(
        "SELECT table_name FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, schema_name, table_name) WHERE database_name = 'analytics' "
        "AND schema_name = ? AND column_name = 'username'",
        [SCHEMA],
    ).fetchall()
    each = " UNION ".join(
        f"SELECT DISTINCT username FROM {SCHEMA}.{quoted(table)}" for (table,) in tables
    )
    known = {username for (username,) in connection.execute(each).fetchall()} if tables else set()
    for username in usernames:
        if username not in known:
            there = ", ".join(sorted(known)) or "nobody"
            raise AnalysisError(f"the published copy has no person {username!r}; it has {there}")


def _conditions(
    name: str,
    types: dict[str, str],
    usernames: Sequence[str] | None,
    first: date | None,
    last: date | None,
) -> str:
    """Return the condition of WHERE."""
    # Literals rather than parameters or a list: with parameters DuckDB plans twice, and a list is
    # joined, so that it does not reach the tables below a view's windows.
    filters: list[tuple[str, str]] = []
    if usernames is not None:
        # What no statement can hold is nobody's name.
        names = [name for name in usernames if name.isprintable()]
        listed = ", ".join(map(literal, names)) or "NULL"
        filters.append(("username", f"username IN ({listed})"))
    if first:
        filters.append(("day", f"day >= DATE {literal(first.isoformat())}"))
    if last:
        filters.append(("day", f"day <= DATE {literal(last.isoformat())}"))
    _require_columns(name, types, [column for column, _ in filters])
    return " AND ".join(sql for _, sql in filters) or "true"


def _order(types: dict[str, str]) -> str:
    # Person, day, times, texts: the columns that identify a row. Numbers are its content.
    times = [name for name, sql_type in types.items() if sql_type.startswith("TIMESTAMP")]
    texts = [name for name, sql_type in types.items() if sql_type == "VARCHAR"]
    first = [name for name in ("username", "day") if name in types]
    return ", ".join(quoted(name) for name in dict.fromkeys([*first, *times, *texts]))


def _frame(result: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the rows of a result with the types that `load` promises, also without rows."""
    import pandas as pd

    # From the description, which is there without rows too.
    types = {name: str(sql_type) for name, sql_type, *_ in result.description or ()}
    arrays = result.fetchnumpy()
    return pd.DataFrame({name: _series(arrays[name], types[name]) for name in types})


def _series(array: np.ndarray[Any, Any], sql_type: str) -> Any:
    """Return a column for pandas from numpy's values, which may have a mask for missing ones."""
    import numpy as np
    import pandas as pd

    values, missing = np.ma.getdata(array), np.ma.getmaskarray(array)
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return pd.Series(_timestamps(values, missing)).dt.tz_localize("UTC")
    if values.dtype.kind == "M":
        return pd.Series(_timestamps(values, missing))
    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values, missing)
    if values.dtype.kind in "iu":
        # As floats, a missing value would make all others 7.0; as int64, it would be 0.
        return pd.arrays.IntegerArray(values.astype("int64"), missing)
    if values.dtype.kind == "f":
        # NaN, not pandas' NA: numpy, matplotlib and statsmodels take it as it is.
        return np.where(missing, np.nan, values).astype("float64")
    objects = pd.Series(values, dtype=object)
    return objects.astype(_text_type()) if sql_type in ("VARCHAR", "JSON") else objects


def _timestamps(values: Any, missing: Any) -> Any:
    import numpy as np

    return np.where(missing, np.datetime64("NaT", "us"), values).astype("datetime64[us]")


def _text_type() -> Any:
    """Return the text type that pandas 3 calls `str`, which pandas 2 has too."""
    import numpy as np
    import pandas as pd

    return pd.StringDtype(na_value=np.nan)
