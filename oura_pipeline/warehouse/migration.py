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
        for table in tables:
            create_missing(connection, table, theirs, ours)
        # All of them before the first row is written.
        missing = {table: _missing(connection, table, theirs, ours) for table in tables}
        return sum(
            _copy(connection, table, months, source=theirs, target=ours, progress=progress)
            for table, months in missing.items()
        )


def _missing(
    connection: duckdb.DuckDBPyConnection, table: Table, source: str, target: str
) -> list[date | None]:
    """Return the months of which the target has no row.

    Raises:
        MigrationRefused: it has other rows of a month than the source.
    """
    there, here = contents(connection, table, source), contents(connection, table, target)
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
    progress: Callable[[str], None],
) -> int:
    """Copy these months, compare all of them, and return how many rows there are."""
    for month in months:
        interrupts.check()
        copy_rows(connection, table, month, source=source, target=target)
    there = contents(connection, table, source)
    if contents(connection, table, target) != there:
        raise MigrationRefused(
            f"{table.schema}.{table.name}: the copy differs from the original; do not use it"
        )
    rows = sum(content.rows for content in there.values())
    if rows:
        progress(f"{table.name}: {rows:,} rows, {len(months)} of {len(there)} months copied")
    return rows
