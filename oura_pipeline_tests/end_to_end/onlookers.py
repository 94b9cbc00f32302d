"""Readers of the published copy, each a process of its own, while others publish.

What surprises: what they see tells whether it ever was. Each round of a writer (`crowd.py`)
replaces all scores of its person by the number of the round, first in one table and then in
another: two numbers in a table, or tables more than a round apart, were never a state.

    python -m oura_pipeline_tests.end_to_end.onlookers read|open|hold STOP
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
from oura_pipeline.settings import load_settings

TABLES = ("daily_sleep", "daily_readiness")
DAYS = 30
BULK = 64 * 64  # characters that cannot be compressed, in each document
SECONDS = 110  # until a reader gives up being told to stop
PAUSE = 0.5  # seconds between two looks: ten who never rest leave the writers no processor
NUMBERS = " UNION ALL ".join(
    f"SELECT username, {place} AS place, min(score) AS low, max(score) AS high, count(*) AS days "
    f"FROM oura.{table} GROUP BY username"
    for place, table in enumerate(TABLES)
)
# Every byte of what is kept, so that a reader of half a file cannot miss it.
KEPT = " UNION ALL ".join(
    f"SELECT username, {place} AS place, min((document->>'score')::BIGINT) AS low, "
    "max((document->>'score')::BIGINT) AS high, "
    f"count(*) FILTER (length(document->>'bulk') = {BULK}) AS days "
    f"FROM oura.{table} GROUP BY username"
    for place, table in enumerate(TABLES)
)

State = dict[str, list[int]]  # username: the round that each table is of


def read(stop: Path) -> None:
    """Open the copy as analysts do, again and again."""
    _look_again(stop, lambda: closing(connect()))


def open_plainly(stop: Path) -> None:
    """Open the copy as any program does that knows DuckDB and not us."""
    path = str(load_settings().storage.analytics_path)
    _look_again(stop, lambda: closing(duckdb.connect(path, read_only=True)))


def hold(stop: Path) -> None:
    """Keep one connection, and meanwhile open others."""
    with closing(connect()) as held:
        first = state(held, NUMBERS)

        def still_the_same() -> None:
            if state(held, NUMBERS) != first:
                raise AssertionError("what somebody holds open has changed")

        _look_again(stop, lambda: closing(connect()), still_the_same)
        # Only now: the pages of these columns were never read before.
        print(json.dumps(state(held, KEPT)), flush=True)


def state(connection: duckdb.DuckDBPyConnection, sql: str) -> State:
    """Of which rounds the tables are.

    Raises:
        AssertionError: of none, or of rounds that never stood beside one another.
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


def _look_again(
    stop: Path,
    connection: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Look at new connections until told to stop, and once more; print first and last of it."""
    deadline, before = time.monotonic() + SECONDS, State()
    told, looks = False, 0
    while not told:
        if time.monotonic() > deadline:
            raise AssertionError("nobody said that it is over")
        told = stop.exists()
        with connection() as opened_now:
            now = state(opened_now, KEPT if looks % 2 else NUMBERS)
        if any(now[name] < rounds for name, rounds in before.items()):
            raise AssertionError(f"{now} came after {before}")
        meanwhile()
        before, looks = now, looks + 1
        if looks == 1:
            print(json.dumps(now), flush=True)
        time.sleep(PAUSE)
    print(json.dumps(before), flush=True)


def main() -> None:
    """One reader."""
    ways = {"read": read, "open": open_plainly, "hold": hold}
    ways[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
