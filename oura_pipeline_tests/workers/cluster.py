"""What workers share: Postgres, RabbitMQ and a lake; and runs of shards on them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from cryptography.fernet import Fernet

from oura_pipeline.defs.run_requests import SHARD_OP
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.postgres import dagster_config, new_database

Program = subprocess.Popen[bytes]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def shared_settings(
    postgres: str, broker: str, graphite: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """The settings of every machine: new databases, a new lake, new keys."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(dagster_config(), encoding="utf-8")
    accounts, catalog, records = (new_database(postgres) for _ in range(3))
    return {
        **graphite,
        "OURA_ACCOUNTS_URL": f"postgresql+psycopg://{accounts}",
        "OURA_WAREHOUSE_URL": f"ducklake:postgres:postgresql://{catalog}",
        "OURA_WAREHOUSE_DATA": str(folder / "lake"),
        "OURA_TOKEN_KEY": Fernet.generate_key().decode(),
        "OURA_SESSION_KEY": Fernet.generate_key().decode(),
        "OURA_EXECUTOR": "celery",
        "OURA_BROKER_URL": broker,
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://{records}",
    }


@contextmanager
def worker(folder: Path, inside: Sequence[str] = ()) -> Iterator[Program]:
    """A worker with a data folder of its own, as on a machine of its own; also one more there."""
    folder.mkdir(exist_ok=True)
    environment = {"OURA_PIPELINE_HOME": str(folder / "data")}
    line = [*inside, *command("oura_pipeline.cli", "worker")]
    log = folder / f"log {len(list(folder.glob('log *'))) + 1}"
    with program(log, line, environment) as process:
        yield process


@contextmanager
def shards_run(folder: Path, config: dict[str, object]) -> Iterator[Program]:
    """A run of shards, in a process of its own."""
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    job = ("-m", "oura_pipeline.definitions", "-j", "sync_shards", "-c", str(path))
    with program(folder / "run.log", command("dagster", "job", "execute", *job)) as process:
        yield process


@contextmanager
def program(
    log: Path, line: Sequence[str], environment: dict[str, str] | None = None
) -> Iterator[Program]:
    """A program that is killed at the end of the block, with all that it started."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            line,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: Program) -> None:
    """Kill a program and all of its processes, as a power cut would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def end(run: Program, log: Path, *, seconds: float) -> None:
    """Wait until a run ends, which must be well."""
    status = run.wait(seconds)
    assert status == 0, log.read_text(encoding="utf-8")[-5000:]


def prepare_lake() -> None:
    subprocess.run(command("oura_pipeline.cli", "warehouse", "prepare"), check=True, cwd=ROOT)


def begun(instance: dg.DagsterInstance) -> list[tuple[float, str, str]]:
    """When which shard was begun by which worker, in order."""
    found = []
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event and (event.step_key or "").startswith(f"{SHARD_OP}["):
                name = event.engine_event_data.metadata.get("Celery worker")
                if name:
                    found.append((entry.timestamp, str(event.step_key), str(name.value)))
    return sorted(found)


def ended(instance: dg.DagsterInstance) -> list[tuple[float, str]]:
    """When which shard was done."""
    return sorted(
        (entry.timestamp, str(entry.dagster_event.step_key))
        for run in instance.get_runs()
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
        if entry.dagster_event and str(entry.dagster_event.step_key).startswith(f"{SHARD_OP}[")
    )
