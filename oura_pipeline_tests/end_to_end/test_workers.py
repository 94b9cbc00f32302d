"""Shards of people, synced by two workers of which one is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from cryptography.fernet import Fernet

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask
from oura_pipeline.days import ONE_DAY
from oura_pipeline.defs.run_requests import shards_config
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.broker import running_broker
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.postgres import dagster_config, new_database
from oura_pipeline_tests.testing.world import World, comparable, world

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=2)
PEOPLE = 3
SECONDS = 400
Worker = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with running_broker() as address:
        yield address


@pytest.fixture
def made(postgres_server: str, broker: str, tmp_path: Path) -> Iterator[World]:
    """People whose accounts, documents and runs all machines share, and nothing else."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(dagster_config(), encoding="utf-8")
    dagster = f"postgresql+psycopg2://{new_database(postgres_server)}"
    settings = {
        "OURA_ACCOUNTS_URL": f"postgresql+psycopg://{new_database(postgres_server)}",
        "OURA_WAREHOUSE_URL": f"ducklake:postgres:postgresql://{new_database(postgres_server)}",
        "OURA_WAREHOUSE_DATA": str(tmp_path / "lake"),
        "OURA_TOKEN_KEY": Fernet.generate_key().decode(),
        "OURA_SESSION_KEY": Fernet.generate_key().decode(),
        "OURA_EXECUTOR": "celery",
        "OURA_BROKER_URL": broker,
        "OURA_PEOPLE_PER_SHARD": "1",
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": dagster,
    }
    options = SandboxOptions(people=PEOPLE, days=6, end=LAST, thin=10)
    with running(options) as cloud, world(tmp_path / "data", cloud, settings=settings) as made:
        subprocess.run(command("oura_pipeline.cli", "warehouse", "prepare"), check=True)
        for username in cloud.usernames:
            made.sign_in(username)
        yield made


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


@contextmanager
def worker(folder: Path) -> Iterator[Worker]:
    """A worker with a data folder of its own, as on a machine of its own."""
    folder.mkdir()
    environment = os.environ | {"OURA_PIPELINE_HOME": str(folder / "data")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command("oura_pipeline.cli", "worker"),
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: Worker) -> None:
    """Kill a worker and the process in which it syncs, as a power cut would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def test_what_a_killed_worker_was_doing_is_done_by_another(made: World, tmp_path: Path) -> None:
    """Everything lands once, the days are told once, and the run has not failed."""
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(shards_config(FIRST, LAST)), encoding="utf-8")
    job = ("-m", "oura_pipeline.definitions", "-j", "sync_shards", "-c", str(config))
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(tmp_path / name)) for name in ("one", "two")]
        log = stack.enter_context((tmp_path / "run.log").open("wb"))
        run = subprocess.Popen(
            command("dagster", "job", "execute", *job), cwd=ROOT, stdout=log, stderr=log
        )
        stack.callback(run.kill)
        busy = wait_until_both_sync(run)
        kill(next(one for one in workers if f"worker-{one.pid}@" in busy[0]))
        run.wait(SECONDS)
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert run.returncode == 0, text[-5000:]
    assert_all_landed_once(made)
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        by = workers_of_shards(instance)
        assert len(by) == PEOPLE
        assert [busy[0] in names and len(names) == 2 for names in by.values()].count(True) == 1
        days = {(FIRST + timedelta(days=number)).isoformat() for number in range(3)}
        assert instance.get_materialized_partitions(dg.AssetKey(["oura", "sleep"])) == days
        [told] = instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(["oura", "sleep"]), asset_partitions=[LAST.isoformat()]
            ),
            limit=10,
        ).records
        assert told.asset_materialization
        assert told.asset_materialization.metadata["people_landed"].value == PEOPLE


def wait_until_both_sync(run: subprocess.Popen[bytes]) -> list[str]:
    """Return the names of the workers, once each of them is in the middle of a shard."""
    deadline = time.monotonic() + SECONDS
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        while time.monotonic() < deadline:
            assert run.poll() is None, "the run ended before"
            names = {name for by in workers_of_shards(instance).values() for name in by}
            if len(names) == 2:
                time.sleep(2)  # it loads definitions, asks Oura, lands
                return sorted(names)
            time.sleep(0.2)
    raise AssertionError("two workers never synced at once")


def workers_of_shards(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """The workers that began each shard, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event and (event.step_key or "").startswith("sync_shard["):
                worker = event.engine_event_data.metadata.get("Celery worker")
                if worker:
                    found[str(event.step_key)].append(str(worker.value))
    return dict(found)


def assert_all_landed_once(made: World) -> None:
    """Compare every document of everybody, however often it stands there."""
    samples = 0
    with open_pipeline() as pipeline:
        for username in made.sandbox.usernames:
            for one in (one for one in DOCUMENT_TYPES if one.partitioned):
                rows = pipeline.warehouse.documents(one, username, FIRST, LAST)
                landed = comparable((day.isoformat(), json.loads(raw)) for day, raw in rows)
                if one.ask is not Ask.INSTANTS:
                    assert landed == made.truth(username, one, FIRST, LAST), one.name
                    continue
                # Whose first and last day ends where nobody but the sandbox knows.
                found = [json.dumps(document) for _, document in landed]
                assert len(found) == len({*found}), one.name
                middle = made.truth(username, one, FIRST + ONE_DAY, LAST - ONE_DAY)
                samples += len(middle)
                assert {json.dumps(document) for _, document in middle} <= {*found}, one.name
    assert samples > 100
