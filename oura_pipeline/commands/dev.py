"""`oura-pipeline dev`, and the child processes that it consists of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import click

from oura_pipeline.files import keep_private
from oura_pipeline.settings import load_settings

POLL_SECONDS = 0.2  # Popen waits for one child, not for the first of several


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port of Dagster's UI.")
@click.option("--site-port", default=8000, show_default=True, help="Port of the site.")
def dev(port: int, site_port: int) -> None:
    """Run the site and Dagster on this machine.

    Dagster's UI, its daemon and the site listen on 127.0.0.1 only, until Ctrl-C.
    """
    sys.exit(run_dagster_and_site(port, site_port, Path.cwd()))


def run_dagster_and_site(port: int, site_port: int, folder: Path) -> int:
    """Run both until Ctrl-C, SIGTERM or the end of either, and return the exit status.

    Args:
        port: of Dagster's UI.
        site_port: of the site.
        folder: the one whose `.env` counts.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the children, as Ctrl-C does
    with start_dagster(port, folder) as dagster, start_site(site_port, folder) as site:
        try:
            return _wait_for_first(*dagster, site)
        except KeyboardInterrupt:
            return 0
        finally:
            # An impatient second Ctrl-C would leave children behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


@contextmanager
def start_dagster(port: int, folder: Path) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Run Dagster's UI, behind its guard, and its daemon in a folder while the block runs."""
    home = load_settings().storage.home
    keep_private(home)
    print(f"Dagster's UI: http://127.0.0.1:{port} (data in {home}; Ctrl-C to stop)", flush=True)
    ui = start("webserver", "--port", str(port), folder=folder)
    with ui as webserver, start("daemon", folder=folder) as daemon:
        yield webserver, daemon


def start_site(port: int, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run `oura-pipeline web`, which prints its address, while the block runs."""
    return start("web", "--port", str(port), folder=folder)


def start(*command: str, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a command of `oura-pipeline` in a folder while the block runs."""
    # Dagster warns of its own doing, such as what is in beta.
    environment = {"PYTHONWARNINGS": "ignore", **os.environ}
    return _child([sys.executable, "-m", "oura_pipeline.cli", *command], folder, environment)


@contextmanager
def _child(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # Absolute, as the child's working directory is another one.
    home = {"OURA_PIPELINE_HOME": str(load_settings().storage.home)}
    with subprocess.Popen(  # noqa: S603  (programs of our own virtual environment)
        command,
        cwd=folder,
        env={**environment, **home},
        start_new_session=True,  # a group of its own, which can be ended as a whole
    ) as child:
        try:
            yield child
        finally:
            _terminate_group(child)


def _wait_for_first(*children: subprocess.Popen[bytes]) -> int:
    """Wait until one of them ends, and return its exit status."""
    while True:
        for child in children:
            if (status := child.poll()) is not None:
                return status
        time.sleep(POLL_SECONDS)


def _terminate_group(child: subprocess.Popen[bytes]) -> None:
    # Dagster's webserver, daemon and code server do not end with the process that started them.
    for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
