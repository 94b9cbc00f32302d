"""Ctrl-C in a sync on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.end_to_end.interrupted_syncs import findings, left_over, run_statuses
from oura_pipeline_tests.testing.terminal import CTRL_C, terminal
from oura_pipeline_tests.testing.world import world

DAYS = 5


def test_ctrl_c_ends_a_sync_and_nothing_stays_behind(tmp_path: Path) -> None:
    """While Oura does not answer: within three seconds, with status 130, the run cancelled.

    No lock and no process is left; what was landed stays, and the next sync lands the rest.
    """
    sync = ("sync", "--last", str(DAYS), "--type", "daily_sleep", "--type", "heartrate")
    today = datetime.now(UTC).date()
    options = SandboxOptions(people=1, days=DAYS)
    with running(options) as sandbox, world(tmp_path / "data", sandbox) as made:
        [person] = sandbox.usernames
        made.sign_in(person)
        sandbox.fault("hang", route="heartrate", seconds=60, count=None)
        with terminal(*sync, folder=tmp_path) as program:
            # The first type has been landed, the second one waits for its answer.
            program.until("heartrate")
            program.press(CTRL_C)
            status, took = program.ended(60)
        runs = list(run_statuses().values())
        assert list(findings(program.shown.decode(), status, took, runs[0])) == []
        assert runs == ["CANCELED"]
        assert list(left_over(made)) == []
        landed = made.landed(person, DAILY_SLEEP)
        assert landed != []
        with project_instance(captures_output=False) as instance:
            told = instance.get_materialized_partitions(dg.AssetKey(["oura", "daily_sleep"]))
        assert told >= {day for day, _ in landed}
        sandbox.clear_faults()
        first = today - timedelta(days=DAYS)
        assert made.run(first, today, types=["daily_sleep", "heartrate"]).success
        assert made.landed(person, DAILY_SLEEP) == landed
        assert made.landed(person, HEARTRATE) != []
