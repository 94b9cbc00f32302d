"""`dagster dev` as a newcomer starts it: the real code location, and state that outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.testing.paths import ROOT

LOADED = """{ assetNodes { assetKey { path } }
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    name schedules { name scheduleState { status } } sensors { name sensorState { status } }
  } } } }"""
TICKS = """query Ticks($sensor: InstigationSelector!) { instigationStateOrError(
  instigationSelector: $sensor) { ... on InstigationState { ticks { status timestamp } } } }"""
START = """mutation Start($schedule: ScheduleSelector!) {
  startSchedule(scheduleSelector: $schedule) { __typename } }"""
REPOSITORY = {"repositoryLocationName": "oura_pipeline", "repositoryName": "__repository__"}
# What may stand in the log although nothing is wrong: Dagster's own words at a first start.
SAID_BY_DAGSTER = ("SupersessionWarning", "No cursor for event type DagsterEventType.RUN_")

SECONDS = 180  # for a start or an end; on a machine with five times its work each takes a minute

Ask = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with the project's configuration and nothing else."""
    for name in ("pyproject.toml", "dagster.yaml"):
        # `dagster dev` reads a `.env` and makes a temporary directory where it is started, and a
        # checkout may be in use.
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_what_was_switched_on_stays_on(folder: Path) -> None:
    """All assets load, what should run does; a schedule's switch and a tick outlive the process."""
    with dagster_dev(folder) as ask:
        before = loaded(ask)
        ticks = first_ticks(ask)
        chosen = {**REPOSITORY, "scheduleName": "hourly"}
        switched = ask(START, schedule=chosen)["startSchedule"]
    switches, kept_ticks = kept(folder)
    groups = ("oura", "graphite")
    assert before["assets"] == {
        "accounts/people",
        "accounts/subscriptions",
        "analytics/published",
        "export/apple_health",
        *(f"views/{view.name}" for view in VIEWS),
        *(f"{group}/{document_type.name}" for group in groups for document_type in DOCUMENT_TYPES),
    }
    assert before["locations"] == {"oura_pipeline": "LOADED"}
    assert "gaps" in before["sensors"]
    assert set(before["sensors"].values()) == {"RUNNING"}
    assert before["schedules"] == {
        "daily": "RUNNING",
        "daily_export": "STOPPED",
        "daily_in_shards": "RUNNING",
        "daily_renewal": "RUNNING",
        "daily_tidy": "RUNNING",
        "hourly": "STOPPED",
        "monthly_reconcile": "STOPPED",
    }
    assert switched == {"__typename": "ScheduleStateResult"}
    assert switches["hourly"] == "RUNNING"
    assert [status for status, _ in ticks] == ["SKIPPED"]
    assert kept_ticks[: len(ticks)] == ticks
    state = folder / "data" / "dagster"
    assert (state / "history" / "runs.db").is_file()
    assert (state / "schedules" / "schedules.db").is_file()
    assert list(folder.glob(".tmp_dagster_home_*")) == []
    assert complaints(folder) == []


def loaded(ask: Ask) -> dict[str, Any]:
    """The names of what the code location has, with its state."""
    answer = ask(LOADED)
    (repository,) = answer["repositoriesOrError"]["nodes"]
    entries = answer["workspaceOrError"]["locationEntries"]
    schedules, sensors = repository["schedules"], repository["sensors"]
    return {
        "assets": {"/".join(node["assetKey"]["path"]) for node in answer["assetNodes"]},
        "locations": {entry["name"]: entry["loadStatus"] for entry in entries},
        "schedules": {item["name"]: item["scheduleState"]["status"] for item in schedules},
        "sensors": {item["name"]: item["sensorState"]["status"] for item in sensors},
    }


def first_ticks(ask: Ask) -> list[tuple[str, float]]:
    """The ticks of the sensor `gaps`, status and time, once the first of them has ended."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = ask(TICKS, sensor={**REPOSITORY, "name": "gaps"})
        ticks = answer["instigationStateOrError"].get("ticks", [])
        if ticks and all(tick["status"] != "STARTED" for tick in ticks):
            return [(tick["status"], tick["timestamp"]) for tick in ticks]
        Event().wait(0.2)
    raise AssertionError("The sensor did not tick")


def kept(folder: Path) -> tuple[dict[str, str], list[tuple[str, float]]]:
    """What is on disk when the process has ended: each switch, and the ticks of `gaps`."""
    with chdir(folder), project_instance() as instance:
        states = {state.name: state for state in instance.all_instigator_state()}
        gaps = states["gaps"]
        ticks = instance.get_ticks(gaps.instigator_origin_id, gaps.selector_id)
    return (
        {name: state.status.value for name, state in states.items()},
        [(tick.status.value, tick.timestamp) for tick in reversed(ticks)],
    )


def complaints(folder: Path) -> list[str]:
    """The lines of the log that would worry a newcomer, but for those of Dagster's own."""
    words = ("warning", "error", "traceback", "exception")
    lines = (folder / "log").read_text(encoding="utf-8").splitlines()
    return [
        line
        for line in lines
        if any(word in line.lower() for word in words)
        and not any(known in line for known in SAID_BY_DAGSTER)
    ]


@contextmanager
def dagster_dev(folder: Path) -> Iterator[Ask]:
    """`dagster dev` in a folder until the block ends; gives a function that asks its webserver."""
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster"))
    ours = ("OURA_", "GRAPHITE_", "DAGSTER_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    with (folder / "log").open("a", encoding="utf-8") as log:
        child = subprocess.Popen(
            [program, "dev", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
                wait_for(client, child)
                yield lambda query, **variables: asked(client, query, variables)
        finally:
            ended(child)


def asked(client: httpx.Client, query: str, variables: dict[str, Any]) -> Any:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def wait_for(client: httpx.Client, child: subprocess.Popen[bytes]) -> None:
    """Return when the webserver answers."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(httpx.TransportError):
            if client.get("/server_info").is_success:
                return
        Event().wait(0.2)
    raise AssertionError("The webserver does not answer")


def ended(child: subprocess.Popen[bytes]) -> None:
    """End it as Ctrl-C does, and whatever of its session would stay."""
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(SECONDS)  # it ends its services one after the other
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def free_port() -> int:
    """A port nobody uses on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
