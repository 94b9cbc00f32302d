"""What typical questions to the published copy take, and whether one takes too long.

    python benchmarks/questions.py [--home FOLDER] [--people 10] [--years 5] [--runs 9]

The folder keeps the file for the next time; without it the file is made anew, in a minute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from years import build

from oura_pipeline.analysis.frames import connect, load
from oura_pipeline.warehouse.warehouse import Warehouse

LIMIT = 200.0  # ms, of the median
PERSON = "person04"
NIGHT = "2026-11-19"
MONTH = {"start": "2026-10-20", "end": "2026-11-19"}
WEEK = {"start": "2026-11-10", "end": "2026-11-16"}
YEAR = {"start": "2025-11-21", "end": "2026-11-20"}
LAST_YEAR = f"username = '{PERSON}' AND day BETWEEN '{YEAR['start']}' AND '{YEAR['end']}'"
IN_A_NEW_PROCESS = """
import sys, time
from contextlib import closing
from oura_pipeline.analysis.frames import connect
began = time.perf_counter()
with closing(connect()) as connection:
    connection.execute(sys.argv[1]).fetchall()
print(1000 * (time.perf_counter() - began))
"""
FIRST_QUESTION = f"SELECT * FROM nights WHERE username = '{PERSON}' AND day = '{NIGHT}'"


def question(sql: str) -> Callable[[], int]:
    """SQL to be asked; its answer is how many rows there are."""

    def ask() -> int:
        # A connection of its own, as a cell of a notebook has: nothing is kept but what the
        # operating system keeps of the file. Planning is most of the time for the wide views.
        with closing(connect()) as connection:
            return len(connection.execute(sql).fetchall())

    return ask


def frame(name: str, first: str, last: str, *columns: str) -> Callable[[], int]:
    """One person's days of a view, into pandas."""

    def ask() -> int:
        chosen = list(columns) or None
        return len(load(name, username=PERSON, start=first, end=last, columns=chosen))

    return ask


QUESTIONS = {
    "last night": frame("nights", NIGHT, NIGHT),
    "its hypnogram": frame("hypnogram", NIGHT, NIGHT),
    "its heart rate and HRV": frame("sleep_heart", NIGHT, NIGHT),
    "a month of nights": frame("nights", MONTH["start"], MONTH["end"]),
    "a year of days": frame("daily_summary", YEAR["start"], YEAR["end"]),
    "a year of one baseline": question(
        f"SELECT day, value, mean_28d, sd_28d FROM baselines WHERE {LAST_YEAR} "
        "AND metric = 'hrv_average_ms' ORDER BY day"
    ),
    "two metrics, all people": question(
        "SELECT username, corr(hrv_average_ms, readiness_score) FROM daily_summary GROUP BY ALL"
    ),
    "heart rate by hours, a week": frame("heart_rate_hourly", WEEK["start"], WEEK["end"]),
    "heart rate by hours, a year": question(
        f"SELECT hour_local, bpm_mean FROM heart_rate_hourly WHERE {LAST_YEAR} ORDER BY time"
    ),
    "coverage of a year": question(
        f"SELECT document_type, status, count(*) FROM coverage WHERE {LAST_YEAR} GROUP BY ALL"
    ),
    "one metric of `long`, a year": question(
        f"SELECT time, value FROM long WHERE {LAST_YEAR} AND document_type = 'sleep' "
        "AND metric = 'average_hrv' ORDER BY time"
    ),
    "workouts of a year": frame("workouts", YEAR["start"], YEAR["end"]),
    "every minute of a day": frame("met_1min", NIGHT, NIGHT),
}


def main() -> int:
    """Print a line per question; 1 if the median of one is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, help="where the file is, or is to be kept")
    parser.add_argument("--people", type=int, default=10, help="at least 4")
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--runs", type=int, default=9)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="questions-") as scratch:
        home = chosen.home or Path(scratch)
        publish(home, people=chosen.people, years=chosen.years)
        os.environ["OURA_PIPELINE_HOME"] = str(home)
        print(f"{'ms':30}{'rows':>8}{'first':>8}{'best':>8}{'median':>8}{'limit':>8}")
        medians = [told(name, ask, chosen.runs) for name, ask in QUESTIONS.items()]
        medians.append(tell("last night, in a new process", 1, new_processes(chosen.runs)))
    return int(max(medians) > LIMIT)


def publish(home: Path, *, people: int, years: int) -> None:
    """A published copy of years in a folder, made where there is no warehouse yet."""
    home.mkdir(parents=True, exist_ok=True)
    warehouse = home / "warehouse.duckdb"
    if not warehouse.exists():
        build(warehouse, people=people, years=years)
    Warehouse(warehouse).publish(home / "analytics.duckdb")


def told(name: str, ask: Callable[[], int], runs: int) -> float:
    """Ask that often, once more first, and print what it took; the median in ms."""
    took, rows = [], 0
    for _ in range(runs + 1):
        began = time.perf_counter()
        rows = ask()
        took.append(1000 * (time.perf_counter() - began))
    return tell(name, rows, took)


def new_processes(runs: int) -> list[float]:
    """What opening and the first question take where nothing is warm but the system's cache, ms."""
    command = [sys.executable, "-c", IN_A_NEW_PROCESS, FIRST_QUESTION]
    return [
        float(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
        for _ in range(runs + 1)
    ]


def tell(name: str, rows: int, took: list[float]) -> float:
    """Print the first, and the best and the median of the others; returns the median, ms."""
    first, *warm = took
    best, median = min(warm), statistics.median(warm)
    print(
        f"{name:30}{rows:>8,}{first:>8.1f}{best:>8.1f}{median:>8.1f}{LIMIT:>8.0f}"
        f"{'  TOO SLOW' if median > LIMIT else ''}",
        flush=True,
    )
    return median


if __name__ == "__main__":
    sys.exit(main())
