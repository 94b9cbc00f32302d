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

from oura_pipeline.defs.storage import config_dir
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
    sys.exit(run_dagster_and_site(port, site_port, dagster_in=config_dir(), site_in=Path.cwd()))


def run_dagster_and_site(port: int, site_port: int, *, dagster_in: Path, site_in: Path) -> int:
    """Run both until Ctrl-C, SIGTERM or the end of either, and return the exit status.

    Args:
        port: of Dagster's UI.
        site_port: of the site.
        dagster_in: a folder with a `dagster.yaml`, which Dagster reads from the working directory.
        site_in: the folder whose `.env` counts.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the children, as Ctrl-C does
    with start_dagster(port, dagster_in) as dagster, start_site(site_port, site_in) as site:
        try:
            return _wait_for_first(dagster, site)
        except KeyboardInterrupt:
            return 0
        finally:
            # An impatient second Ctrl-C would leave children behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


def start_dagster(port: int, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run `dagster dev` in a folder with a `dagster.yaml` while the block runs."""
    home = load_settings().storage.home
    keep_private(home)
    print(f"Dagster's UI: http://127.0.0.1:{port} (data in {home}; Ctrl-C to stop)", flush=True)
    # Beside this Python: the virtual environment need not be active.
    program = Path(sys.executable).with_name("dagster")
    command = [str(program), "dev", "--host", "127.0.0.1", "--port", str(port)]
    # `dagster dev` warns that `dg dev` supersedes it, which is not among the product's packages.
    return _child(command, folder, {"PYTHONWARNINGS": "ignore", **os.environ})


def start_site(port: int, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run `oura-pipeline web`, which prints its address, while the block runs."""
    command = [sys.executable, "-m", "oura_pipeline.cli", "web", "--port", str(port)]
    return _child(command, folder, os.environ)


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
