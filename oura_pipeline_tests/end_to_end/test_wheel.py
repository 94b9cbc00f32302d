"""The wheel alone, in a clean environment and an empty folder: everything that people type."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from oura_pipeline_tests.testing.paths import ROOT

UV = Path(sysconfig.get_path("scripts")) / "uv"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    run([UV, "build", "--quiet", "--system-certs", "--wheel", "--out-dir", folder], ROOT)
    [wheel] = folder.glob("*.whl")
    run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], folder)
    python = folder / "venv" / "bin" / "python"
    # The versions that everything else is tried with.
    locked = ["--constraint", ROOT / "requirements.lock", "--system-certs", "--quiet"]
    run([UV, "pip", "install", *locked, "--python", python, wheel], folder)
    return python.parent


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


def run(command: list[str | Path], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=clean(variables), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without what says where this checkout, or a pipeline, is."""
    others = ("OURA_", "GRAPHITE_", "DAGSTER_", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    return {**kept, "COLUMNS": "200", **variables}


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def test_the_demo_runs_and_is_used_again(installed: Path, empty: Path) -> None:
    """From nothing to numbers; then from what is there, without a sync."""
    demo = [installed / "oura-pipeline", "demo", "--days", "4"]
    first = run(demo, empty)
    for said in ("koa signed in", "left for you to sign in", "points in data/demo/graphite.log"):
        assert said in first
    assert "asha" in first.split("Who slept longest")[1]
    again = run(demo, empty)
    assert "Using what data/demo has" in again
    assert "Sync of" not in again
    assert answers(again) == answers(first) != []


def answers(shown: str) -> list[str]:
    """The rows of the tables of answers."""
    return [line for line in shown.splitlines() if line.startswith("│")]


def test_what_the_demo_made_can_be_read_in_a_notebook(installed: Path, empty: Path) -> None:
    program = (
        "from oura_pipeline.analysis.frames import connect\n"
        "from pathlib import Path\n"
        "with connect(Path('data/demo/analytics.duckdb')) as c:\n"
        "    print(c.execute('select count(distinct username) from nights').fetchall())"
    )
    assert run([installed / "python", "-c", program], empty) == "[(4,)]\n"


def test_dagster_loads_the_code_location(installed: Path, empty: Path) -> None:
    (empty / "dagster").mkdir()
    command = [installed / "dagster", "definitions", "validate", "-m", "oura_pipeline.definitions"]
    run(command, empty, DAGSTER_HOME=str(empty / "dagster"), PYTHONWARNINGS="ignore")


def test_sync_and_doctor_say_what_to_do(installed: Path, empty: Path) -> None:
    """In a folder where nobody is yet: a line each, no traceback."""
    program = installed / "oura-pipeline"
    variables = clean(
        {"OURA_API_URL": "http://127.0.0.1:9", "OURA_DAGSTER_URL": "http://127.0.0.1:9"}
    )
    sync, doctor = (
        subprocess.run(
            [program, *arguments], cwd=empty, env=variables, capture_output=True, text=True
        )
        for arguments in (["sync"], ["doctor", "--json"])
    )
    assert (sync.returncode, sync.stderr.count("\n")) == (1, 1)
    assert "nobody has signed in yet" in sync.stderr
    bad = [one["subject"] for one in json.loads(doctor.stdout) if not one["good"]]
    assert bad == ["client", "people", "Oura"]


def test_the_demo_stays_up_with_the_site_and_dagster(installed: Path, empty: Path) -> None:
    """It says where they are and where their log is, nothing of the log, and ends with them."""
    port, site = free_port(), free_port()
    demo = [installed / "oura-pipeline", "demo", "--days", "4", "--serve"]
    shown = empty / "shown"
    with (
        shown.open("wb") as out,
        subprocess.Popen(
            [*demo, "--port", port, "--site-port", site],
            cwd=empty,
            env=clean({}),
            stdout=out,
            stderr=out,
            start_new_session=True,
        ) as program,
    ):
        try:
            for url in (f"http://127.0.0.1:{site}/", f"http://127.0.0.1:{port}/server_info"):
                assert answer(url).status_code == 200
            until(lambda: "Ctrl-C" in shown.read_text())
        finally:
            program.send_signal(signal.SIGTERM)
            program.wait(60)
    _, _, served = shown.read_text().partition("Ask more: duckdb -readonly ")
    assert served.splitlines()[1:] == [
        f"Site: http://127.0.0.1:{site}, where you sign in as sione, or as anybody",
        f"The operator's page: http://127.0.0.1:{site}/status (password: demo)",
        f"Everybody's dashboards: http://127.0.0.1:{site}/dashboards (the same password)",
        f"Dagster's UI: http://127.0.0.1:{port}",
        "All of it runs until Ctrl-C; its log: data/demo/dev.log",
        "",
        "Stopped.",
    ]
    assert "Site: " in (empty / "data" / "demo" / "dev.log").read_text()


def until(true: Callable[[], bool]) -> None:
    """Return when it is true, within two minutes."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def answer(url: str) -> httpx.Response:
    """The first answer, within two minutes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return httpx.get(url, timeout=30, follow_redirects=True)
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)
