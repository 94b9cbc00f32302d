"""`oura-pipeline restore`."""

from __future__ import annotations

from pathlib import Path

import click

from oura_pipeline.backups.restore import restore as restore_backup
from oura_pipeline.commands.console import counted, print_lines
from oura_pipeline.settings import load_settings


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def restore(folder: Path) -> None:
    """Restore a backup into an empty data folder.

    Every file is checked before anything is written. End the installation that the backup is of
    first: Oura takes a refresh token once, and of two that use the same one loses.
    """
    settings = load_settings()
    restored = restore_backup(folder, settings, print_lines)
    made_at = f"{restored.manifest.made_at:%Y-%m-%d %H:%M} UTC"
    files = counted(len(restored.manifest.files), "file")
    print_lines(
        f"Restored {files} of {made_at} into {settings.storage.home}. What next:",
        f"- Sign-ins: whoever was renewed after {made_at} must sign in again, as Oura takes a "
        "refresh token once. The access tokens of "
        f"{restored.expired} of {restored.people} who are signed in have run out since; "
        "`doctor` and `/status` name whom Oura refuses.",
        "- Documents: Dagster's daemon, or `oura-pipeline sync --last 30`, fetches what came since "
        "and publishes a new copy for readers.",
        "- Whoever has left since is here again: `oura-pipeline people remove` deletes them anew.",
    )
