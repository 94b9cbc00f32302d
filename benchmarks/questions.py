"""I: what typical questions to the published copy take."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.worlds import PYTHON
from benchmarks.years import build
from oura_pipeline.analysis.frames import connect, load
from oura_pipeline.warehouse.warehouse import Warehouse

LIMIT = 100.0  # ms
YEARS = 5
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
    "every heart rate of a week, asleep or not": frame("heart_rate", WEEK["start"], WEEK["end"]),
    "nights after each tag, of a year": frame("tag_nights", YEAR["start"], YEAR["end"]),
    "weeks of a year": frame("weekly", YEAR["start"], YEAR["end"]),
    "sleep regularity of a year": frame("sleep_regularity", YEAR["start"], YEAR["end"]),
    "training load of a year": frame("training_load", YEAR["start"], YEAR["end"]),
    "wear by months": frame("wear_monthly", YEAR["start"], YEAR["end"]),
    "people and what they granted": question("FROM people"),
    "one metric of `long`, a year": question(
        f"SELECT time, value FROM long WHERE {LAST_YEAR} AND document_type = 'sleep' "
        "AND metric = 'average_hrv' ORDER BY time"
    ),
    "workouts of a year": frame("workouts", YEAR["start"], YEAR["end"]),
    "every minute of a day": frame("met_1min", NIGHT, NIGHT),
}


def questions(results: Results, scale: Scale, scratch: Path) -> None:
    """Build years of several people, publish them, and ask."""
    rows = build(scratch / "warehouse.duckdb", people=scale.owners, years=YEARS)
    began = time.perf_counter()
    Warehouse(scratch / "warehouse.duckdb").publish(scratch / "analytics.duckdb")
    scaled = f"{scale.owners} people, {YEARS} years, {rows['heartrate'] / 1e6:.1f} M heart rates"
    results.figure("I", "publishing", "s", time.perf_counter() - began, scaled=scaled)
    os.environ["OURA_PIPELINE_HOME"] = str(scratch)
    times = 2 + scale.pairs
    for name, ask in QUESTIONS.items():
        timed(ask)  # fills the system's cache
        asked = [timed(ask) for _ in range(times)]
        results.figure("I", name, "ms", *asked, at_most=LIMIT, scaled=scaled)
    asked = [in_a_new_process() for _ in range(times)]
    results.figure("I", "last night, in a new process", "ms", *asked, at_most=LIMIT, scaled=scaled)


def timed(ask: Callable[[], int]) -> float:
    """Milliseconds of a question."""
    began = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began)


def in_a_new_process() -> float:
    """Milliseconds of opening and the first question; importing is not counted."""
    command = [str(PYTHON), "-c", IN_A_NEW_PROCESS, FIRST_QUESTION]
    return float(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
