"""Whoever leaves many people whom workers synced is in no file, database or log of any machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from oura_pipeline_tests.testing.paths import ROOT

PEOPLE, TYPES = 6, 2


def test_no_byte_of_who_left_is_left_anywhere(tmp_path: Path) -> None:
    """Their name, their id at Oura and their documents, all of which were there before."""
    told = tmp_path / "told.json"
    arguments = ("--people", "6", "--shard", "2", "--types", "daily_sleep", "sleep")
    line = [sys.executable, "-m", "benchmarks.crowd", *arguments, "--output", str(told)]
    subprocess.run(line, cwd=ROOT, check=True, timeout=1200)
    seen = json.loads(told.read_text(encoding="utf-8"))
    assert seen["held it before"] == ["accounts", "data", "lake"]
    assert seen["held it afterwards"] == []
    assert seen["differing"] == []
    assert seen["days in the ledger"] == PEOPLE * TYPES * 3
    assert seen["refused by Oura"] is False
