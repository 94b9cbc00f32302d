"""`oura-pipeline dev`: the site, Dagster's UI and daemon on this machine, as one program.

What surprises: Dagster reads `dagster.yaml` from the working directory, so it is started in the
folder that has it; the data folder stays where it was. And whoever ends first ends the other one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from oura_pipeline.defs.storage import config_dir
from oura_pipeline.settings import load_settings

LOOK_SECONDS = 0.2
ENDINGS = (signal.SIGINT, signal.SIGTERM)


def dev(port: int, site_port: int) -> int:
    """Run until Ctrl-C, a request to end, or the end of either; the exit status is theirs."""
    return together(port, site_port, dagster_in=config_dir(), site_in=Path.cwd())


def together(port: int, site_port: int, *, dagster_in: Path, site_in: Path) -> int:
    """The same, in these folders: one with a `dagster.yaml`, and one whose `.env` counts."""
    end_like_ctrl_c()
    with start(port, dagster_in) as dagster, start_site(site_port, site_in) as site:
        try:
            return _first_end(dagster, site)
        except KeyboardInterrupt:
            return 0
        finally:
            for ending in ENDINGS:  # an impatient second Ctrl-C would leave children behind
                signal.signal(ending, signal.SIG_IGN)


def end_like_ctrl_c() -> None:
    """Let a request to end take the children along, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def start(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster dev` in a folder with a `dagster.yaml`, as a child that ends with the block."""
    home = load_settings().storage.home
    home.mkdir(parents=True, exist_ok=True)
    print(f"Dagster's UI: http://127.0.0.1:{port}  (data in {home}; Ctrl-C ends it)", flush=True)
    program = Path(sys.executable).with_name("dagster")
    # `dagster dev` warns of its successor, which is no part of the product's packages.
    environment = {"PYTHONWARNINGS": "ignore", **os.environ, "OURA_PIPELINE_HOME": str(home)}
    command = [str(program), "dev", "--host", "127.0.0.1", "--port", str(port)]
    with _child(command, folder, environment) as child:
        yield child


@contextmanager
def start_site(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`oura-pipeline web` as a child that ends with the block; it prints its address itself."""
    command = [sys.executable, "-m", "oura_pipeline.cli", "web", "--port", str(port)]
    environment = {**os.environ, "OURA_PIPELINE_HOME": str(load_settings().storage.home)}
    with _child(command, folder, environment) as child:
        yield child


@contextmanager
def _child(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(  # noqa: S603  (our own virtual environment's programs)
        command,
        cwd=folder,
        env=environment,
        start_new_session=True,  # a group of its own, which can be ended as a whole
    ) as child:
        try:
            yield child
        finally:
            _end_group(child)


def _first_end(*children: subprocess.Popen[bytes]) -> int:
    """Wait for the first of them to end; its exit status."""
    while True:
        for child in children:
            if (status := child.poll()) is not None:
                return status
        time.sleep(LOOK_SECONDS)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End it and what it started: webserver, daemon and code server do not end with it."""
    for request, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, request)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
