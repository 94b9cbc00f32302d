"""A little of `make crash`: kills at named points and faults of Oura, and the truth afterwards."""

from __future__ import annotations

import re
import subprocess
import sys

from oura_pipeline_tests.testing.paths import ROOT


def test_nothing_is_lost_doubled_or_invented() -> None:
    """By hand: `make crash SEED=1`, ten minutes of everything."""
    program = [sys.executable, "-m", "oura_pipeline_tests.end_to_end.crash", "--seed", "1"]
    done = subprocess.run(
        [*program, "--rounds", "a little"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    harm = re.search(r"^seed 1: (\d+) kills, (\d+) faults", done.stdout, re.MULTILINE)
    assert harm, done.stdout
    assert (int(harm[1]), int(harm[2])) == (2, 2)
