"""A process that reads the published copy again and again, while others publish.

Each round of a writer (`copy_writers.py`) replaces all scores of its person by the number of the
round, first in one table and then in another. So two numbers in a table, or tables more than a
round apart, are a state that never was.

    python -m oura_pipeline_tests.end_to_end.copy_readers read|open|hold STOP
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import duckdb

from oura_pipeline.analysis.frames import connect
from oura_pipeline.process.imports import without_pandas
from oura_pipeline.settings import load_settings

TABLES = ("daily_sleep", "daily_readiness")
DAYS = 30
BULK = 64 * 64  # characters that cannot be compressed, in each document
GIVE_UP_SECONDS = 310  # when nobody creates the stop file
# Readers without pauses leave the writers no processor. On a busy machine, where writing takes
# longer as well, a pause is as many times as long as a reading: together they take one processor.
PAUSE_SECONDS, PAUSES = 0.5, 9
NUMBERS = " UNION ALL ".join(
    f"SELECT username, {place} AS place, min(score) AS low, max(score) AS high, count(*) AS days "
    f"FROM oura.{table} GROUP BY username"
    for place, table in enumerate(TABLES)
)
# Reads every byte of the documents, so that half a file is noticed.
DOCUMENTS = " UNION ALL ".join(
    f"SELECT username, {place} AS place, min((document->>'score')::BIGINT) AS low, "
    "max((document->>'score')::BIGINT) AS high, "
    f"count(*) FILTER (length(document->>'bulk') = {BULK}) AS days "
    f"FROM oura.{table} GROUP BY username"
    for place, table in enumerate(TABLES)
)

State = dict[str, list[int]]  # username: the round that each table is of


def read(stop: Path) -> None:
    """Open the copy as analysts do."""
    _read_repeatedly(stop, lambda: closing(connect()))


def open_plainly(stop: Path) -> None:
    """Open the copy as a program does that knows only DuckDB."""
    path = str(load_settings().storage.analytics_path)
    _read_repeatedly(stop, lambda: closing(duckdb.connect(path, read_only=True)))


def hold(stop: Path) -> None:
    """Keep one connection open, and open others meanwhile."""
    with closing(connect()) as held:
        first = state(held, NUMBERS)

        def still_the_same() -> None:
            if state(held, NUMBERS) != first:
                raise AssertionError("a copy that was open has changed")

        _read_repeatedly(stop, lambda: closing(connect()), still_the_same)
        # Only now: the pages of these columns were never read before.
        print(json.dumps(state(held, DOCUMENTS)), flush=True)


def state(connection: duckdb.DuckDBPyConnection, sql: str) -> State:
    """Return the round of each table, by username.

    Raises:
        AssertionError: this state never was.
    """
    found: State = {}
    for username, _, low, high, days in sorted(connection.execute(sql).fetchall()):
        if low != high or days != DAYS:
            raise AssertionError(f"{username}: {days} days of rounds {low} to {high}")
        found.setdefault(username, []).append(low)
    for username, rounds in found.items():
        if len(rounds) != len(TABLES) or rounds[0] - rounds[1] not in (0, 1):
            raise AssertionError(f"{username}: the tables are of rounds {rounds}")
    return found


def _read_repeatedly(
    stop: Path,
    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Read until the stop file exists, and once more; print the first and the last state."""
    deadline, before = time.monotonic() + GIVE_UP_SECONDS, State()
    stopped, reads = False, 0
    while not stopped:
        if time.monotonic() > deadline:
            raise AssertionError("nobody created the stop file")
        stopped, began = stop.exists(), time.monotonic()
        with connection() as opened:
            now = state(opened, DOCUMENTS if reads % 2 else NUMBERS)
        if any(now[name] < rounds for name, rounds in before.items()):
            raise AssertionError(f"{now} came after {before}")
        meanwhile()
        before, reads = now, reads + 1
        if reads == 1:
            print(json.dumps(now), flush=True)
        time.sleep(max(PAUSE_SECONDS, PAUSES * (time.monotonic() - began)))
    print(json.dumps(before), flush=True)


def main() -> None:
    readers = {"read": read, "open": open_plainly, "hold": hold}
    with without_pandas():
        readers[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
