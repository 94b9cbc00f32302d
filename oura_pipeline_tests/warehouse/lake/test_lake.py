"""What is true of a lake alone: writers side by side, snapshots, what is refused and how."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, DAILY_SLEEP, DOCUMENT_TYPES, SLEEP
from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable
from oura_pipeline.warehouse.lake import attaching, locks
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline_tests.testing.postgres import new_database
from oura_pipeline_tests.warehouse.documents import january, land, night, raw_document, score
from oura_pipeline_tests.warehouse.lake.lakes import Lake, address


def test_many_writers_of_one_type_and_of_others_lose_nothing(lake: Lake) -> None:
    """They take turns, or try again where DuckLake finds a conflict."""
    # Unknown fields of both types go to one table.
    work = [(one, name) for one in (DAILY_SLEEP, DAILY_ACTIVITY) for name in ("ada", "bob", "cleo")]

    def write(one_and_name: tuple[object, str]) -> int:
        one, name = one_and_name
        document = raw_document(january(1), id=f"of-{name}", day=f"{january(1)}", score=80, new=1)
        return land(lake.warehouse, one, {name: [document]}).inserted  # type: ignore[arg-type]

    with ThreadPoolExecutor(len(work)) as pool:
        assert list(pool.map(write, work)) == [1] * len(work)
    counts = lake.warehouse.row_counts()
    assert (counts["daily_sleep"], counts["daily_activity"]) == (3, 3)


def test_a_writer_that_was_overtaken_tries_again(lake: Lake) -> None:
    """DuckLake refuses an insertion where others have deleted meanwhile."""
    land(lake.warehouse, DAILY_SLEEP, {"ada": [score(january(1))], "bob": [score(january(1))]})
    table, tries = "oura.daily_sleep", []

    def overtaken(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {table} (username, day) VALUES ('cleo', '2026-01-01')")
        if not tries:
            with lake.warehouse._lake.opened() as other:
                other.execute(f"DELETE FROM {table} WHERE username = 'ada'")
        tries.append(1)
        connection.execute("COMMIT")

    lake.warehouse._lake.repeated(overtaken)
    assert len(tries) == 2
    assert lake.warehouse.query(f"SELECT username FROM {table} ORDER BY ALL") == [
        *(("bob",), ("cleo",))
    ]


def test_types_that_share_offsets_wait_for_each_other_and_others_do_not(lake: Lake) -> None:
    """What a night teaches moves rows of heart rate."""
    hasty = LakeWarehouse(lake.address, spools=lake.warehouse._spools, timeout=0.2)
    with locks.writing(lake.address, "offsets", timeout=1):
        assert land(hasty, DAILY_SLEEP, {"ada": [score(january(1))]}).inserted == 1
        with pytest.raises(WarehouseBusy, match="look for a run that hangs"):
            land(hasty, SLEEP, {"ada": [night(january(1))]})
    with locks.alone(lake.address, timeout=1), pytest.raises(WarehouseBusy):
        land(hasty, DAILY_SLEEP, {"ada": [score(january(1))]})


def test_readers_see_one_moment_and_wait_for_nobody(lake: Lake) -> None:
    land(lake.warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with lake.warehouse.at_once() as opened:
        assert opened.usernames() == ["ada"]
        writer = threading.Thread(
            target=land, args=(lake.warehouse, DAILY_SLEEP, {"bob": [score(january(1))]})
        )
        writer.start()
        writer.join(30)
        assert opened.usernames() == ["ada"]
    assert lake.warehouse.usernames() == ["ada", "bob"]


def test_analysts_read_the_views_live_and_as_of_before(lake: Lake) -> None:
    """With nothing but the catalog's address, under any name of the database."""
    land(lake.warehouse, SLEEP, {"ada": [night(january(1), total_sleep_duration=3600)]})
    [(snapshot,)] = lake.catalog("SELECT max(snapshot_id) FROM ducklake_snapshot")
    land(lake.warehouse, SLEEP, {"ada": [night(january(1), total_sleep_duration=7200)]})
    name = attaching.attach(lake.address)
    with attaching.cursor() as connection:
        hours = connection.execute(f"SELECT total_sleep_minutes FROM {name}.oura.nights").fetchall()
        before = connection.execute(
            f"SELECT total_sleep_duration FROM {name}.oura.sleep AT (VERSION => {snapshot})"
        ).fetchall()
        described = connection.execute(
            "SELECT count(*) FROM duckdb_columns() WHERE database_name = ? "
            "AND schema_name = 'oura' AND table_name IN (SELECT unnest(?::VARCHAR[])) "
            "AND comment IS NULL",
            [name, [one.table for one in DOCUMENT_TYPES]],
        ).fetchall()
    assert (hours, before, described) == ([(120.0,)], [(3600,)], [(0,)])


def test_the_published_copy_is_a_file_with_views(lake: Lake, tmp_path: Path) -> None:
    """It stays while the lake does, and is none of it when that changes."""
    land(lake.warehouse, SLEEP, {"ada": [night(january(1))]})
    copy = tmp_path / "analytics.duckdb"
    assert lake.warehouse.publish(copy).fresh
    assert (lake.warehouse.is_published(copy), lake.warehouse.publish(copy).fresh) == (True, False)
    land(lake.warehouse, SLEEP, {"bob": [night(january(1))]})
    assert not lake.warehouse.is_published(copy)
    with duckdb.connect(str(copy), read_only=True) as connection:
        rows = connection.execute("SELECT username, day FROM oura.nights ORDER BY ALL").fetchall()
        readme = connection.execute("SELECT count(DISTINCT table_name) FROM oura.readme").fetchall()
    assert rows == [("ada", january(1))]
    assert readme[0][0] > len(DOCUMENT_TYPES)


def test_a_catalog_that_goes_away_is_told_in_one_line_without_its_password(
    lake: Lake, postgres_server: str
) -> None:
    """And when it is there again, work goes on."""
    secret = replace(lake.address, catalog=lake.address.catalog.replace("@", ":secret@"))
    warehouse = LakeWarehouse(secret, spools=lake.warehouse._spools, timeout=20)
    name = secret.catalog.rpartition("/")[2]
    assert warehouse.usernames() == []
    try:
        with psycopg.connect(f"postgresql://{postgres_server}/postgres", autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            for use in (warehouse.usernames, warehouse.changed_at, lambda: warehouse.forget("ada")):
                with pytest.raises(WarehouseUnreadable, match="not currently accepting") as error:
                    use()
                assert "\n" not in str(error.value)
                assert "secret" not in "".join(traceback.format_exception(error.value))
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert warehouse.usernames() == []
    finally:
        attaching.detach(secret)


def test_a_lake_is_used_only_once_it_is_prepared_for_this_version(
    lake: Lake, postgres_server: str, tmp_path: Path
) -> None:
    """Not one of another version, which gets its columns, nor an empty one; no secret is told."""
    land(lake.warehouse, DAILY_SLEEP, {"ada": [score(january(1), 71)]})
    lake.warehouse._lake.repeated(
        lambda connection: connection.execute(
            "UPDATE bookkeeping.views_digest SET digest = 'old'; "
            "ALTER TABLE oura.daily_sleep DROP COLUMN score"
        )
    )
    older = LakeWarehouse(lake.address, spools=tmp_path)
    with pytest.raises(WarehouseUnreadable, match="run `oura-pipeline warehouse prepare`"):
        older.usernames()
    assert (older.prepare(), older.prepare()) == (True, False)
    assert older.query("SELECT username, score FROM oura.daily_sleep") == [("ada", 71)]
    empty = address(new_database(postgres_server), tmp_path)
    nowhere = replace(empty, catalog="postgresql://tester:secret@127.0.0.1:1/none")
    for refused, why in ((empty, "there is no lake yet"), (nowhere, "refused")):
        with pytest.raises(WarehouseUnreadable, match=why) as error:
            LakeWarehouse(refused, spools=tmp_path).usernames()
        assert "\n" not in str(error.value)
        assert "secret" not in str(error.value)
