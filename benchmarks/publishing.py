"""What publishing costs beside the landing that caused it, as the warehouse grows.

    python benchmarks/publishing.py [--rows 1000000 10000000] [--folder /tmp]

50,000,000 rows take more than 10 minutes and 5 GB.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.warehouse.warehouse import Warehouse

PEOPLE = [f"person{number:02}" for number in range(25)]
A_DAY = 1100  # heart-rate rows per person, what a ring of the third generation gives
FIRST = date(2020, 1, 1)
QUESTION = 30  # days that one question to Oura may span
LOOK_BACK = 7  # days that the daily schedule asks for again
PAGE = 5000
SOURCES = ("awake", "rest", "sleep", "workout")
BEATS = [(SOURCES[n // 300 % 4], 50 + n * 7 % 70) for n in range(A_DAY)]


class Document(NamedTuple):
    """A document as the client of Oura gives it."""

    day: date
    raw: bytes


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, help="where the files are made")
    arguments = parser.parse_args()
    print(
        f"{'rows':>12}{'file MB':>9}{'load s':>9}{'publish s':>11}{'ratio':>8}"
        f"{'daily load s':>14}{'publish s':>11}{'ratio':>8}"
    )
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(Path(folder), rows)


def measure(folder: Path, rows: int) -> None:
    """Load the history and publish; load a day on top and publish again."""
    warehouse, copy = Warehouse(folder / "warehouse.duckdb"), folder / "analytics.duckdb"
    warehouse.query("SELECT 1")  # the first connection of a process imports much
    days = max(rows // (A_DAY * len(PEOPLE)), LOOK_BACK)
    last = FIRST + timedelta(days=days - 1)
    loaded = sum(load(warehouse, first, end) for first, end in questions(FIRST, last))
    # The copy is a whole file, three quarters of it heart rates as received. Without a file system
    # that shares blocks (XFS, Btrfs) its cost follows the size of the file, not of the change: that
    # is why the sensor `publish` waits nine times as long as the last copy took.
    first_copy = warehouse.publish(copy)
    again = load(warehouse, last - timedelta(days=LOOK_BACK - 2), last + timedelta(days=1))
    second_copy = warehouse.publish(copy)
    print(
        f"{days * A_DAY * len(PEOPLE):12,}{second_copy.bytes / 1e6:9.0f}"
        f"{loaded:9.1f}{first_copy.seconds:11.2f}{first_copy.seconds / loaded:8.3f}"
        f"{again:14.2f}{second_copy.seconds:11.2f}{second_copy.seconds / again:8.3f}",
        flush=True,
    )


def load(warehouse: Warehouse, first: date, last: date) -> float:
    """Land everybody's rows of these days; the seconds it took without making them up."""
    spent = 0.0
    with warehouse.spool(HEARTRATE) as spool:
        for username in PEOPLE:
            for page in pages(first, last):
                began = time.perf_counter()
                spool.add(username, page, requested=True)
                spent += time.perf_counter() - began
        began = time.perf_counter()
        warehouse.land(
            HEARTRATE,
            spool,
            usernames=PEOPLE,
            first_day=first,
            last_day=last,
            fetched_at=datetime.now(UTC),
            run_id="00000000-0000-0000-0000-000000000000",
        )
        return spent + time.perf_counter() - began


def questions(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The spans of days that are asked for at once."""
    while first <= last:
        end = min(first + timedelta(days=QUESTION - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def pages(first: date, last: date) -> Iterator[list[Document]]:
    """A person's rows of these days, a page at a time."""
    page: list[Document] = []
    for number in range((last - first).days + 1):
        page += rows_of(first + timedelta(days=number))
        if len(page) >= PAGE:
            yield page
            page = []
    yield page


def rows_of(day: date) -> list[Document]:
    """A person's rows of a day, unevenly spaced; the same for everybody."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    made = []
    for number, (source, bpm) in enumerate(BEATS):
        at = midnight + timedelta(seconds=number * 78 + number * number % 61)
        raw = (
            f'{{"timestamp":"{at.isoformat(timespec="milliseconds")}",'
            f'"timestamp_unix":{int(at.timestamp() * 1000)},'
            f'"bpm":{bpm + day.toordinal() % 9},"source":"{source}"}}'
        )
        made.append(Document(day, raw.encode()))
    return made


if __name__ == "__main__":
    main()
