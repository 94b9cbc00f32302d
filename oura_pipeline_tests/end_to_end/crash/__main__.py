"""Crash everything, again and again, and compare what is left with the truth.

`python -m oura_pipeline_tests.end_to_end.crash --seed 1 --minutes 10` prints a line for each round.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime, timedelta

DAYS = 4


def main() -> int:
    """Return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", nargs="*", help="only these, in this order")
    chosen = parser.parse_args()
    # The day that has begun last anywhere; the code location is made when it is imported.
    last = (datetime.now(UTC) + timedelta(hours=14)).date()
    first = last - timedelta(days=DAYS - 1)
    os.environ["OURA_HISTORY_START"] = str(first)
    from oura_pipeline_tests.end_to_end.crash.seeds import crash_for

    return crash_for(chosen.seed, chosen.minutes * 60, chosen.rounds, first=first, last=last)


if __name__ == "__main__":
    raise SystemExit(main())
