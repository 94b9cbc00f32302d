"""`oura-pipeline dev`, and the child processes that it consists of."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click

from oura_pipeline.commands.console import console, print_lines
from oura_pipeline.files import keep_private
from oura_pipeline.process import interrupts
from oura_pipeline.process.children import Child, children, first_ended
from oura_pipeline.process.log_file import LogFile
from oura_pipeline.process.owners import owned
from oura_pipeline.settings import load_settings

LOG = "dev.log"
PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--port", default=3000, type=PORT, show_default=True, help="Port of Dagster's UI.")
@click.option("--site-port", default=8000, type=PORT, show_default=True, help="Port of the site.")
def dev(port: int, site_port: int) -> None:
    """Run the site and Dagster on this machine.

    Dagster's UI, its daemon and the site listen on 127.0.0.1 only, until Ctrl-C.
    """
    settings = load_settings().served_at(f"http://localhost:{site_port}")
    lines = [f"Site: {settings.site.url}", f"Dagster's UI: {local(port)}"]
    sys.exit(run_dagster_and_site(port, site_port, Path.cwd(), lines))


def run_dagster_and_site(port: int, site_port: int, folder: Path, lines: Sequence[str]) -> int:
    """Run both until Ctrl-C, SIGTERM or the end of a child, and return that child's status.

    What they say goes into a file, and their errors to the terminal as well.

    Args:
        port: of Dagster's UI.
        site_port: of the site.
        folder: the one whose `.env` counts.
        lines: what is said once both answer.

    Raises:
        AlreadyOwned: another `dev` runs on the same data folder.
        ClickException: one of the ports is taken.
    """
    home = load_settings().storage.home
    keep_private(home)
    with owned(home / "dev.lock", f"`dev` runs once on {home}") as lock:
        check_ports({"--port": port, "--site-port": site_port})
        commands = {**_dagster(port), "site": ["web", "--port", str(site_port)]}
        log = LogFile(home / LOG)
        ways = [(site_port, "/health"), (port, "/server_info")]
        # The children own the data folder, too: it is taken as long as one of them lives.
        with (
            _started(commands, folder, lock, log=log.path) as started,
            console.status("Starting the site, Dagster's UI and its daemon") as starting,
        ):
            interrupts.end_with("Stopped.")

            def look() -> None:
                print_lines(*log.new_errors())
                if ways and _answers(*ways[0]):
                    del ways[0]
                    if not ways:
                        starting.stop()
                        last = f"All of it runs until Ctrl-C; its log: {short(log.path)}"
                        print_lines(*lines, last)

            name, status = first_ended(started, meanwhile=look)
        print_lines(*log.new_errors())
    click.echo(
        f"{name} ended with status {status}, and so did the rest; see {short(log.path)}", err=True
    )
    return status


def local(port: int) -> str:
    """Return the address of a port of this machine."""
    return f"http://127.0.0.1:{port}"


def short(path: Path) -> str:
    """Return a path as it is written from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _answers(port: int, path: str) -> bool:
    """Return whether a server of this machine has a page."""
    # It may listen, and answer seconds later.
    with closing(HTTPConnection("127.0.0.1", port, timeout=0.5)) as http:
        try:
            http.request("GET", path)
            return http.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, HTTPException):
            return False


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
    commands: Mapping[str, Sequence[str]], folder: Path, *inherited: int, log: Path | None = None
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
    with children(
        whole, folder=folder, environment=environment, inherited=inherited, log=log
    ) as started:
        yield started
