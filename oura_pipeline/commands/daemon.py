"""`oura-pipeline daemon`."""

from __future__ import annotations

import os

import click

from oura_pipeline.defs.run_owners import fail_what_was_left
from oura_pipeline.defs.webserver import daemon_command


@click.command()
def daemon() -> None:
    """Run Dagster's daemon.

    It ticks sensors and schedules and launches runs; DAGSTER_HOME need not be set.
    """
    fail_what_was_left()
    command = daemon_command()
    os.execv(command[0], command)  # noqa: S606  (a program of our own virtual environment)
