"""`oura-pipeline dev` is one program: everything that it started is gone when it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import httpx
import pytest

from oura_pipeline.web.automation import automation
from oura_pipeline_tests.end_to_end.test_dev import free_port

DAGSTER, SITE, SECONDS = 0, 1, 180


def test_a_request_to_end_takes_site_and_dagster_along(tmp_path: Path) -> None:
    """Both answer; after SIGTERM to the one that was started nothing of it is left.

    Meanwhile a second one on the same data folder is refused, and so is a second daemon.
    """
    ports = (free_port(), free_port())
    with started(tmp_path, ports) as program:
        until(lambda: answers(ports[SITE], "/health"), program)
        until(lambda: answers(ports[DAGSTER], "/server_info"), program)
        assert len(processes(tmp_path)) >= 4
        assert commands(ports[DAGSTER]) == {"from the UI": 200, "by GET": 405, "rebound": 421}
        until(lambda: {"retired_people", "daily"} <= running(ports[DAGSTER]), program)
        second = run(tmp_path, "dev", *options((free_port(), free_port())))
        daemon = run(tmp_path, "daemon")
        program.terminate()
        assert program.wait(10) == 143
        # On a busy machine who watches over them is the last to end, right after them.
        until(lambda: processes(tmp_path) == set(), seconds=3)
    # What everything else says is in a file; of errors, this shows that there were none.
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == [
        f"Site: http://localhost:{ports[SITE]}",
        f"Dagster's UI: http://127.0.0.1:{ports[DAGSTER]}",
        "All of it runs until Ctrl-C; its log: data/dev.log",
        "",
        "Stopped.",
    ]
    assert "SensorDaemon" in (tmp_path / "data" / "dev.log").read_text(encoding="utf-8")
    assert (second.returncode, second.stderr) == (
        1,
        f"Error: `dev` runs once on {tmp_path / 'data'}: process {program.pid} does so already; "
        "stop it first\n",
    )
    assert daemon.returncode == 1
    assert daemon.stderr.startswith(f"Error: `daemon` runs once on {tmp_path / 'data'}: process ")


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    """With its option, and without the address at which somebody else would answer."""
    with taken_port() as taken:
        refused = run(tmp_path, "dev", *options((free_port(), taken)))
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        1,
        "",
        f"Error: port {taken} is taken: stop what listens there, or choose another --site-port\n",
    )


def commands(port: int) -> dict[str, int]:
    """The status of a command to Dagster's UI, as it sends them and as other pages can."""
    address = f"http://127.0.0.1:{port}/graphql"
    mutation = "mutation { setNuxSeen }"
    with httpx.Client(trust_env=False, timeout=30) as http:
        asked = {
            "from the UI": http.post(address, json={"query": mutation}),
            "by GET": http.get(address, params={"query": mutation}),
            "rebound": http.post(address, json={"query": mutation}, headers={"Host": "evil.test"}),
        }
    return {how: answer.status_code for how, answer in asked.items()}


def running(port: int) -> set[str]:
    """The sensors and schedules that are said to work."""
    with httpx.Client(trust_env=False, timeout=30) as http:
        found = automation(http, f"http://127.0.0.1:{port}") or []
    return {one.name for one in found if one.works}


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door.getsockname()[1]


@contextmanager
def started(folder: Path, ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    """`oura-pipeline dev` with its data in the folder; whatever happens, nothing stays."""
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            command("dev", *options(ports)),
            env=environment(folder),
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            yield program
        finally:
            for pid in processes(folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            program.wait(10)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`oura-pipeline` that is expected to end by itself."""
    return subprocess.run(
        command(*arguments),
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "oura_pipeline.cli", *arguments]


def options(ports: tuple[int, int]) -> list[str]:
    return ["--port", str(ports[DAGSTER]), "--site-port", str(ports[SITE])]


def environment(folder: Path) -> dict[str, str]:
    ours = ("OURA_", "GRAPHITE_", "DAGSTER_")
    others = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return {**others, "OURA_PIPELINE_HOME": str(folder / "data")}


def processes(folder: Path) -> set[int]:
    """Everybody whose environment names the data folder."""
    wanted = f"OURA_PIPELINE_HOME={folder / 'data'}".encode()
    found = set()
    # Whatever was started with this data folder belongs to this test, however deep below.
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                found.add(int(entry.parent.name))
    return found


def answers(port: int, path: str) -> bool:
    """Whether somebody answers there."""
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).is_success
    return False


def until(
    true: Callable[[], bool],
    program: subprocess.Popen[bytes] | None = None,
    *,
    seconds: float = SECONDS,
) -> None:
    """Return when it is true, for which the program must go on."""
    deadline = time.monotonic() + seconds
    while not true():
        if program is not None and program.poll() is not None:
            pytest.fail("the program ended")
        if time.monotonic() > deadline:
            pytest.fail("that took too long")
        Event().wait(0.1)
