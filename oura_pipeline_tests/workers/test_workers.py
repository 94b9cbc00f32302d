"""What becomes of shards of people whose workers, broker and database fail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program, require_root
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
    assert done.returncode == 0
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_everything_lands_once(seen: dict[str, Any]) -> None:
    """Compared document by document; and the days are told of once, with everybody."""
    assert seen["differing"] == []
    assert seen["samples"] > 100
    assert seen["runs"] == ["SUCCESS", "SUCCESS"]  # the other is the sync beside it
    assert seen["people"] == PEOPLE


def test_another_worker_does_what_a_killed_one_was_doing(seen: dict[str, Any]) -> None:
    """Once more is also done what was in the middle when the broker was cut off, and no more."""
    first, last, by = {}, {}, defaultdict(list)
    for at, shard, name in seen["begun"]:
        first.setdefault(shard, at)
        by[shard].append(name)
    for at, shard in seen["ended"]:
        last.setdefault(shard, at)
    assert len(by) == len(last) == PEOPLE
    again = [shard for shard, names in by.items() if len(names) > 1]
    assert [by[shard][0] for shard in again].count(seen["killed"]) == 1
    cut_off = seen["at"]["cut off"]
    others = [shard for shard in again if by[shard][0] != seen["killed"]]
    assert [shard for shard in others if not first[shard] < cut_off < last[shard]] == []


def test_the_budget_and_renewals_hold_for_all_machines(seen: dict[str, Any]) -> None:
    """A token that two renew at once is refused, and its owner must sign in again."""
    assert REQUESTS / 2 < seen["budget"] <= REQUESTS * 1.02
    assert seen["states"] == ["connected"]
    assert seen["renewals"] >= 1
