"""What a small sync does, counted: what is fast stays fast, on whatever machine."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.catalog.parts import StoredDocument
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import running
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.end_to_end import counted
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import world
from oura_pipeline_tests.warehouse.documents import FIRST, RawDocument

LAST = date(2026, 3, 10)
DAYS = 3
DOCUMENTS = 1000
HELP = """
import contextlib, io, sys
from oura_pipeline.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    sys.argv[1:] = ["--help"]
    main()
print(len(sys.modules))
"""

Counts = dict[str, int]


class Limit(NamedTuple):
    """How much of something there may be, and why it is not less."""

    what: str
    at_most: int
    why: str


# A tenth above what was counted, the room of other versions of Python and of packages. Whoever must
# exceed one raises it here with the reason; whoever needs less lowers it.
LIMITS = (
    Limit("requests", 38, "of both syncs: one per document type, all of it fits on a page each"),
    Limit("Dagster's events", 660, "of both: one per asset and day, one per check, the run's own"),
    Limit("Dagster's rows", 1100, "of both: the events, their index, tags, runs"),
    Limit("SQLite statements", 1780, "the accounts' tables and Dagster's are made; then ledgers"),
    Limit("SQLite opens", 200, "Dagster opens its file anew for each of its statements"),
    Limit("DuckDB statements", 1170, "about 40 per document type, and as many views and tables"),
    Limit("DuckDB opens", 3, "once for landing, once for publishing, once for reading"),
    Limit("kB written", 30500, "the warehouse's first file and its copy: empty tables and views"),
    Limit("modules", 1920, "Dagster brings a thousand; no pandas, no matplotlib"),
    Limit("SQLite statements, again", 1410, "the ledgers of every type; nothing is made"),
    Limit("SQLite opens, again", 140, "as before"),
    Limit("DuckDB statements, again", 830, "everything is landed and compared; nothing is made"),
    Limit("DuckDB opens, again", 3, "as before"),
    Limit("kB written, again", 21200, "the rows again, their day's ledgers, and another copy"),
)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """What a sync of one person's three days does, and the same sync once more."""
    options = SandboxOptions(people=1, days=DAYS + 4, end=LAST, thin=10)
    folder = tmp_path_factory.mktemp("costs") / "data"
    with running(options) as sandbox, world(folder, sandbox) as made:
        made.sign_in(sandbox.usernames[0])
        sandbox.reset_requests()
        days = ["--from", str(LAST - timedelta(days=DAYS - 1)), "--to", str(LAST)]
        first, again = in_a_process("-m", counted.__name__, "sync", *days)
        requests = sum(sum(by_person.values()) for by_person in sandbox.requests().values())
    whole = {"requests": requests, **records(folder)}
    return {**whole, **first, **{f"{name}, again": count for name, count in again.items()}}


@pytest.mark.parametrize(("what", "at_most", "why"), LIMITS, ids=[one.what for one in LIMITS])
def test_a_small_sync_does_no_more_than_it_must(
    counts: Counts, what: str, at_most: int, why: str
) -> None:
    """No work was added unnoticed, neither per document nor per type, day or run."""
    assert counts[what] <= at_most, why


def test_help_imports_next_to_nothing() -> None:
    """Whoever asks for help waits for click only, not for Dagster, DuckDB or SQLAlchemy."""
    assert in_a_process("-c", HELP) <= 130


def test_a_heart_rate_is_flattened_in_few_steps() -> None:
    """A row costs what it takes to read it and to make a line of it: 89 byte codes."""
    assert opcodes_per_thousand(flattening) <= 98_000


def test_a_heart_rate_lands_in_few_steps(tmp_path: Path) -> None:
    """A row is written down once by Python, and read by DuckDB: 48 byte codes."""
    assert opcodes_per_thousand(landing(Warehouse(tmp_path / "warehouse.duckdb"))) <= 53_000


def in_a_process(*arguments: str) -> Any:
    """What a Python program prints as JSON."""
    program = [sys.executable, *arguments]
    made = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, timeout=240)
    return json.loads(made.stdout)


def records(home: Path) -> Counts:
    """How many rows, and how many events, Dagster's records have."""
    counts = {"Dagster's events": 0, "Dagster's rows": 0}
    for path in home.joinpath("dagster").rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                [(rows,)] = database.execute(f'SELECT count(*) FROM "{table}"')
                counts["Dagster's rows"] += rows
                counts["Dagster's events"] += rows if table == "event_logs" else 0
    return counts


def opcodes_per_thousand(work: Callable[[Sequence[RawDocument]], object]) -> int:
    """The byte codes of Python that a thousand further documents cost."""
    rows = [
        RawDocument(
            FIRST,
            json.dumps(
                {
                    "timestamp": f"{FIRST}T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}+00:00",
                    "bpm": 60,
                    "source": "awake",
                }
            ).encode(),
        )
        for n in range(2 * DOCUMENTS)
    ]
    work(rows[:1])  # what is made once
    return opcodes(lambda: work(rows)) - opcodes(lambda: work(rows[:DOCUMENTS]))


def opcodes(work: Callable[[], object]) -> int:
    """The byte codes of Python that something takes in this thread."""
    # Not what callgrind counts: under it the import of DuckDB takes 14 CPU seconds, more than all
    # of these tests. What DuckDB does with a statement is not counted; how many there are is.
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def flattening(documents: Sequence[RawDocument]) -> object:
    stored = [StoredDocument(one.day, one.raw, None) for one in documents]
    return flatten(HEARTRATE, "ada", stored, first_day=FIRST, last_day=FIRST)


def landing(warehouse: Warehouse) -> Callable[[Sequence[RawDocument]], object]:
    def land(documents: Sequence[RawDocument]) -> None:
        with warehouse.spool(HEARTRATE) as spool:
            spool.add("ada", documents, requested=True)
            warehouse.land(
                HEARTRATE,
                spool,
                usernames=["ada"],
                first_day=FIRST,
                last_day=FIRST,
                fetched_at=datetime(2026, 2, 1, tzinfo=UTC),
                run_id="a run",
            )

    return land
