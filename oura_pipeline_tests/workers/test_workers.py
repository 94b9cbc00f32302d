"""What becomes of shards of people whose workers, broker and database fail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program, require_root
from oura_pipeline_tests.workers.cluster import command, program
from oura_pipeline_tests.workers.outages import PEOPLE, REQUESTS


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What was seen while one worker was killed, and so on."""
    require_program(Path("/usr/sbin/ip"), "iproute2")
    require_root()
    own = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*own, sys.executable, "-m", "oura_pipeline_tests.workers.outages"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=1500,
    )
    print(done.stdout)  # shown where a test fails
    assert done.returncode == 0
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_everything_lands_once(seen: dict[str, Any]) -> None:
    """Compared document by document; and the days are told of once, with everybody."""
    assert seen["differing"] == []
    assert seen["samples"] > 100
    assert seen["runs"] == ["SUCCESS", "SUCCESS"]  # the other is the sync beside it
    assert seen["people"] == PEOPLE


def test_another_worker_does_what_a_killed_one_was_doing(seen: dict[str, Any]) -> None:
    """Once more is also done what was in the middle of an outage, and no more."""
    first, last, by = {}, {}, defaultdict(list)
    for at, shard, name in seen["begun"]:
        first.setdefault(shard, at)
        by[shard].append(name)
    for at, shard in seen["ended"]:
        last.setdefault(shard, at)
    assert len(by) == len(last) == PEOPLE
    again = [shard for shard, names in by.items() if len(names) > 1]
    assert [by[shard][0] for shard in again].count(seen["killed"]) == 1
    at = seen["at"]
    # A shard is told of some seconds after it was given out, which may be after the cable is gone.
    outages = [(at["cut off"], at["back"]), (at["stopped"], at["restarted"])]
    others = [shard for shard in again if by[shard][0] != seen["killed"]]
    assert [
        shard
        for shard in others
        if not any(first[shard] < end and begin < last[shard] for begin, end in outages)
    ] == []


def test_the_budget_and_renewals_hold_for_all_machines(seen: dict[str, Any]) -> None:
    """A token that two renew at once is refused, and its owner must sign in again."""
    assert REQUESTS / 2 < seen["budget"] <= REQUESTS * 1.02
    assert seen["states"] == ["connected"]
    assert seen["renewals"] >= 1


def test_deleting_somebody_leaves_nothing(seen: dict[str, Any]) -> None:
    """No byte of their name, of Oura's id of them or of their documents, on any machine.

    Looked for in every table, file and log, and in the names of files.
    """
    assert {"accounts", "data", "lake"} <= seen["held before"].keys()
    assert seen["held afterwards"] == {}


def test_a_worker_drops_what_it_had_when_it_was_killed(tmp_path: Path) -> None:
    """When it starts again: whoever deletes somebody does not reach its disk."""
    spooled = tmp_path / "data" / "spool" / "sleep.abandoned"
    spooled.mkdir(parents=True)
    (spooled / "0.ada").write_text("a night", encoding="utf-8")
    settings = {
        "OURA_PIPELINE_HOME": str(tmp_path / "data"),
        "OURA_BROKER_URL": "amqp://127.0.0.1:1",
    }
    settings |= {"OURA_EXECUTOR": "celery", "GRAPHITE_HOST": "carbon"}
    with program(tmp_path / "log", command("oura_pipeline.cli", "worker"), settings) as process:
        deadline = time.monotonic() + 60
        while spooled.exists():
            assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
