"""`oura-pipeline dev`: Dagster's UI and daemon on this machine, as one program that ends together.

What surprises: Dagster reads `dagster.yaml` from the working directory, so it is started in the
folder that has it; the data folder stays where it was.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oura_pipeline.defs.storage import config_dir
from oura_pipeline.settings import load_settings


def dev(port: int) -> int:
    """Run until Ctrl-C or a request to end; the exit status is Dagster's."""
    end_like_ctrl_c()
    with start(port, config_dir()) as dagster:
        try:
            return dagster.wait()
        except KeyboardInterrupt:
            return 0


def end_like_ctrl_c() -> None:
    """Let a request to end take the children along, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def start(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster dev` in a folder with a `dagster.yaml`, as a child that ends with the block."""
    home = load_settings().home
    home.mkdir(parents=True, exist_ok=True)
    print(f"Dagster's UI: http://127.0.0.1:{port}  (data in {home}; Ctrl-C ends it)", flush=True)
    program = Path(sys.executable).with_name("dagster")
    # `dagster dev` warns of its successor, which is no part of the product's packages.
    environment = {"PYTHONWARNINGS": "ignore", **os.environ, "OURA_PIPELINE_HOME": str(home)}
    with subprocess.Popen(  # noqa: S603  (our own virtual environment's program)
        [str(program), "dev", "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        env=environment,
        start_new_session=True,  # a group of its own, which can be ended as a whole
    ) as child:
        try:
            yield child
        finally:
            _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End it and what it started: webserver, daemon and code server do not end with it."""
    for request, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, request)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
