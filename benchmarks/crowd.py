"""Many people, synced in shards by two workers on Postgres, RabbitMQ and a lake: `make crowd`."""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from benchmarks.measuring import cpu_seconds, family, resident
from benchmarks.worlds import LAST, SETTINGS, Cloud, cloud
from oura_pipeline.catalog.document_types import Ask, DocumentType, get_document_type
from oura_pipeline.defs.run_requests import SHARD_OP, SUM_OP, shards_config
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.testing.broker import running_broker
from oura_pipeline_tests.testing.carbon_sink import carbon_sink
from oura_pipeline_tests.testing.postgres import PostgresServer, postgres_server
from oura_pipeline_tests.testing.remains import Kept, of_person, remove
from oura_pipeline_tests.testing.world import World, comparable, sandbox_tokens, world
from oura_pipeline_tests.workers.cluster import (
    begun,
    ended,
    prepare_lake,
    shards_run,
    shared_settings,
    worker,
)

DAYS = 3
FIRST = LAST - timedelta(days=DAYS - 1)
TYPES = ("daily_sleep", "sleep", "heartrate")
COMPARED = 20  # people whose documents are compared with the cloud's, one by one
EVERY = 1.0  # seconds between two looks at the memory


def main() -> None:
    """Measure a run, print its figures, and delete somebody."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--shard", type=int, default=250, help="people of a shard")
    parser.add_argument("--types", nargs="+", default=TYPES, metavar="TYPE")
    parser.add_argument("--limit", default="3000/60", help="Oura's REQUESTS/SECONDS")
    parser.add_argument("--output", type=Path, help="where what was seen is written, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crowd-") as scratch, ExitStack() as stack:
        crowd = stack.enter_context(gathered(Path(scratch), chosen))
        seen: dict[str, Any] = {}
        for step in (crowd.synced, crowd.compared, crowd.deleted):
            print(json.dumps(told := step(chosen.types), indent=2), flush=True)
            seen |= told
        if chosen.output:
            chosen.output.write_text(json.dumps(seen), encoding="utf-8")


@contextmanager
def gathered(folder: Path, chosen: argparse.Namespace) -> Iterator[Crowd]:
    """People who have signed in, on what two workers share."""
    requests, _, seconds = chosen.limit.partition("/")
    # Two in a hundred more than we may send: at one more Oura refuses, and all of us pause.
    refusing = f"{int(int(requests) * 1.02)}/{seconds}"
    options = {"people": chosen.people, "days": DAYS + 2, "thin": 10, "app_rate_limit": refusing}
    with (
        postgres_server() as postgres,
        running_broker() as broker,
        carbon_sink() as graphite,
        cloud(**options) as made,
    ):
        settings = SETTINGS | shared_settings(postgres.address, broker, graphite, folder)
        settings |= {"OURA_PEOPLE_PER_SHARD": str(chosen.shard), "OURA_RATE_LIMIT": chosen.limit}
        with world(folder / "data", made.sandbox, settings=settings) as there:
            prepare_lake()
            sign_in(there)
            yield Crowd(folder, postgres, made, there, settings)


def sign_in(made: World) -> None:
    """Let everybody consent, several at once."""
    with made.accounts() as accounts, ThreadPoolExecutor(4) as pool:

        def add(username: str) -> None:
            accounts.people.add(username, sandbox_tokens(made.sandbox, username))

        list(pool.map(add, made.sandbox.usernames))


@dataclass(frozen=True)
class Crowd:
    """People, and where what is known of them is kept."""

    folder: Path
    postgres: PostgresServer
    cloud: Cloud
    world: World
    settings: dict[str, str]

    def synced(self, types: Sequence[str]) -> dict[str, Any]:
        """Sync everybody by two workers, and return how long it took and what it used."""
        config = shards_config(FIRST, LAST)
        for op in (SHARD_OP, SUM_OP):
            config["ops"][op]["config"]["document_types"] = list(types)
        self.cloud.sandbox.reset_requests()
        server, began = self.cloud.cpu(), time.monotonic()
        with ExitStack() as stack:
            workers = [stack.enter_context(worker(self.folder / name)) for name in ("one", "two")]
            run = stack.enter_context(shards_run(self.folder, config))
            peaks = stack.enter_context(
                peaks_of(
                    {"run": run.pid, "one": workers[0].pid, "two": workers[1].pid}
                    | {"cloud": self.cloud.process}
                )
            )
            run.wait()
            wall = time.monotonic() - began
            used = {
                name: sum(map(cpu_seconds, family(one.pid)))
                for name, one in zip(("one", "two"), workers, strict=True)
            }
        log = (self.folder / "run.log").read_text("utf-8")
        assert run.returncode == 0, log[-3000:]
        return self._figures(wall, types) | {
            "peak MB": {name: round(peak / 1e6) for name, peak in peaks.items()},
            "CPU s": {name: round(spent) for name, spent in used.items()}
            | {"cloud": round(self.cloud.cpu() - server)},
        }

    def _figures(self, wall: float, types: Sequence[str]) -> dict[str, Any]:
        asked = self.cloud.sandbox.requests()
        requests = sum(sum(asked.get(name, {}).values()) for name in types)
        with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
            first, last = begun(instance)[0][0], ended(instance)[-1][0]
            shards = len({step for _, step, _ in begun(instance)})
        people = len(self.cloud.sandbox.usernames)
        return {
            "people": people,
            "shards": shards,
            "run s": round(wall),
            "shards s": round(last - first),
            "people/s": round(people / (last - first), 1),
            "requests": requests,
            "requests/s": round(requests / (last - first), 1),
            "refused by Oura": self._was_refused(),
        }

    def _was_refused(self) -> bool:
        """Return whether Oura has answered 429 to anybody: then all of us had to pause."""
        [(until,)] = self._rows("SELECT paused_until FROM request_count")
        return bool(until > 0)

    def compared(self, types: Sequence[str]) -> dict[str, Any]:
        """Count the ledger, and compare the documents of some people with those of the cloud."""
        counts = self._rows("SELECT status, count(*) FROM fetches GROUP BY status")
        people = self.cloud.sandbox.usernames
        some = random.Random(1).sample(people, min(COMPARED, len(people)))
        with open_pipeline() as pipeline:
            differing = [
                f"{who} {name}"
                for who in some
                for name in types
                if not self._is_landed(pipeline, who, get_document_type(name))
            ]
        answered = sum(number for status, number in counts if status in ("landed", "empty"))
        return {"days in the ledger": answered, "compared": len(some), "differing": differing}

    def _is_landed(self, pipeline: Pipeline, who: str, document_type: DocumentType) -> bool:
        # Of rows without a day the first and the last end where only the cloud knows.
        beside = timedelta(days=document_type.ask is Ask.INSTANTS)
        days = (FIRST + beside, LAST - beside)
        rows = pipeline.warehouse.documents(document_type, who, *days)
        landed = comparable((day.isoformat(), json.loads(raw)) for day, raw in rows)
        return landed == self.world.truth(who, document_type, *days)

    def _rows(self, query: str) -> list[Any]:
        with psycopg.connect(
            self.settings["OURA_ACCOUNTS_URL"].replace("+psycopg", "")
        ) as accounts:
            return accounts.execute(query.encode()).fetchall()

    def deleted(self, types: Sequence[str]) -> dict[str, Any]:
        """Delete somebody, and look for their name, their id at Oura and their documents."""
        # Nobody else's name contains it.
        who = max(self.cloud.sandbox.usernames, key=len)
        theirs = of_person(self.cloud.sandbox, who, (FIRST, LAST), types)
        kept = Kept(self.settings, self.folder, {"Postgres": self.postgres.log})
        before, began = kept.holding(theirs), time.monotonic()
        remove(who)
        seconds = time.monotonic() - began
        held = {"held it before": before, "held it afterwards": kept.holding(theirs)}
        return held | {"deletion s": round(seconds)}


@contextmanager
def peaks_of(programs: dict[str, int]) -> Iterator[dict[str, int]]:
    """The most bytes that each program and its children held at once, as far as was seen."""
    peaks, is_over = dict.fromkeys(programs, 0), threading.Event()

    def look() -> None:
        while not is_over.wait(EVERY):
            for name, process in programs.items():
                peaks[name] = max(peaks[name], sum(map(resident, family(process))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peaks
    finally:
        is_over.set()
        watcher.join()


if __name__ == "__main__":
    main()
