"""Everything of one warehouse copied into another, in steps that an interruption does not undo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date

import duckdb

from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.connection import every_core
from oura_pipeline.warehouse.copying import (
    Content,
    Table,
    contents,
    copy_rows,
    create_missing,
    tables_with_rows,
)
from oura_pipeline.warehouse.errors import WarehouseError
from oura_pipeline.warehouse.lake import attaching
from oura_pipeline.warehouse.warehouse import Warehouse

Contents = dict[date | None, Content]


class MigrationRefused(WarehouseError):
    """The target holds what the source does not, or copies differ; nothing was deleted."""


def migrate(source: Warehouse, target: Warehouse, progress: Callable[[str], None]) -> int:
    """Copy every row of a warehouse into another one, and return how many there are.

    What an interrupted migration has copied is not copied again. Nobody writes to either meanwhile.

    Args:
        source: stays as it is, at the tables and columns of this version.
        target: empty, or what an earlier migration from the same source left.
        progress: called with a line per table.

    Raises:
        MigrationRefused: the target holds other rows.
        WarehouseBusy, WarehouseUnreadable: one of them cannot be used.
    """
    with (
        closing(attaching.cursor()) as connection,
        source.attached(connection) as theirs,
        target.attached(connection) as ours,
        every_core(connection),
    ):
        tables = tables_with_rows(connection, theirs)
        for table in {*tables} - {*tables_with_rows(connection, ours)}:
            create_missing(connection, table, theirs, ours)
        # All of them before the first row is written.
        found = {table: contents(connection, table, theirs) for table in tables}
        missing = {
            table: _missing(table, there, contents(connection, table, ours))
            for table, there in found.items()
        }
        for table, months in missing.items():
            _copy(connection, table, months, source=theirs, target=ours)
            if rows := _rows(found[table]):
                done = f"{len(months)} of {len(found[table])} months copied"
                progress(f"{table.name}: {rows:,} rows, {done}")
    return sum(map(_rows, found.values()))


def _missing(table: Table, there: Contents, here: Contents) -> list[date | None]:
    """Return the months of which the target has no row.

    Raises:
        MigrationRefused: it has other rows of a month than the source.
    """
    if any(there.get(month) != content for month, content in here.items()):
        raise MigrationRefused(
            f"{table.schema}.{table.name}: the new warehouse holds rows that the old one does not: "
            "use one that is new, or that was only filled by this command since the last landing"
        )
    return [month for month in there if month not in here]


def _copy(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    months: list[date | None],
    *,
    source: str,
    target: str,
) -> None:
    """Copy these months, and compare what is there now."""
    if not months:
        return
    for month in months:
        interrupts.check()
        copy_rows(connection, table, month, source=source, target=target)
    if contents(connection, table, target) != contents(connection, table, source):
        raise MigrationRefused(
            f"{table.schema}.{table.name}: the copy differs from the original; do not use it"
        )


def _rows(found: Contents) -> int:
    return sum(content.rows for content in found.values())
