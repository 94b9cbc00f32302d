"""`oura-pipeline dev`, and the child processes that it consists of."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from oura_pipeline.files import keep_private
from oura_pipeline.process.children import Child, children, first_ended
from oura_pipeline.process.owners import owned
from oura_pipeline.settings import load_settings

PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--port", default=3000, type=PORT, show_default=True, help="Port of Dagster's UI.")
@click.option("--site-port", default=8000, type=PORT, show_default=True, help="Port of the site.")
def dev(port: int, site_port: int) -> None:
    """Run the site and Dagster on this machine.

    Dagster's UI, its daemon and the site listen on 127.0.0.1 only, until Ctrl-C.
    """
    sys.exit(run_dagster_and_site(port, site_port, Path.cwd()))


def run_dagster_and_site(port: int, site_port: int, folder: Path) -> int:
    """Run both until Ctrl-C, SIGTERM or the end of a child, and return that child's status.

    Args:
        port: of Dagster's UI.
        site_port: of the site.
        folder: the one whose `.env` counts.

    Raises:
        AlreadyOwned: another `dev` runs on the same data folder.
        ClickException: one of the ports is taken.
    """
    home = load_settings().storage.home
    keep_private(home)
    with owned(home / "dev.lock", f"`dev` runs once on {home}") as lock:
        check_ports({"--port": port, "--site-port": site_port})
        commands = {**_dagster(port), "site": ["web", "--port", str(site_port)]}
        # The children own the data folder, too: it is taken as long as one of them lives.
        with _started(commands, folder, lock) as started:
            print(f"Dagster's UI: http://127.0.0.1:{port} (data in {home}; Ctrl-C to stop)")
            sys.stdout.flush()
            name, status = first_ended(started)
    click.echo(f"{name} ended with status {status}, and so did the rest", err=True)
    return status


@contextmanager
def start_dagster(port: int, folder: Path) -> Iterator[Mapping[str, Child]]:
    """Run Dagster's UI, behind its guard, and its daemon in a folder while the block runs."""
    with _started(_dagster(port), folder) as started:
        yield started


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise ClickException if another program has one of the ports, or nobody may have it.

    Args:
        ports: by the option that chooses it.
    """
    if len({*ports.values()}) < len(ports):
        raise click.UsageError(f"{' and '.join(ports)} must be different")
    for option, port in ports.items():
        # A browser looks for `localhost` at ::1 first, where somebody else may be.
        for host in ("127.0.0.1", "::1"):
            try:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                socket.create_server((host, port), family=family).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise click.ClickException(
                        f"port {port} is taken: stop what listens there, or choose another {option}"
                    ) from None
                if host == "127.0.0.1":
                    raise click.ClickException(
                        f"cannot listen on port {port} ({error.strerror}): choose another {option}"
                    ) from None


def _dagster(port: int) -> dict[str, Sequence[str]]:
    return {"Dagster's UI": ["webserver", "--port", str(port)], "Dagster's daemon": ["daemon"]}


@contextmanager
def _started(
    commands: Mapping[str, Sequence[str]], folder: Path, *inherited: int
) -> Iterator[Mapping[str, Child]]:
    """Run commands of `oura-pipeline` in a folder while the block runs."""
    program = [sys.executable, "-m", "oura_pipeline.cli"]
    environment = {
        # Dagster warns of its own doing, such as what is in beta.
        "PYTHONWARNINGS": "ignore",
        **os.environ,
        # Absolute, as the children's working directory is another one.
        "OURA_PIPELINE_HOME": str(load_settings().storage.home),
    }
    whole = {name: [*program, *command] for name, command in commands.items()}
    with children(whole, folder=folder, environment=environment, inherited=inherited) as started:
        yield started
