"""How large everything is after a year of daily syncs, and after ten years of one person's history.

`python -m oura_pipeline_tests.end_to_end.growth --days 400 --people 2` prints a table.

Of Dagster's runs one of each kind is real; the others are its records once more, with other days,
as a run takes seconds. Documents, ledgers and points are real for as many days as are fetched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from oura_pipeline.defs.growth import GROWING
from oura_pipeline.defs.new_people import MAX_RUN
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.tidy_job import tidy
from oura_pipeline.doctor.growth import bytes_text
from oura_pipeline.markdown import markdown_table
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.publish import publish
from oura_pipeline.sync.waiting import push_waiting
from oura_pipeline_tests.testing.world import World, world

LOOK_BACK = timedelta(days=6)
ONE_DAY, YEAR = timedelta(days=1), timedelta(days=365)
TIDY_EVERY = 10  # days: the schedule does it daily
EVENT_RUNS = 4  # of webhook events, a day
TICKS, SKIPPED_TICKS = 30, 17_000  # a day; Dagster keeps the latter for two days
TIDY_SECONDS = 1800.0
NO_LIMIT = "100000/1"
SETTINGS = {"OURA_HISTORY_START": "2015-01-01", "OURA_RATE_LIMIT": NO_LIMIT}
Sizes = dict[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What Dagster has recorded of a run."""

    home: Path
    run_id: str

    def again(self, on: date, shift: timedelta) -> None:
        """Record it once more, as of another day and with other days in it."""
        new, at = str(uuid4()), f"{on} 10:00:00"
        moved = {"run_id": f"'{new}'", "partition": f"date(partition, '{shift.days} days')"}
        times = dict.fromkeys(("create_timestamp", "update_timestamp"), f"'{at}'")
        with self._opened("runs.db") as database:
            self._copy(database, "runs", {"run_id": f"'{new}'", **times})
            self._copy(database, "run_tags", {"run_id": f"'{new}'"})
        with self._opened("runs/index.db") as database:
            self._copy(database, "event_logs", moved)
            self._copy(database, "asset_check_executions", moved)
        runs, outputs = self.home / "history" / "runs", self.home / "storage"
        shutil.copy(runs / f"{self.run_id}.db", runs / f"{new}.db")
        os.utime(runs / f"{new}.db", (datetime.fromisoformat(at).timestamp(),) * 2)
        if (outputs / self.run_id).is_dir():
            shutil.copytree(outputs / self.run_id, outputs / new)

    @contextmanager
    def _opened(self, name: str) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.home / "history" / name)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            yield database

    def _copy(self, database: sqlite3.Connection, table: str, changes: dict[str, str]) -> None:
        found = database.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        columns = [name for (name,) in found if name != "id"]
        values = ", ".join(changes.get(name, f'"{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        database.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE run_id = ?",
            [self.run_id],
        )


def recorded(made: World, first: date, last: date) -> Recorded:
    """Run a sync of these days, and return what Dagster recorded of it."""
    result = made.run(first, last)
    assert result.success
    return Recorded(home=made.home / "dagster", run_id=result.run_id)


def recorded_events(made: World) -> Recorded:
    """Run the job of webhook events, and return what Dagster recorded of it."""
    with project_instance() as instance:
        job = made.definitions.resolve_job_def("webhook_events")
        result = job.execute_in_process(instance=instance)
    return Recorded(home=made.home / "dagster", run_id=result.run_id)


def fetch(made: World, days: int) -> None:
    """Fetch, land, push and publish so many days of everybody."""
    last = date.today()
    begin = last - timedelta(days=days - 1)
    while begin <= last:
        made.fetch(begin, min(begin + YEAR, last))
        begin += YEAR + ONE_DAY
    with open_pipeline() as pipeline:
        while push_waiting(pipeline, datetime.now(UTC)).days:
            pass
        publish(pipeline)


def daily_syncs(made: World, days: int, fetched: int) -> Iterator[tuple[str, Sizes]]:
    """Sync on each of so many days as the schedule does, and tidy; yield sizes at times."""
    fetch(made, fetched)
    today = date.today()
    sync, events = recorded(made, today - LOOK_BACK, today), recorded_events(made)
    for number in range(1, days + 1):
        day = today - timedelta(days=days - number)
        sync.again(day, day - today)
        for _ in range(EVENT_RUNS):
            events.again(day, day - today)
        add_ticks(made.home, day, TICKS + (SKIPPED_TICKS if days - number < 2 else 0))
        if number % TIDY_EVERY == 0 or number == days:
            tidy_on(day + ONE_DAY)
        if number % max(days // 4, 1) == 0:
            yield f"{number} days", sizes()
            print(f"{number} of {days} days", flush=True)


def history(made: World, days: int, fetched: int) -> Iterator[tuple[str, Sizes]]:
    """Fetch a history as it is fetched after somebody signed in, and tidy a month later."""
    fetch(made, fetched)
    last = date.today()
    run = recorded(made, last - MAX_RUN + ONE_DAY, last)
    for number in range(1, -(-days // MAX_RUN.days)):
        run.again(last, -MAX_RUN * number)
    yield f"{days // 365} years at once", sizes()
    tidy_on(last + timedelta(days=40))
    yield "40 days later", sizes()


def add_ticks(home: Path, day: date, count: int) -> None:
    """Record ticks of sensors on a day."""
    row = ("a sensor", "a sensor", "SKIPPED", "SENSOR", f"{day} 10:00:00", "x" * 700)
    file = home / "dagster" / "schedules" / "schedules.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.executemany(
            "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, "
            "tick_body) VALUES (?, ?, ?, ?, ?, ?)",
            [row] * count,
        )


def tidy_on(day: date) -> None:
    """Tidy as on the morning of a day."""
    at = datetime(day.year, day.month, day.day, 4, 30, tzinfo=UTC)
    with project_instance(captures_output=False) as instance:
        done = tidy(instance, load_settings(), now=at, seconds=TIDY_SECONDS)
    if done.failures or not done.finished:
        raise SystemExit(f"not tidied: {done}")


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
    totals = [bytes_text(sum(filter(None, found.values()))) for _, found in columns]
    return markdown_table(headings, [*rows, ("all", *totals)], right=headings[1:])


@contextmanager
def people(count: int, days: int) -> Iterator[World]:
    """A world with so many people who have so long a history."""
    options = SandboxOptions(
        people=count, days=days + LOOK_BACK.days, rate_limit=NO_LIMIT, app_rate_limit=NO_LIMIT
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        running(options, process=True) as sandbox,
        world(Path(folder) / "data", sandbox, settings=SETTINGS) as made,
    ):
        for username in sandbox.usernames:
            made.sign_in(username)
        yield made


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate both, and print a table after each."""
    parser = argparse.ArgumentParser(description="See how everything grows.")
    parser.add_argument(
        "--days", type=int, default=400, help="of daily syncs; 0: none (default 400)"
    )
    parser.add_argument("--people", type=int, default=2, help="who sync daily (default 2)")
    parser.add_argument("--years", type=int, default=10, help="of one person; 0: none (default 10)")
    help_of_fetched = "days whose documents are fetched, at least 90; 0: all (default 0)"
    parser.add_argument("--fetched", type=int, default=0, help=help_of_fetched)
    options = parser.parse_args(arguments)
    fetched = options.fetched
    if options.days:
        with people(options.people, fetched or options.days) as made:
            print(table(list(daily_syncs(made, options.days, fetched or options.days))), flush=True)
    if options.years:
        with people(1, fetched or options.years * 365) as made:
            print(
                table(list(history(made, options.years * 365, fetched or options.years * 365))),
                flush=True,
            )


if __name__ == "__main__":
    main()
