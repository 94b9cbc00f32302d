"""Syncs on a terminal that Ctrl-C interrupts at random moments, and what must be true of each.

`python -m oura_pipeline_tests.end_to_end.interrupted_syncs --times 50` prints a table.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from filelock import FileLock, Timeout

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.process.interrupts import MESSAGE
from oura_pipeline.process.owners import is_owned
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.terminal import CTRL_C, terminal
from oura_pipeline_tests.testing.world import World, comparable, world

PEOPLE, DAYS = 3, 30
LONGEST = 3.0  # seconds from the key to the end
SYNC = ("sync", "--last", str(DAYS))


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """One interrupted sync.

    Attributes:
        after: when the key was pressed, in seconds from the start.
        took: how long the program went on.
        status: of the program.
        run: what Dagster says of its run; None where it was too early for one.
        wrong: what should have been otherwise.
    """

    after: float
    took: float
    status: int
    run: str | None
    wrong: list[str]


def interrupt(made: World, after: float, *, key: bytes = CTRL_C) -> Interruption:
    """Start a sync, press Ctrl-C after so many seconds, and look at what is left."""
    before = run_statuses()
    with terminal(*SYNC, folder=made.home.parent) as sync:
        Event().wait(after)
        finished = sync.program.poll() is not None
        if not finished:
            sync.press(key)
        status, took = sync.ended(60)
        shown = sync.shown.decode()
    run = next((status for name, status in run_statuses().items() if name not in before), None)
    wrong = [] if finished else list(findings(shown, status, took, run))
    wrong += left_over(made)
    return Interruption(after=after, took=took, status=status, run=run, wrong=wrong)


def findings(shown: str, status: int, took: float, run: str | None) -> Iterator[str]:
    """Say what is wrong with the end of a sync."""
    if took > LONGEST:
        yield f"took {took:.1f} s"
    if status != 130:
        yield f"status {status}"
    # Before it has imported its first module, a program cannot say anything.
    if MESSAGE not in shown and "KeyboardInterrupt" not in shown:
        yield f"said {shown[-300:]!r}"
    if run not in (None, "CANCELED", "SUCCESS"):
        yield f"the run is {run}"


def left_over(made: World) -> Iterator[str]:
    """Say what a sync has left behind: locks, processes."""
    for path in made.home.rglob("*.lock"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            yield f"{path.name} is locked"
    yield from (f"{path.name} is owned" for path in made.home.glob("runs/*") if is_owned(path))
    wanted = f"OURA_PIPELINE_HOME={made.home}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if int(entry.parent.name) != os.getpid() and wanted in entry.read_bytes().split(b"\0"):
                yield f"process {entry.parent.name} goes on"


def run_statuses() -> dict[str, str]:
    """Return what Dagster says of every run, by its id."""
    with project_instance() as instance:
        return {run.run_id: run.status.value for run in instance.get_runs()}


def differences(made: World) -> list[str]:
    """Sync once more, and say what is not as at Oura."""
    with terminal(*SYNC, folder=made.home.parent) as sync:
        status, _ = sync.ended(120)
    # The days count from the newest one that has begun everywhere.
    first = datetime.now(ZoneInfo("Etc/GMT+12")).date() - timedelta(days=DAYS - 1)
    found = [] if status == 0 else [f"the last sync: status {status}"]
    for username in made.sandbox.usernames:
        for document_type in DOCUMENT_TYPES:
            if not document_type.partitioned:
                continue  # a state has the day on which it was fetched
            landed = documents(made.landed(username, document_type), document_type, first)
            if landed != documents(made.truth(username, document_type), document_type, first):
                found.append(f"{username} {document_type.name}: not as at Oura")
    with project_instance() as instance:
        going = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return found + [f"run {run.run_id} is still going" for run in going]


def documents(
    rows: Sequence[tuple[str, Any]], document_type: DocumentType, first: date
) -> list[tuple[str, Any]]:
    """Return the rows that a sync from a day on must have landed."""
    if not document_type.dated_by_offset:
        return [row for row in rows if row[0] >= str(first)]
    # Their days are worked out, and at the edges not known.
    since = str(first + timedelta(days=2))
    return comparable(("", row) for _, row in rows if row["timestamp"] >= since)


def main() -> int:
    """Interrupt syncs, print a row for each, and whether all is right in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=12.0, help="seconds that a sync takes")
    chosen = parser.parse_args()
    rng, wrong = random.Random(chosen.seed), 0
    options = SandboxOptions(people=PEOPLE, days=DAYS)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(options, process=True) as sandbox,
        world(Path(folder) / "data", sandbox) as made,
    ):
        for username in sandbox.usernames:
            made.sign_in(username)
        print(f"{'':>3} {'after':>6} {'took':>6} {'status':>6} run", flush=True)
        for number in range(chosen.times):
            one = interrupt(made, rng.uniform(0.1, chosen.longest))
            wrong += bool(one.wrong)
            text = f"{number:3} {one.after:6.2f} {one.took:6.2f} {one.status:6} {one.run or '-':9}"
            print(text, "; ".join(one.wrong), flush=True)
        last = differences(made)
    print(*last, sep="\n")
    print(f"{wrong} of {chosen.times} wrong; afterwards {len(last)} wrong")
    return 1 if wrong or last else 0


if __name__ == "__main__":
    raise SystemExit(main())
