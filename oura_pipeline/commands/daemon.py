"""`oura-pipeline daemon`."""

from __future__ import annotations

import os
import sys

import click

from oura_pipeline.defs.run_owners import fail_what_was_left
from oura_pipeline.defs.webserver import daemon_command, daemon_is_alive
from oura_pipeline.files import keep_private
from oura_pipeline.process.owners import owned
from oura_pipeline.settings import LogFormat, load_settings


@click.command()
@click.option(
    "--is-alive", is_flag=True, help="Run nothing; end with 1 unless one runs and goes on."
)
def daemon(is_alive: bool) -> None:
    """Run Dagster's daemon, once on a data folder.

    It ticks sensors and schedules and launches runs; DAGSTER_HOME need not be set.
    """
    if is_alive:
        sys.exit(0 if daemon_is_alive() else 1)
    settings = load_settings()
    home = settings.storage.home
    keep_private(home)
    # Two of them would start the same runs and fight for a heartbeat.
    with owned(home / "daemon.lock", f"`daemon` runs once on {home}") as lock:
        fail_what_was_left()
        command = daemon_command(as_json=settings.logs.format is LogFormat.JSON)
        os.set_inheritable(lock, True)  # by the program that takes the place of this one
        os.execv(command[0], command)  # noqa: S606  (a program of our own virtual environment)
