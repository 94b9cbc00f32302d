"""Many at once: processes that sync, processes that renew, analysts who look."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.world import World

FIRST = LAST - timedelta(days=2)
RENEW = """
from oura_pipeline.pipeline import open_pipeline
with open_pipeline() as pipeline:
    print(pipeline.client("runa").personal_info().raw.decode())
"""


def run(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def at_once(commands: list[list[str]], cwd: Path) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda command: run(command, cwd), commands))


def test_four_syncs_at_once_land_the_truth_while_an_analyst_reads(own_world: World) -> None:
    """They queue for the file instead of failing, and nobody is disturbed."""
    for username in own_world.sandbox.usernames:
        own_world.sign_in(username)
    types = ["daily_sleep", "sleep", "heartrate", "workout"]
    command = ["-m", "oura_pipeline.cli", "sync", f"--from={FIRST}", f"--to={LAST}"]
    command += [f"--type={name}" for name in types]
    assert run(command, own_world.home).returncode == 0
    with duckdb.connect(str(own_world.home / "analytics.duckdb"), read_only=True) as analyst:
        before = analyst.execute("SELECT count(*) FROM oura.heartrate").fetchone()
        done = at_once([command] * 4, own_world.home)
        after = analyst.execute("SELECT count(*) FROM oura.heartrate").fetchone()
    assert [process.returncode for process in done] == [0] * 4, [p.stderr for p in done]
    assert before == after
    differing = [
        (username, document_type.name)
        for username in own_world.sandbox.usernames
        for document_type in DOCUMENT_TYPES
        if document_type.name in types
        # Milo travels: where his samples belong is for another test.
        and (username, document_type.name) != ("milo", "heartrate")
        and own_world.landed(username, document_type)
        != own_world.truth(username, document_type, FIRST, LAST)
    ]
    assert differing == []


def test_eight_processes_renew_one_token_with_one_request(
    own_world: World, own_cloud: Sandbox
) -> None:
    """A refresh token works once; all eight get the pair that it brought."""
    own_world.sign_in("runa")
    own_cloud.forward(24 * 3600 + 1)
    own_cloud.reset_requests()
    with own_world.accounts() as accounts:
        token = own_cloud.sign_in("runa")["refresh_token"]
        accounts.people.reconnect("runa", SignIn(refresh_token=token))
    own_cloud.reset_requests()
    done = at_once([["-c", RENEW]] * 8, own_world.home)
    assert [process.returncode for process in done] == [0] * 8, [p.stderr for p in done]
    assert len({process.stdout for process in done}) == 1
    asked = own_cloud.requests()
    refreshed = {route: people for route, people in asked.items() if "token" in route}
    assert [sum(people.values()) for people in refreshed.values()] == [1]
