"""How large everything is after a year of daily syncs, and after ten years of one person's history.

`python -m oura_pipeline_tests.end_to_end.growth --days 400 --people 2` prints a table.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from oura_pipeline.commands.growth import bytes_text
from oura_pipeline.defs.growth import GROWING
from oura_pipeline.defs.new_people import MAX_RUN
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.tidy_job import tidy
from oura_pipeline.markdown import markdown_table
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.testing.world import World, world

LOOK_BACK = timedelta(days=6)
TIDY_SECONDS = 600.0
ONE_DAY = timedelta(days=1)
NO_LIMIT = "100000/1"
SETTINGS = {"OURA_HISTORY_START": "2015-01-01", "OURA_RATE_LIMIT": NO_LIMIT}
Sizes = dict[str, int | None]


def daily_syncs(made: World, days: int, ends: float) -> Iterator[tuple[str, Sizes]]:
    """Sync on each of these days as the schedule does, and tidy after it; yield sizes at times."""
    today, every = date.today(), max(days // 4, 1)
    for number in range(1, days + 1):
        day = today - timedelta(days=days - number)
        sync(made, day - LOOK_BACK, day, on=day)
        tidy_on(day + ONE_DAY)
        late = time.monotonic() > ends
        if late or number % every == 0:
            yield f"{number} days", sizes()
        if late:
            return


def ten_years(made: World, days: int) -> Iterator[tuple[str, Sizes]]:
    """Fetch a history as it is fetched after somebody signed in, and tidy a month later."""
    last = date.today()
    first = last - timedelta(days=days - 1)
    while last >= first:
        begin = max(first, last - MAX_RUN + ONE_DAY)
        sync(made, begin, last, on=date.today())
        last = begin - ONE_DAY
    yield f"{days} days at once", sizes()
    tidy_on(date.today() + timedelta(days=40))
    yield "a month later", sizes()


def sync(made: World, first: date, last: date, *, on: date) -> None:
    """Run a sync, and move what Dagster recorded of it to another day."""
    result = made.run(first, last)
    assert result.success
    history = made.home / "dagster" / "history"
    at = datetime(on.year, on.month, on.day, 10, tzinfo=UTC)
    with closing(sqlite3.connect(history / "runs.db")) as runs, runs:
        runs.execute(
            "UPDATE runs SET create_timestamp = ?, update_timestamp = ? WHERE run_id = ?",
            (f"{at:%F %T}", f"{at:%F %T}", result.run_id),
        )
    for path in (history / "runs").glob(f"{result.run_id}.db*"):
        os.utime(path, (at.timestamp(), at.timestamp()))


def tidy_on(day: date) -> None:
    """Tidy as on the morning of a day."""
    at = datetime(day.year, day.month, day.day, 4, 30, tzinfo=UTC)
    with project_instance(captures_output=False) as instance:
        done = tidy(instance, load_settings(), now=at, seconds=TIDY_SECONDS)
    assert (done.failures, done.finished) == ({}, True)


def sizes() -> Sizes:
    """Return how large everything is that grows."""
    settings = load_settings()
    return {growing.name: growing.bytes(settings) for growing in GROWING}


def table(columns: Sequence[tuple[str, Sizes]]) -> str:
    """Return sizes as Markdown, a column per moment."""
    headings = ("what grows", *(name for name, _ in columns))
    rows = [
        (growing.name, *(bytes_text(found[growing.name]) for _, found in columns))
        for growing in GROWING
    ]
    return markdown_table(headings, rows, right=headings[1:])


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate both, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=int, default=400, help="of daily syncs (default 400)")
    parser.add_argument("--people", type=int, default=2, help="who sync daily (default 2)")
    parser.add_argument("--years", type=int, default=10, help="of one person (default 10)")
    parser.add_argument("--minutes", type=float, default=60, help="for the daily syncs at most")
    options = parser.parse_args(arguments)
    columns: list[tuple[str, Sizes]] = []
    for people, days in ((options.people, options.days), (1, options.years * 365)):
        options_of_sandbox = SandboxOptions(
            people=people,
            days=days + LOOK_BACK.days,
            rate_limit=NO_LIMIT,
            app_rate_limit=NO_LIMIT,
        )
        with (
            tempfile.TemporaryDirectory() as folder,
            running(options_of_sandbox, process=True) as sandbox,
            world(Path(folder) / "data", sandbox, settings=SETTINGS) as made,
        ):
            for username in sandbox.usernames:
                made.sign_in(username)
            ends = time.monotonic() + options.minutes * 60
            one = days != options.days
            for column in ten_years(made, days) if one else daily_syncs(made, days, ends):
                columns.append(column)
                print(table(columns), flush=True)


if __name__ == "__main__":
    main()
