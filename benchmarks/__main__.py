"""Measure every scenario, ours and the peer in turn: `make bench`, or a glance with `QUICK=1`."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import results as made
from benchmarks import syncs
from benchmarks.results import Results
from benchmarks.scale import FULL, QUICK, Scale

SCENARIOS: dict[str, Callable[[Results, Scale, Path], None]] = {
    "one person": syncs.one_person,
}


def main() -> None:
    """Run the scenarios, or those that are named, and write what was seen after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO")
    parser.add_argument("--quick", action="store_true", help="less of everything, two minutes")
    parser.add_argument("--output", type=Path, default=made.PATH, help="where results are written")
    chosen = parser.parse_args()
    results = Results(machine=machine() | {"quick": chosen.quick})
    for name in chosen.scenarios or SCENARIOS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            SCENARIOS[name](results, QUICK if chosen.quick else FULL, Path(scratch))
        results.seconds[name] = time.perf_counter() - began
        results.write(chosen.output)
    print(made.programs_table(results))
    print(made.figures_table(results))
    print({name: round(seconds) for name, seconds in results.seconds.items()})


def machine() -> dict[str, object]:
    """What the figures were seen on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
