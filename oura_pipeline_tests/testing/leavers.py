"""Three people in a world in which everything that can name somebody does."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from oura_pipeline.accounts.inbox import ReceivedEvent
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.defs.run_requests import sync_config
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.testing.readable_files import readable
from oura_pipeline_tests.testing.world import World, world

# One has a name that nothing else has, and one is called as a document type is.
ODD, WORD, OTHER = "zebulon-q", "sleep", "milo"
AT_OURA = {ODD: "runa", WORD: "koa", OTHER: "milo"}
TYPES = ("daily_sleep", "sleep", "heartrate", "workout", "personal_info")
ROWS = tuple(document_type for document_type in DOCUMENT_TYPES if document_type.name in TYPES)
LAST = date(2026, 4, 10)
FIRST = LAST - timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What must not be found anywhere once somebody has left."""

    username: str
    oura_id: str
    email: str
    documents: frozenset[str]
    tokens: frozenset[str]

    def found_in(self, home: Path) -> list[str]:
        """Every file in which something of theirs is, and what; also in what is packed."""
        wanted = {self.username, self.oura_id, self.email, *self.documents, *self.tokens}
        return [
            f"{path.relative_to(home)}: {text}"
            for path in sorted(home.rglob("*"))
            for said in _contents(path)
            for text in sorted(wanted)
            if text.encode() in said
        ]


def _contents(path: Path) -> Iterator[bytes]:
    yield str(path).encode()
    if not path.is_file():
        return
    yield readable(path)
    if path.suffix == ".gz":
        yield gzip.decompress(path.read_bytes())
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())


def sign_in(made: World, username: str) -> set[str]:
    """Let somebody of the sandbox sign in under another username; returns their tokens."""
    cloud = made.sandbox
    answer = cloud.sign_in(AT_OURA[username])
    [oura_id] = [
        person["id"] for person in cloud.people() if person["username"] == AT_OURA[username]
    ]
    tokens = {"refresh_token": answer["refresh_token"], "access_token": answer["access_token"]}
    expires_at = datetime.now(UTC) + timedelta(seconds=answer["expires_in"])
    with made.accounts() as accounts:
        known = [person.username for person in accounts.people.all()]
        write = accounts.people.reconnect if username in known else accounts.people.add
        scopes = ["daily", "email"]
        write(username, SignIn(**tokens, expires_at=expires_at, oura_id=oura_id, scopes=scopes))
    return set(tokens.values())


def traces(made: World, username: str, tokens: set[str]) -> Traces:
    """Theirs, as the sandbox knows them."""
    held = [
        entry["document"]
        for document_type in ROWS
        for entry in made.sandbox.truth(AT_OURA[username], document_type.name)
    ]
    [info] = [document for document in held if "email" in document]
    ids = {document["id"] for document in held if document.get("id")}
    return Traces(
        username=username,
        oura_id=info["id"],
        email=info["email"],
        documents=frozenset(ids),
        tokens=frozenset(tokens),
    )


def populate(made: World) -> dict[str, Traces]:
    """Sign all three in, and let everything happen that leaves a trace."""
    tokens = {username: sign_in(made, username) for username in AT_OURA}
    found = {username: traces(made, username, tokens[username]) for username in AT_OURA}
    made.run(FIRST, LAST, types=TYPES)
    for username in (ODD, WORD):
        made.sandbox.change_person(AT_OURA[username], membership=False)
    made.run(LAST, LAST, types=["sleep"])  # red checks are about the two
    for people in ([ODD], [WORD], [ODD, WORD, OTHER]):
        _run_with_a_key(made, people)  # failures are about them
    for username in (ODD, WORD):
        made.sandbox.change_person(AT_OURA[username], membership=True)
    with open_pipeline() as pipeline:
        pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)
        pipeline.accounts.inbox.receive([_event(some) for some in found.values()])
    _rotate(made.home / "graphite.log")
    for username in AT_OURA:
        _export(made.home / "exports" / username, username)
    spooled = made.home / "spool" / "sleep.crashed"
    spooled.mkdir()
    for username in AT_OURA:
        (spooled / f"0.{username}").write_text(f"{username} left over\n", encoding="utf-8")
    return found


def _run_with_a_key(made: World, people: list[str]) -> None:
    """A run as a sensor starts it, with a key."""
    ids = made.ids(*people)
    with project_instance() as instance:
        made.definitions.resolve_job_def("sync").execute_in_process(
            instance=instance,
            tags={"dagster/run_key": f"gap {LAST} {tuple(ids)}"},
            run_config=sync_config(LAST, LAST, people=ids, document_types=["sleep"], publish=False)
            | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def _event(some: Traces) -> ReceivedEvent:
    body = json.dumps({"user_id": some.oura_id, "object_id": min(some.documents)}).encode()
    return ReceivedEvent(body=body, oura_id=some.oura_id, data_type="sleep", known_type=True)


def _rotate(log: Path) -> None:
    # One line in ten: there are still hundreds of everybody, and each test reads them all.
    lines = b"".join(log.read_bytes().splitlines(keepends=True)[::10])
    log.write_bytes(lines)
    log.with_name("graphite.log.1").write_bytes(lines)
    log.with_name("graphite.log.2.gz").write_bytes(gzip.compress(lines))


def _export(folder: Path, username: str) -> None:
    """A day's files, and one that somebody was killed over."""
    folder.mkdir(parents=True)
    for name in (f"{LAST}_hrv.csv", f"{LAST}_hrv.json", f".{LAST}_hrv.json.7.new"):
        (folder / name).write_text(f'{{"username": "{username}"}}', encoding="utf-8")


@contextmanager
def copied(template: Path, home: Path, cloud: Sandbox) -> Iterator[World]:
    """A copy of a populated world, for one test."""
    # Populating takes long, and every test lets somebody leave.
    shutil.copytree(template, home)
    with world(home, cloud) as made:
        yield made


def tables_naming(database: Path, texts: set[str]) -> list[str]:
    """The tables of a DuckDB file that hold one of the texts in any column."""
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()")
        held = {
            table: str(connection.execute(f'FROM "{schema}"."{table}"').fetchall())
            for schema, table in tables.fetchall()
        }
    return [table for table, rows in held.items() if any(text in rows for text in texts)]


def records(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What Dagster knows of runs, partitions and checks; what people see as status."""
    runs = instance.get_run_records()
    keys = [dg.AssetKey([group, name]) for group in ("oura", "graphite") for name in TYPES]
    return {
        "runs": {
            record.dagster_run.run_id: (record.dagster_run.status, record.dagster_run.job_name)
            for record in runs
        },
        "events": {
            record.dagster_run.run_id: [
                (entry.dagster_event_type, entry.step_key)
                for entry in instance.all_logs(record.dagster_run.run_id)
            ]
            for record in runs
        },
        "partitions": {key: sorted(instance.get_materialized_partitions(key)) for key in keys},
        "latest": {
            key: event and (event.run_id, event.asset_materialization)
            for key in keys
            for event in [instance.get_latest_materialization_event(key)]
        },
    }
