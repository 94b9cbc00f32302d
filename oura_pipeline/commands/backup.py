"""`oura-pipeline backup`."""

from __future__ import annotations

from pathlib import Path

import click

from oura_pipeline.backups.backup import back_up, check_folder
from oura_pipeline.commands.console import counted, print_lines
from oura_pipeline.pipeline import open_pipeline, token_keys
from oura_pipeline.settings import load_settings


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy everything into a new folder.

    Documents, people, tokens and the key that opens them, ledgers, the file of points and Dagster's
    records, of one moment, while everything goes on. Keep the folder like the data folder: whoever
    has it has everything.
    """
    settings = load_settings()
    check_folder(folder, settings)  # before anything is opened, and so perhaps created
    with open_pipeline(settings) as pipeline:
        manifest = back_up(pipeline, folder, print_lines)
    files = counted(len(manifest.files), "file")
    print_lines(f"Backed up {files}, {manifest.size / 1e6:,.1f} MB, to {folder}")
    not_in_it = "`.env`" + (" and the keys in OURA_TOKEN_KEY" if token_keys(settings) else "")
    print_lines(f"Not in it: {not_in_it}. `oura-pipeline restore {folder}` is the way back.")
