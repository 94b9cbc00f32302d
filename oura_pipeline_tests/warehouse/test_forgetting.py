"""Forgetting somebody leaves no byte of them, and everything else as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES, HEARTRATE, SLEEP
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import all_documents, beat, january, land, night, score

ADA, BOB = "ada-lovelace", "bob"
SAYS = "zymurgy"  # in a text of ada's only
DESCRIBED = (
    "SELECT table_name, NULL, comment, NULL, NULL FROM duckdb_tables() UNION ALL "
    "SELECT table_name, column_name, comment, data_type, is_nullable FROM duckdb_columns() "
    "WHERE NOT internal UNION ALL SELECT view_name, sql, comment, NULL, NULL FROM duckdb_views() "
    "WHERE NOT internal ORDER BY ALL"
)
DIE = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("PRAGMA disable_checkpoint_on_shutdown")
connection.execute("UPDATE oura.sleep SET run_id = 'zymurgy' WHERE username = 'ada-lovelace'")
connection.execute("UPDATE oura.sleep SET run_id = 'late' WHERE username = 'bob'")
os._exit(0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, of whom each document was rewritten once, and a table of long ago."""
    warehouse = Warehouse(tmp_path_factory.mktemp("full") / "warehouse.duckdb", timeout=20)
    for value in (70, 80):
        for name in (ADA, BOB):
            own = SAYS if name == ADA else "plain"
            land(warehouse, SLEEP, {name: [night(january(1), note=own, average_breath=value)]})
            land(warehouse, DAILY_SLEEP, {name: [score(january(1), value)]})
            land(warehouse, HEARTRATE, {name: [beat(january(2), "10:00:00", value)]})
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("CREATE TABLE oura.older AS SELECT username FROM oura.sleep")
        connection.execute("CREATE VIEW oura.mine AS SELECT day, score FROM oura.daily_sleep")
        connection.execute("COMMENT ON VIEW oura.mine IS 'of an analyst'")
    return warehouse.path.parent


@pytest.fixture
def full(folder: Path, tmp_path: Path) -> Warehouse:
    """The same in a folder of the test's own."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Warehouse(tmp_path / "warehouse.duckdb", timeout=20)


def in_the_folder(warehouse: Warehouse, *texts: str) -> list[tuple[str, str]]:
    """Which of the texts stand in which file."""
    return [
        (path.name, text)
        for path in sorted(warehouse.path.parent.rglob("*"))
        for text in texts
        if path.is_file() and text.encode() in path.read_bytes() + path.name.encode()
    ]


def everything_of(warehouse: Warehouse, username: str) -> dict[str, Any]:
    return {
        row.name: [entry for entry in all_documents(warehouse, row) if entry[0] == username]
        for row in (SLEEP, DAILY_SLEEP, HEARTRATE)
    }


def test_no_byte_stays_in_the_file(full: Warehouse) -> None:
    """Neither of what stood nor of what was replaced before; also not in an unknown table."""
    assert {text for _, text in in_the_folder(full, ADA, SAYS)} == {ADA, SAYS}
    assert full.forget(ADA) == 4
    assert in_the_folder(full, ADA, SAYS) == []
    assert full.query("FROM oura.older") == [(BOB,)]
    assert full.usernames() == [BOB]


def test_tables_types_comments_and_views_are_the_same(full: Warehouse) -> None:
    """The file is another one; what it says of itself is not."""
    before = full.query(DESCRIBED), everything_of(full, BOB)
    full.path.chmod(0o640)
    full.forget(ADA)
    assert (full.query(DESCRIBED), everything_of(full, BOB)) == before
    assert full.path.stat().st_mode & 0o777 == 0o640
    land(full, DAILY_SLEEP, {BOB: [score(january(2), 90)]}, days=(2, 2))
    assert [day for _, day, _ in all_documents(full, DAILY_SLEEP)] == [january(1), january(2)]


def test_what_a_crashed_writer_left_in_the_log_is_not_lost_and_not_kept(full: Warehouse) -> None:
    """The log of a killed process is taken into account, for others and for who leaves."""
    subprocess.run([sys.executable, "-c", DIE, str(full.path)], check=True, timeout=60)
    assert full.path.with_name(f"{full.path.name}.wal").exists()
    full.forget(ADA)
    assert full.query("SELECT username, run_id FROM oura.sleep") == [(BOB, "late")]
    assert in_the_folder(full, ADA, SAYS) == []


def test_leftovers_of_crashes_go(full: Warehouse) -> None:
    """A half-written new file, spilled memory, a spool that nobody holds."""
    folder = full.path.parent
    for name in (".warehouse.duckdb.new", "warehouse.duckdb.tmp/block", "spool/sleep.x/0.ada"):
        path = folder / name.replace("warehouse.duckdb", full.path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"half of {ADA}", encoding="utf-8")
    full.forget(ADA)
    assert in_the_folder(full, ADA) == []


def test_forgetting_nobody_changes_nothing(full: Warehouse) -> None:
    before = everything_of(full, ADA), everything_of(full, BOB), full.query(DESCRIBED)
    assert full.forget("nobody") == 0
    assert (everything_of(full, ADA), everything_of(full, BOB), full.query(DESCRIBED)) == before


def test_readers_of_the_old_copy_keep_it_and_the_new_one_is_without(
    full: Warehouse, tmp_path: Path
) -> None:
    """Publishing after forgetting swaps at once, although little else has changed."""
    copy = tmp_path / "analytics.duckdb"
    full.publish(copy)
    with duckdb.connect(str(copy), read_only=True) as reading:
        full.forget(ADA)
        assert full.publish(copy).fresh
        assert reading.execute("SELECT count(*) FROM oura.sleep").fetchall() == [(2,)]
    with duckdb.connect(str(copy), read_only=True) as reading:
        assert reading.execute("SELECT username FROM oura.sleep").fetchall() == [(BOB,)]
    assert in_the_folder(full, ADA, SAYS) == []


def test_an_export_has_the_rows_of_one_person_by_day(full: Warehouse, tmp_path: Path) -> None:
    """A Parquet file per type that they have; the columns are the table's."""
    folder = tmp_path / "out"
    folder.mkdir()
    land(full, DAILY_SLEEP, {ADA: [score(january(2), 60)]}, days=(2, 2))
    assert full.export(ADA, folder) == {"daily_sleep": 2, "heartrate": 1, "sleep": 1}
    assert sorted(path.name for path in folder.iterdir()) == [
        *("daily_sleep.parquet", "heartrate.parquet", "sleep.parquet")
    ]
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT username, day, score FROM read_parquet($1)",
            [str(folder / "daily_sleep.parquet")],
        ).fetchall()
    assert rows == [(ADA, january(1), 80), (ADA, january(2), 60)]
    assert full.export("nobody", folder) == {}
    assert full.rows_of(ADA) == {"daily_sleep": 2, "heartrate": 1, "sleep": 1}
    assert set(full.rows_of(ADA)) < {document_type.name for document_type in DOCUMENT_TYPES}
