"""Measure every scenario, ours and the peer in turn: `make bench`, or a glance with `QUICK=1`."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import bookkeeping, own_export, questions, sizes, syncs, webhooks
from benchmarks import results as made
from benchmarks.plotting import plot
from benchmarks.results import Results
from benchmarks.scale import FULL, QUICK, Scale
from oura_pipeline_tests.testing.paths import ROOT

PICTURE = ROOT / "docs" / "pictures" / "performance.svg"
SCENARIOS: dict[str, Callable[[Results, Scale, Path], None]] = {
    "person": syncs.one_person,
    "demo": syncs.demo,
    "years": sizes.years,
    "nightly": sizes.nightly,
    "points": sizes.points,
    "slopes": sizes.slopes,
    "bookkeeping": bookkeeping.by_sync,
    "backfill": bookkeeping.by_backfill,
    "waiting": bookkeeping.waiting,
    "questions": questions.questions,
    "webhooks": webhooks.acknowledged,
    "export": own_export.own_export,
}


def main() -> int:
    """Run the scenarios and write what was seen, or print that of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO")
    parser.add_argument("--quick", action="store_true", help="less of everything, two minutes")
    parser.add_argument("--output", type=Path, help="where the results of some are written")
    chosen = parser.parse_args()
    # What was started has sessions of its own, and ends with the blocks that started it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = chosen.scenarios or list(SCENARIOS)
    results = measured(names, QUICK if chosen.quick else FULL)
    results.machine |= {"quick": chosen.quick}
    print(made.programs_table(results))
    print(made.figures_table(results))
    print({name: round(seconds) for name, seconds in results.seconds.items()})
    if chosen.output or names == list(SCENARIOS):
        results.write(chosen.output or made.PATH)
        plot(results, chosen.output.with_suffix(".svg") if chosen.output else PICTURE)
    return int(bool(results.failed))


def measured(names: list[str], scale: Scale) -> Results:
    """Run these scenarios; one that fails costs itself."""
    results = Results(machine=machine())
    for name in names:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            try:
                SCENARIOS[name](results, scale, Path(scratch))
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and isinstance(error.code, int):
                    raise
                traceback.print_exc()
                results.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        results.seconds[name] = time.perf_counter() - began
    return results


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
    sys.exit(main())
