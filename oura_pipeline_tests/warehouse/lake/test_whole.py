"""People sign in, are synced and published, and leave: on each store that the project knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from cryptography.fernet import Fernet

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_SLEEP,
    HEARTRATE,
    PERSONAL_INFO,
    SLEEP,
)
from oura_pipeline.people.leave import delete_everything
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.testing.matrix import MATRIX
from oura_pipeline_tests.testing.object_storage import copied_by_rclone
from oura_pipeline_tests.testing.postgres import dump, new_database
from oura_pipeline_tests.testing.readable_files import readable
from oura_pipeline_tests.testing.world import comparable, world
from oura_pipeline_tests.warehouse.lake.lakes import Lake, in_folder, in_object_storage

LAST = date(2026, 4, 10)
FIRST = LAST - timedelta(days=2)
TYPES = (DAILY_ACTIVITY, DAILY_SLEEP, HEARTRATE, PERSONAL_INFO, SLEEP)
LEAVES, STAYS = "runa", "milo"

STORES = {
    ("SQLite", "file"): MATRIX,
    ("Postgres", "file"): MATRIX,
    ("Postgres", "lake in a folder"): True,
    ("Postgres", "lake in object storage"): MATRIX,
}


@pytest.fixture(params=[stores for stores, wanted in STORES.items() if wanted], ids="-".join)
def stores(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str
) -> Iterator[tuple[dict[str, str], str, Lake | None]]:
    """The settings of where accounts and warehouse are kept, the accounts' address, the lake."""
    accounts, warehouse = request.param
    settings, address, lake = {}, "", None
    if accounts == "Postgres":
        address = f"postgresql://{new_database(postgres_server)}"
        key = Fernet.generate_key().decode()
        settings = {
            "OURA_ACCOUNTS_URL": address.replace("://", "+psycopg://"),
            "OURA_TOKEN_KEY": key,
            "OURA_SESSION_KEY": key,
        }
    with ExitStack() as stack:
        if warehouse == "lake in a folder":
            lake = stack.enter_context(in_folder(postgres_server, tmp_path))
        elif warehouse == "lake in object storage":
            storage = request.getfixturevalue("object_storage")
            lake = stack.enter_context(in_object_storage(storage, postgres_server, tmp_path))
        yield settings | (lake.settings() if lake else {}), address, lake


def test_what_oura_has_lands_is_published_and_deleted(
    stores: tuple[dict[str, str], str, Lake | None], tmp_path: Path
) -> None:
    """Whoever left is in no file, no dump and no record; all others are as they were."""
    settings, accounts, lake = stores
    options = SandboxOptions(people=3, days=6, end=LAST, thin=20)
    with (
        running(options) as cloud,
        world(tmp_path / "data", cloud, settings=settings) as made,
    ):
        for username in (LEAVES, STAYS):
            made.sign_in(username)
        assert made.run(FIRST, LAST, types=[one.name for one in TYPES]).success
        with open_pipeline() as pipeline:
            for document_type in (DAILY_ACTIVITY, DAILY_SLEEP, SLEEP):
                for username in (LEAVES, STAYS):
                    landed = pipeline.warehouse.documents(document_type, username, FIRST, LAST)
                    assert len(landed) > 0
                    truth = made.truth(username, document_type, FIRST, LAST)
                    assert _decoded(landed) == truth
            copy = publish(pipeline).path
            before = pipeline.warehouse.rows_of(STAYS)
            assert before["heartrate"] > 0
            assert LEAVES in _people(copy)
            delete_everything(pipeline, LEAVES)
            assert _people(copy) == [STAYS]
            assert pipeline.warehouse.usernames() == [STAYS]
            assert pipeline.warehouse.rows_of(STAYS) == before
    held = [*lake.contents()] if lake else []
    held += [("accounts", dump(accounts))] if accounts else []
    held += [
        (str(path), readable(path)) for path in (tmp_path / "data").rglob("*") if path.is_file()
    ]
    assert [name for name, content in held if LEAVES.encode() in content] == []
    assert STAYS.encode() in b"".join(content for _, content in held)
    if lake and lake.address.storage:
        # What has just been searched is all that there is, says another program.
        data = lake.address.data
        found = copied_by_rclone(lake.address.storage, data, tmp_path / "copied")
        assert found == {file.removeprefix(f"{data}/"): lake.raw(file) for file in lake.files()}


def _decoded(landed: list[tuple[date, bytes]]) -> list[tuple[str, object]]:
    return comparable((day.isoformat(), json.loads(raw)) for day, raw in landed)


def _people(copy: Path) -> list[str]:
    with duckdb.connect(str(copy), read_only=True) as connection:
        rows = connection.execute("SELECT DISTINCT username FROM oura.nights ORDER BY ALL")
        return [username for (username,) in rows.fetchall()]
