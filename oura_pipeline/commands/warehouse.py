"""`oura-pipeline warehouse …`."""

from __future__ import annotations

import click

from oura_pipeline.commands.console import print_lines
from oura_pipeline.pipeline import lake_address
from oura_pipeline.settings import SettingsError, load_settings
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse


@click.group()
def warehouse() -> None:
    """Prepare a shared warehouse, or move to one."""


@warehouse.command("prepare")
def prepare() -> None:
    """Create the tables and views of a DuckLake.

    It is the one that OURA_WAREHOUSE_URL names. Run this before anything else uses it, and again
    after every upgrade, while nothing else runs. A DuckDB file needs no preparation.
    """
    settings = load_settings()
    if settings.storage.warehouse_path:
        raise SettingsError(
            "OURA_WAREHOUSE_URL names a DuckDB file, which needs no preparation; a DuckLake begins "
            "with ducklake:postgres:"
        )
    lake = LakeWarehouse(lake_address(settings), spools=settings.storage.spool_path)
    changed = lake.prepare()
    print_lines("The warehouse is prepared." if changed else "The warehouse was prepared already.")
