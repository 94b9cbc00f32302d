"""Two workers on machines of their own; one is killed, the broker is cut off, Postgres restarts.

`python -m oura_pipeline_tests.workers.outages` prints what was seen, as JSON; `test_workers.py`
says what must be true of it. Run by root in a network namespace of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import dagster as dg
import httpx

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask
from oura_pipeline.days import ONE_DAY
from oura_pipeline.defs.run_requests import shards_config
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.broker import running_broker
from oura_pipeline_tests.testing.carbon_sink import carbon_sink
from oura_pipeline_tests.testing.postgres import PostgresServer, postgres_server, wait_for
from oura_pipeline_tests.testing.remains import Kept, of_person, remove
from oura_pipeline_tests.testing.world import World, comparable, world
from oura_pipeline_tests.workers.cluster import (
    Program,
    begun,
    command,
    end,
    ended,
    kill,
    prepare_lake,
    program,
    shards_run,
    shared_settings,
    worker,
)
from oura_pipeline_tests.workers.machines import NETWORK, OURS, Machine, machine, switch

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=2)
PEOPLE = 6  # a shard each
# Of all machines together, in seconds: so few that a busy machine, too, has to wait for them.
REQUESTS, PERIOD = 12, 10.0
TOKEN_SECONDS = 60  # everybody's are renewed in the middle
CUT_SECONDS, RESTART_SECONDS = 60.0, 3.0
PORT = 8400
PATIENCE = 900.0


@dataclass
class Outages:
    """A run of shards, and what happens to it.

    Attributes:
        instance: Dagster's records.
        run: the process of the run.
        log: what it has said.
        at: when what happened, in seconds since 1970.
    """

    instance: dg.DagsterInstance
    run: Program
    log: Path
    at: dict[str, float] = field(default_factory=dict)

    def busy(self) -> list[str]:
        """The workers that were in the middle of a shard."""
        return sorted({name for _, _, name in begun(self.instance)})

    def wait(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened, which must be before the run ends."""
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.run.poll() is None, self.log.read_text(encoding="utf-8")[-5000:]
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.2)

    def wait_for_more(self) -> None:
        """Wait until one more shard is done, and a worker is in the middle of the next."""
        done, started = len(ended(self.instance)), len(begun(self.instance))
        self.wait(lambda: len(ended(self.instance)) > done)
        self.wait(lambda: len(begun(self.instance)) > started)

    def note(self, name: str) -> None:
        """Note when something happened."""
        self.at[name] = time.time()


def main() -> None:
    """Let it all happen, and print what was seen."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    switch()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outages-")))
        one, two, third = (stack.enter_context(machine(number)) for number in (2, 3, 4))
        postgres = stack.enter_context(postgres_server(OURS, NETWORK))
        broker = stack.enter_context(running_broker(third.address, third.inside))
        graphite = stack.enter_context(carbon_sink(OURS))
        cloud = stack.enter_context(sandbox(stack.enter_context(oura_log())))
        settings = shared_settings(postgres.address, broker, graphite, folder) | {
            "OURA_PEOPLE_PER_SHARD": "1",
            "OURA_RATE_LIMIT": f"{REQUESTS}/{PERIOD:.0f}",
        }
        made = stack.enter_context(world(folder / "data", cloud, settings=settings))
        prepare_lake()
        for username in cloud.usernames:
            made.sign_in(username)
        counts = stack.enter_context(counted(cloud))
        seen = outages(folder, cloud, postgres, (one, two, third)) | {"budget": busiest(counts)}
        seen |= everything(made)
        print(json.dumps(seen | deletion(made, Kept(settings, folder, {"Postgres": postgres.log}))))


def outages(
    folder: Path,
    cloud: Sandbox,
    postgres: PostgresServer,
    machines: tuple[Machine, Machine, Machine],
) -> dict[str, Any]:
    """Sync everybody, and let happen what happens to machines."""
    one, two, third = machines
    with ExitStack() as stack:
        killed = stack.enter_context(worker(folder / "one", one.inside))
        stack.enter_context(worker(folder / "two", two.inside))
        run = stack.enter_context(shards_run(folder, shards_config(FIRST, LAST)))
        instance = stack.enter_context(dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]))
        told = Outages(instance, run, folder / "run.log")
        told.wait(lambda: len(asked_for(cloud)) == len(told.busy()) == 2)
        other = stack.enter_context(somebody_syncs_too(folder))
        name = next(name for name in told.busy() if f"worker-{killed.pid}@" in name)
        kill(killed)
        told.note("killed")
        stack.enter_context(worker(folder / "one", one.inside))
        told.wait_for_more()
        third.plug(into=False)
        told.note("cut off")
        time.sleep(CUT_SECONDS)
        third.plug(into=True)
        told.note("back")
        told.wait_for_more()
        told.note("stopped")
        postgres.restart(seconds=RESTART_SECONDS)
        told.note("restarted")
        end(run, folder / "run.log", seconds=PATIENCE)
        other.wait(PATIENCE)
        return told_of(told, name)


def told_of(told: Outages, killed: str) -> dict[str, Any]:
    """Return what Dagster's records say."""
    sleep = dg.AssetKey(["oura", "sleep"])
    [last] = told.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=sleep, asset_partitions=[LAST.isoformat()]), limit=9
    ).records
    assert last.asset_materialization
    return {
        "at": told.at,
        "killed": killed,
        "begun": begun(told.instance),
        "ended": ended(told.instance),
        "runs": [run.status.value for run in told.instance.get_runs()],
        "days": sorted(told.instance.get_materialized_partitions(sleep)),
        "people": sum(
            last.asset_materialization.metadata[f"people_{how}"].value
            for how in ("landed", "empty")  # not everybody sleeps every day
        ),
    }


@contextmanager
def somebody_syncs_too(folder: Path) -> Iterator[Program]:
    """A sync of the same people at the same time, on the machine of Postgres."""
    days = ("--from", LAST.isoformat(), "--to", LAST.isoformat())
    line = command("oura_pipeline.cli", "sync", *days, "--type", "daily_sleep")
    with program(folder / "sync.log", line) as process:
        yield process


@contextmanager
def oura_log() -> Iterator[Path]:
    """A file that is nobody's of ours: what the cloud says stays there."""
    with tempfile.NamedTemporaryFile(prefix="oura-") as file:
        yield Path(file.name)


@contextmanager
def sandbox(log: Path) -> Iterator[Sandbox]:
    """A cloud that all machines reach."""
    options = SandboxOptions(people=PEOPLE, days=6, end=LAST, thin=10)
    given = {"people": PEOPLE, "days": 6, "end": LAST, "thin": 10, "host": OURS, "port": PORT}
    given |= {"access-seconds": TOKEN_SECONDS, "app-rate-limit": "1000/1", "rate-limit": "1000/1"}
    flags = [f"--{name}={value}" for name, value in given.items()]
    url = f"http://{OURS}:{PORT}"
    with program(log, command("oura_pipeline.sandbox", *flags)):
        wait_for(PORT, host=OURS)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            yield Sandbox(url, options, http)


@contextmanager
def counted(cloud: Sandbox) -> Iterator[list[tuple[float, float, int]]]:
    """How many documents or pages were asked for until then: before, after, number."""
    counts: list[tuple[float, float, int]] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.25):
            before = time.monotonic()
            number = sum(asked_for(cloud).values())
            counts.append((before, time.monotonic(), number))

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield counts
    finally:
        over.set()
        watcher.join()


def asked_for(cloud: Sandbox) -> Counter[str]:
    """How many documents or pages were asked for of whom."""
    names = {document_type.name for document_type in DOCUMENT_TYPES}
    by_route = cloud.requests()
    return sum((Counter(by_route[name]) for name in names & by_route.keys()), Counter())


def busiest(counts: list[tuple[float, float, int]]) -> int:
    """Return the most requests of a period that was certainly not longer than the limit's."""
    most = 0
    for index, (begin, _, before) in enumerate(counts):
        later = (number for _, until, number in counts[index:] if until - begin <= PERIOD)
        most = max(most, max(later, default=before) - before)
    return most


def everything(made: World) -> dict[str, Any]:
    """Compare every document of everybody with the cloud's, however often it stands there."""
    differing, samples = [], 0
    with open_pipeline() as pipeline:
        for username in made.sandbox.usernames:
            for one in (one for one in DOCUMENT_TYPES if one.partitioned):
                rows = pipeline.warehouse.documents(one, username, FIRST, LAST)
                landed = comparable((day.isoformat(), json.loads(raw)) for day, raw in rows)
                if one.ask is not Ask.INSTANTS:
                    is_right = landed == made.truth(username, one, FIRST, LAST)
                else:
                    # Whose first and last day ends where nobody but the sandbox knows.
                    found = [json.dumps(document) for _, document in landed]
                    middle = made.truth(username, one, FIRST + ONE_DAY, LAST - ONE_DAY)
                    samples += len(middle)
                    told = {json.dumps(document) for _, document in middle}
                    is_right = len(found) == len({*found}) and told <= {*found}
                differing += [] if is_right else [f"{username} {one.name}"]
        states = {person.state.value for person in pipeline.accounts.people.all()}
    renewals = made.sandbox.requests()["token"]
    return {
        "differing": differing,
        "samples": samples,
        "states": sorted(states),
        # The first of everybody is the sign-in; whose shard ends soon needs no other.
        "renewals": sum(renewals.values()) - len(renewals),
    }


def deletion(made: World, kept: Kept) -> dict[str, Any]:
    """Delete somebody, and return where something of them stood before and afterwards."""
    who = made.sandbox.usernames[-1]
    types = [one.name for one in DOCUMENT_TYPES if one.partitioned]
    theirs = of_person(made.sandbox, who, (FIRST, LAST), types)
    before = kept.holding(theirs)
    remove(who)
    return {"held before": before, "held afterwards": kept.holding(theirs)}


if __name__ == "__main__":
    main()
