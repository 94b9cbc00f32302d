"""Many people, synced in shards by two workers on Postgres, RabbitMQ and a lake: `make crowd`."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import psycopg

from benchmarks.measuring import cpu_seconds, family, resident
from benchmarks.worlds import LAST, SETTINGS, Cloud, cloud
from oura_pipeline.catalog.document_types import Ask, DocumentType, get_document_type
from oura_pipeline.defs.run_requests import SHARD_OP, SUM_OP, shards_config
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.testing.broker import running_broker
from oura_pipeline_tests.testing.postgres import dump, running_postgres
from oura_pipeline_tests.testing.world import World, comparable, sandbox_tokens, world
from oura_pipeline_tests.workers.cluster import (
    Program,
    begun,
    command,
    ended,
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
    with running_postgres() as postgres, running_broker() as broker, cloud(**options) as made:
        settings = SETTINGS | shared_settings(postgres, broker, folder)
        settings |= {"OURA_PEOPLE_PER_SHARD": str(chosen.shard), "OURA_RATE_LIMIT": chosen.limit}
        with world(folder / "data", made.sandbox, settings=settings) as there:
            subprocess.run(command("oura_pipeline.cli", "warehouse", "prepare"), check=True)
            sign_in(there)
            yield Crowd(folder, made, there, settings)


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
                peaks_of({"run": run, "one": workers[0], "two": workers[1]})
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
        [person] = [one for one in self.cloud.sandbox.people() if one["username"] == who]
        theirs = {who, person["id"]} | {
            entry["document"]["id"]
            for name in types
            for entry in self.cloud.sandbox.truth(who, name, FIRST, LAST)
            if "id" in entry["document"]
        }
        before = self._holding(theirs)
        began = time.monotonic()
        subprocess.run(command("oura_pipeline.cli", "people", "remove", who, "--yes"), check=True)
        seconds = time.monotonic() - began
        after = self._holding(theirs)
        held = {"held it before": sorted(before), "held it afterwards": sorted(after)}
        return held | {"deletion s": round(seconds)}

    def _holding(self, texts: set[str]) -> dict[str, int]:
        """Return how many of the texts stand in files, databases and logs, by where."""
        found: Counter[str] = Counter()
        for where, content in self._kept():
            found[where] += sum(text.encode() in content for text in texts)
        return {where: number for where, number in found.items() if number}

    def _kept(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything that is kept, by where: compressed files also as they read."""
        yield "accounts", dump(self.settings["OURA_ACCOUNTS_URL"].replace("+psycopg", ""))
        yield "Dagster", dump(self.settings["DAGSTER_POSTGRES_URL"].replace("+psycopg2", ""))
        catalog = self.settings["OURA_WAREHOUSE_URL"].removeprefix("ducklake:postgres:")
        yield "catalog", dump(catalog)
        for path in (path for path in self.folder.rglob("*") if path.is_file()):
            kind = path.relative_to(self.folder).parts[0]
            yield kind, path.read_bytes()
            if path.suffix == ".parquet":
                yield kind, repr(duckdb.read_parquet(str(path)).fetchall()).encode()
            if path.suffix == ".duckdb":
                yield kind, b"".join(texts_of(path))


def texts_of(path: Path) -> Iterator[bytes]:
    """Yield what stands in the tables of a DuckDB file, which compresses them."""
    with duckdb.connect(str(path), read_only=True) as connection:
        for schema, table in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall():
            rows = connection.execute(f'FROM "{schema}"."{table}"')
            while some := rows.fetchmany(10_000):
                yield repr(some).encode()


@contextmanager
def peaks_of(programs: dict[str, Program]) -> Iterator[dict[str, int]]:
    """The most bytes that each program and its children held at once, as far as was seen."""
    peaks, is_over = dict.fromkeys(programs, 0), threading.Event()

    def look() -> None:
        while not is_over.wait(EVERY):
            for name, one in programs.items():
                peaks[name] = max(peaks[name], sum(map(resident, family(one.pid))))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peaks
    finally:
        is_over.set()
        watcher.join()


if __name__ == "__main__":
    main()
