"""Documents spoiled at random, revised and synced in any order: only what is spoiled is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from oura_pipeline_tests.end_to_end.odd_cloud import odd_cloud

# By hand: ODD_CLOUD_SEEDS=200 ODD_CLOUD_DAYS=30, or `python -m …end_to_end.odd_cloud --seeds 200`,
# which also syncs twice between two changes, where this does it once.
MANY = int(os.environ.get("ODD_CLOUD_SEEDS", "0"))
# Pages of seven documents and live rows, and neither.
SEEDS = range(1, MANY + 1) if MANY else (2, 5)
# Days are what takes time: few of them, with as many odd documents as a month has.
DAYS = int(os.environ.get("ODD_CLOUD_DAYS", "3"))
SHARE = 0.3 / DAYS


@pytest.mark.parametrize("seed", SEEDS)
def test_only_what_is_spoiled_is_lost(seed: int, empty_home: Path, tmp_path: Path) -> None:
    """All else is in DuckDB and in Graphite as Oura has it, and nothing besides."""
    shutil.copytree(empty_home, tmp_path / "data")
    assert odd_cloud(tmp_path / "data", seed, days=DAYS, share=SHARE, syncs=1) == []
