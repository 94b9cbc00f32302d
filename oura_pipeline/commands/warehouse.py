"""`oura-pipeline warehouse …`."""

from __future__ import annotations

from pathlib import Path

import click

from oura_pipeline.commands.console import print_lines
from oura_pipeline.pipeline import open_lake
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.migration import migrate as migrate_rows
from oura_pipeline.warehouse.warehouse import Warehouse

_THE_LAKE = "lake"


@click.group()
def warehouse() -> None:
    """Prepare a shared warehouse, or move to one."""


@warehouse.command("prepare")
def prepare() -> None:
    """Create the tables and views of a DuckLake.

    It is the one that OURA_WAREHOUSE_URL names. Run this before anything else uses it, and again
    after every upgrade, while nothing else runs. A DuckDB file needs no preparation.
    """
    lake = open_lake(load_settings())
    changed = lake.prepare()
    print_lines("The warehouse is prepared." if changed else "The warehouse was prepared already.")
    if advice := lake.log_advice():
        print_lines(advice)


@warehouse.command("migrate")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def migrate(source: str, target: str) -> None:
    """Copy everything into another warehouse.

    FROM and TO are each a DuckDB file, or the word `lake` for the DuckLake that OURA_WAREHOUSE_URL
    names, which has to be prepared. End everything else first. Rows are counted, and compared by
    their digests. What was interrupted goes on where it was.
    """
    rows = migrate_rows(_warehouse(source), _warehouse(target), print_lines)
    print_lines(f"{rows:,} rows are in both, and the same.")


def _warehouse(name: str) -> Warehouse:
    # Not the lake's own address: a password does not belong into a command line.
    return open_lake(load_settings()) if name == _THE_LAKE else Warehouse(Path(name).absolute())
