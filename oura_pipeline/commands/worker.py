"""`oura-pipeline worker`."""

from __future__ import annotations

import os

import click

from oura_pipeline.defs.worker import worker_app, worker_command
from oura_pipeline.files import keep_private
from oura_pipeline.pipeline import open_warehouse
from oura_pipeline.settings import Executor, SettingsError, load_settings


@click.command()
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many shards it syncs at once, each in a process.",
)
def worker(at_once: int) -> None:
    """Sync shards of many people.

    Runs of `sync_shards` ask for them, with OURA_EXECUTOR=celery. Any number of workers on any
    number of machines share the work. SIGTERM ends one once what it does is done; what a killed one
    was doing is done by another.
    """
    settings = load_settings()
    if settings.workers.executor is not Executor.CELERY:
        raise SettingsError("a worker needs OURA_EXECUTOR=celery, as the machine of the runs does")
    keep_private(settings.storage.home)
    # Those of who is deleted meanwhile would stay: only this machine reaches them.
    open_warehouse(settings).remove_abandoned_spools()
    worker_app()  # what is missing is said in one line
    command = worker_command(at_once)
    os.execv(command[0], command)  # noqa: S606  (a program of our own virtual environment)
