"""A cloud and a data folder of its own for a measurement, and what is in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.measuring import Use, cpu_seconds, family, use
from benchmarks.results import Programs
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import World, world

UNLIMITED = "1000000000/1"
LAST = date.today() - timedelta(days=1)  # it has ended for nearly everybody
# The programs of the project's own environment: the one that runs this has dlt's packages besides.
BIN = ROOT / ".venv" / "bin"
COMMAND, PYTHON = BIN / "oura-pipeline", BIN / "python"
SETTINGS = {
    "OURA_RATE_LIMIT": UNLIMITED,
    "OURA_HISTORY_START": "",  # as everybody has it
    "PYTHONDONTWRITEBYTECODE": "",  # or each process would compile everything again
}


@dataclass(frozen=True)
class Cloud:
    """A sandbox in a process of its own."""

    sandbox: Sandbox
    process: int

    def cpu(self) -> float:
        """CPU seconds that it has used."""
        return cpu_seconds(self.process)


@contextmanager
def cloud(**options: Any) -> Iterator[Cloud]:
    """A sandbox without limits, whose last day has ended."""
    before = set(family(os.getpid()))
    usual = {"rate_limit": UNLIMITED, "app_rate_limit": UNLIMITED, "end": LAST}
    chosen = SandboxOptions(**usual | options)
    with running(chosen, process=True) as sandbox:
        [process, *_] = sorted(set(family(os.getpid())) - before)
        yield Cloud(sandbox, process)


@contextmanager
def signed_in(home: Path, made: Cloud, *usernames: str, **settings: str) -> Iterator[World]:
    """A data folder with these people in it, or all; the settings of this process point there."""
    with world(home, made.sandbox, settings={**SETTINGS, **settings}) as found:
        for username in usernames or made.sandbox.usernames:
            found.sign_in(username)
        yield found


def measure(
    runs: Programs, made: Cloud, *command: str | Path, settings: dict[str, str] | None = None
) -> Use:
    """Run a command that asks a cloud, and note what both used."""
    before = made.cpu()
    used = use(command, settings)
    note(runs, used, made.cpu() - before)
    return used


def note(runs: Programs, used: Use, server: float | None = None) -> None:
    """Add what a command used, and whoever answered it, to the runs of its program."""
    runs.wall.append(used.wall)
    runs.cpu.append(used.cpu)
    runs.memory.append(used.memory)
    runs.server += [] if server is None else [server]
    print(
        f"{runs.scenario:3} {runs.name}: {used.wall:.1f} s, CPU {used.cpu:.1f} s, "
        f"{used.memory:.0f} MB",
        flush=True,
    )


def sync_command(first: date, last: date, *more: str) -> tuple[str | Path, ...]:
    """The command that syncs some days."""
    return (COMMAND, "sync", "--from", str(first), "--to", str(last), *more)


def program(module: str, *arguments: object) -> tuple[str | Path, ...]:
    """The command that runs a module of this package with the project's own packages alone."""
    return (PYTHON, "-m", module, *map(str, arguments))


def peer(way: str, first: date, last: date) -> tuple[str | Path, ...]:
    """The command that runs a program that we are compared with."""
    return (sys.executable, "-m", "benchmarks.peers", way, str(first), str(last))


def expected_rows(sandbox: Sandbox, first: date, last: date) -> int:
    """Return how many documents the sandbox holds of these days, and of those without a day."""
    return sum(
        len(
            sandbox.truth(
                username, document_type.name, *_span(document_type.partitioned, first, last)
            )
        )
        for username in sandbox.usernames
        for document_type in DOCUMENT_TYPES
    )


def _span(partitioned: bool, first: date, last: date) -> tuple[date, ...]:
    return (first, last) if partitioned else ()


def stored_rows(path: Path, schema: str = "oura") -> int:
    """Return how many rows the tables of document types have in a DuckDB file."""
    tables = {document_type.table for document_type in DOCUMENT_TYPES}
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", [schema]
        )
        names = [name for (name,) in found.fetchall() if name.replace("v_o2", "vo2") in tables]
        counts = [
            connection.sql(f'SELECT count(*) FROM {schema}."{name}"').fetchall() for name in names
        ]
    return sum(count for [(count,)] in counts)
