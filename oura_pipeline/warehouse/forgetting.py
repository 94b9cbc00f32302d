"""The deletion of a person, and the rewriting of the DuckDB file without them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from oura_pipeline.files import replacing
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.ledgers import LEDGERS
from oura_pipeline.warehouse.publishing import wal
from oura_pipeline.warehouse.tables import literal, quoted

_FRESH = "the file written anew"


def delete_rows(connection: duckdb.DuckDBPyConnection, username: str) -> int:
    """Delete a person from every table, also of types that the code no longer describes.

    Returns:
        The number of documents; rows of ledgers are not counted.
    """
    deleted = 0
    ledgers = {ledger.full_name for ledger in LEDGERS}
    with transaction(connection):
        # By the column, not by the code's list: a table of a type that was dropped is found too.
        for table in _tables_of_people(connection):
            row = connection.execute(
                f"DELETE FROM {table} WHERE username = ?", [username]
            ).fetchone()
            # The number is shown to the operator as documents; a ledger's row is none.
            deleted += row[0] if row and table not in ledgers else 0
    return deleted


@contextmanager
def replacing_database(path: Path) -> Iterator[Path]:
    """Yield the name of a new file that takes the place of a closed DuckDB file after the block."""
    # Written beside and renamed: a crash leaves the old file, never half of a new one.
    with replacing(path, keep_mode=True) as new:
        wal(new).unlink(missing_ok=True)
        try:
            yield new
            # DuckDB would read the old file's log into the new file.
            wal(path).unlink(missing_ok=True)
        finally:
            wal(new).unlink(missing_ok=True)


def copy_into(connection: duckdb.DuckDBPyConnection, fresh: Path) -> None:
    """Copy every table, view and comment of a database into a new file."""
    # Deleting is not enough: DuckDB marks rows as deleted and keeps their bytes in row groups,
    # dictionaries and free blocks. Neither CHECKPOINT nor VACUUM overwrites them.
    (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    # Whatever the log holds belongs to the file that is about to be deleted.
    connection.execute("CHECKPOINT")
    connection.execute(f"ATTACH {literal(str(fresh))} AS {quoted(_FRESH)}")
    connection.execute(f"COPY FROM DATABASE {quoted(name)} TO {quoted(_FRESH)}")
    # Or the rows would stand in a log beside the new file, which the rename leaves behind.
    connection.execute(f"CHECKPOINT {quoted(_FRESH)}")
    connection.execute(f"DETACH {quoted(_FRESH)}")


def remove_spilled(path: Path) -> None:
    """Delete the temporary files of a crashed DuckDB; nobody may have the database open."""
    shutil.rmtree(path.with_name(f"{path.name}.tmp"), ignore_errors=True)


def _tables_of_people(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT t.schema_name, t.table_name FROM duckdb_tables() t JOIN duckdb_columns() c "
        "USING (database_name, schema_name, table_name) WHERE c.column_name = 'username' "
        "AND t.database_name = current_database() AND NOT t.temporary ORDER BY ALL"
    ).fetchall()
    return [f"{quoted(schema)}.{quoted(table)}" for schema, table in rows]
