"""Many at once: processes that sync, processes that renew, analysts who look."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import duckdb

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, PERSONAL_INFO
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.accounts.homes import at_once
from oura_pipeline_tests.end_to_end import syncs_at_once
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.end_to_end.renewals_at_once import personal_info
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import World, environment

FIRST = LAST - timedelta(days=2)


def test_three_syncs_at_once_land_the_truth_while_an_analyst_reads(
    published_world: World,
) -> None:
    """They queue for the file instead of failing, and nobody is disturbed."""
    usernames, types = ["runa", "koa", "sione"], ["sleep", "heartrate"]
    for username in usernames:
        published_world.sign_in(username)
    published_world.fetch(FIRST, LAST, types=types)
    with open_pipeline() as pipeline:
        publish(pipeline)
    options = [f"--from={FIRST}", f"--to={LAST}", *(f"--type={name}" for name in types)]
    with duckdb.connect(str(published_world.home / "analytics.duckdb"), read_only=True) as analyst:
        before = analyst.execute("SELECT count(*) FROM oura.heartrate").fetchone()
        done = subprocess.run(
            [sys.executable, "-m", syncs_at_once.__name__, "3", *options],
            cwd=published_world.home,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        after = analyst.execute("SELECT count(*) FROM oura.heartrate").fetchone()
    assert done.returncode == 0, done.stderr
    assert before == after
    with published_world.warehouse.kept_open():
        differing = [
            (username, document_type.name)
            for username in usernames
            for document_type in DOCUMENT_TYPES
            if document_type.name in types
            and published_world.landed(username, document_type)
            != published_world.truth(username, document_type, FIRST, LAST)
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
    settings = environment(own_world.home, own_cloud)
    [runa] = own_world.truth("runa", PERSONAL_INFO)
    assert at_once(8, personal_info, settings) == [runa[1]] * 8
    asked = own_cloud.requests()
    refreshed = {route: people for route, people in asked.items() if "token" in route}
    assert [sum(people.values()) for people in refreshed.values()] == [1]
