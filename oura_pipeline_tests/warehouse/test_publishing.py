"""The copy that readers open while the warehouse is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES
from oura_pipeline.warehouse.publishing import store_views_if_large, wal
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.storing import TOO_LARGE, pieces
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.child_process import output_of, start, waiting_child
from oura_pipeline_tests.warehouse.documents import january, land, score

READ = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print("ready", flush=True)
while sys.stdin.readline():
    print(connection.execute("SELECT score FROM oura.daily_sleep").fetchall(), flush=True)
"""
DIE_WITH_A_LOG = """
import duckdb, os, sys
os.chmod(sys.argv[1], 0o644)
connection = duckdb.connect(sys.argv[1])
connection.execute("INSERT INTO oura.readme VALUES ('mine', 'not there')")
os._exit(0)
"""

LARGE_TABLE = "CREATE TABLE large AS SELECT hash(range * 7) AS number FROM range(4000000)"  # 32 MB
WRITE_WHEN_ASKED = """
import duckdb, os, sys
os.chmod(sys.argv[1], 0o644)
connection = duckdb.connect(sys.argv[1])
print("ready", flush=True)
while sys.stdin.readline():
    connection.execute("INSERT INTO oura.readme VALUES ('mine', 'not there')")
    print("written", flush=True)
"""
HALF_A_COPY = """
import duckdb, os, shutil, sys
shutil.copy(*sys.argv[1:])
connection = duckdb.connect(sys.argv[2])
connection.execute("CREATE TABLE oura.left AS SELECT 'ada' AS username")
os._exit(0)
"""
PUBLISH = """
import sys
from pathlib import Path
from oura_pipeline.warehouse.warehouse import Warehouse
Warehouse(Path(sys.argv[1])).publish(Path(sys.argv[2]))
"""


@pytest.fixture
def warehouse(empty_home: Path, tmp_path: Path) -> Warehouse:
    """A warehouse of the test's own without documents, which was published before."""
    return Warehouse(Path(shutil.copy(empty_home / "warehouse.duckdb", tmp_path)), timeout=20)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "analytics.duckdb"


def read(target: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(target, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_copy_is_complete_and_alone(new_warehouse: Warehouse, target: Path) -> None:
    land(new_warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    published = new_warehouse.publish(target)
    assert (published.path, published.fresh) == (target, True)
    assert published.bytes == target.stat().st_size > 0
    assert read(target, "SELECT username, score FROM oura.daily_sleep") == [("ada", 80)]
    assert sorted(path.name for path in target.parent.glob("*analytics*")) == ["analytics.duckdb"]


def test_there_is_a_table_for_what_nobody_has_yet(new_warehouse: Warehouse, target: Path) -> None:
    new_warehouse.publish(target)
    tables = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'oura' ORDER BY ALL"
    others = ["brought", "fetches", "odd_values", "offsets", "participants", "quarantine", "readme"]
    others += ["unknown_fields"]
    assert read(target, tables) == [
        (name,)
        for name in sorted([*(document_type.table for document_type in DOCUMENT_TYPES), *others])
    ]
    views = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'oura' ORDER BY ALL"
    assert read(target, views) == [(name,) for name in sorted(view.name for view in VIEWS)]
    assert new_warehouse.row_counts() == {document_type.name: 0 for document_type in DOCUMENT_TYPES}


def test_nothing_changed_nothing_copied(warehouse: Warehouse, target: Path) -> None:
    """Landing the same again changes nothing; looking does not either."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    assert warehouse.publish(target).fresh
    inode = target.stat().st_ino
    assert not warehouse.publish(target).fresh
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    warehouse.row_counts()
    assert not warehouse.publish(target).fresh
    assert target.stat().st_ino == inode
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 81)]})
    assert warehouse.publish(target).fresh
    assert read(target, "SELECT score FROM oura.daily_sleep") == [(81,)]


def test_what_a_killed_process_left_in_the_log_is_published(
    warehouse: Warehouse, target: Path
) -> None:
    warehouse.publish(target)
    output_of(start(DIE_WITH_A_LOG, warehouse.path))
    assert warehouse.path.with_name("warehouse.duckdb.wal").exists()
    assert warehouse.publish(target).fresh
    assert read(target, "SELECT description FROM oura.readme WHERE table_name = 'mine'") == [
        ("not there",)
    ]


def test_a_reader_keeps_the_copy_it_opened(warehouse: Warehouse, target: Path) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 70)]})
    warehouse.publish(target)
    with waiting_child(READ, target) as reader:
        for value in (71, 72):
            land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), value)]})
            warehouse.publish(target)
            assert asked(reader) == "[(70.0,)]\n"
        assert read(target, "SELECT score FROM oura.daily_sleep") == [(72,)]


def asked(reader: subprocess.Popen[str]) -> str:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("again\n")
    reader.stdin.flush()
    return reader.stdout.readline()


def test_a_log_somebody_left_beside_the_old_copy_is_not_read_into_the_new(
    warehouse: Warehouse, target: Path
) -> None:
    warehouse.publish(target)
    output_of(start(DIE_WITH_A_LOG, target))
    assert target.with_name("analytics.duckdb.wal").exists()
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    warehouse.publish(target)
    assert not target.with_name("analytics.duckdb.wal").exists()
    assert read(target, "SELECT count(*) FROM oura.readme WHERE table_name = 'mine'") == [(0,)]


def test_a_log_that_appears_beside_the_copy_is_gone_with_the_next(
    warehouse: Warehouse, target: Path
) -> None:
    """Somebody wrote into the copy before; DuckDB would read their log into the new one."""
    warehouse.publish(target)
    with waiting_child(WRITE_WHEN_ASKED, target) as writer:
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        warehouse.publish(target)
        assert asked(writer) == "written\n"
    assert target.with_name("analytics.duckdb.wal").exists()
    assert warehouse.publish(target).fresh
    assert not target.with_name("analytics.duckdb.wal").exists()
    assert read(target, "SELECT count(*) FROM oura.readme WHERE table_name = 'mine'") == [(0,)]


def test_nobody_may_write_into_the_copy(warehouse: Warehouse, target: Path) -> None:
    """Who opens it for writing by mistake would keep everybody else out."""
    warehouse.publish(target)
    assert target.stat().st_mode & 0o222 == 0
    assert target.stat().st_mode & 0o400


def test_readers_leave_nothing_beside_the_copy(warehouse: Warehouse, target: Path) -> None:
    warehouse.publish(target)
    with waiting_child(READ, target) as reader, waiting_child(READ, target):
        assert asked(reader) == "[]\n"
        beside = {path.name for path in target.parent.iterdir()}
    assert beside == {"analytics.duckdb", "warehouse.duckdb"} | {
        "warehouse.duckdb.lock",
        "warehouse.duckdb.next.lock",
    }


def test_a_killed_copy_leaves_the_old_one_and_one_file_at_most(
    warehouse: Warehouse, target: Path
) -> None:
    """Killed again and again in the middle of copying, and then published as if nothing was."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    warehouse.publish(target)
    with duckdb.connect(warehouse.path) as connection:  # so that copying takes a while
        connection.execute(LARGE_TABLE)
    new = target.with_name(".analytics.duckdb.new")
    for _ in range(2):
        inode = target.stat().st_ino
        child = start(PUBLISH, warehouse.path, target)
        until(lambda: new.exists() and new.stat().st_size > 0, child)
        child.kill()
        child.communicate(timeout=60)
        assert new.exists()
        assert target.stat().st_ino == inode
        assert read(target, "SELECT score FROM oura.daily_sleep") == [(80,)]
        names = sorted(path.name for path in target.parent.glob("*analytics*"))
        assert names == [".analytics.duckdb.new", "analytics.duckdb"]
    assert warehouse.publish(target).fresh
    assert read(target, "SELECT count(*) FROM large") == [(4_000_000,)]
    assert not new.exists()


def test_a_log_that_a_killed_copy_left_is_not_read_into_the_next_one(
    warehouse: Warehouse, target: Path
) -> None:
    """Killed while it computed tables; what it wrote may be of somebody who has left since."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(LARGE_TABLE)
    new = target.with_name(".analytics.duckdb.new")
    child = start(HALF_A_COPY, warehouse.path, new)
    assert child.communicate(timeout=60) == ("", "")
    assert wal(new).exists()
    warehouse.publish(target)
    assert read(target, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'left'") == [(0,)]
    assert read(target, "SELECT sleep_score FROM oura.daily_summary") == [(80,)]
    assert sorted(path.name for path in target.parent.glob("*analytics*")) == ["analytics.duckdb"]


def until(condition: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    """Look until it is so; the child must not end before."""
    deadline = time.monotonic() + 60
    while not condition():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline


def test_what_a_crash_left_is_not_written_into(warehouse: Warehouse, target: Path) -> None:
    """A backup may be reading it."""
    left = target.with_name(".analytics.duckdb.new")
    left.write_bytes(b"half a copy")
    with left.open("rb") as backup:
        warehouse.publish(target)
        assert backup.read() == b"half a copy"


def test_a_copy_of_another_state_is_replaced_though_its_time_is_the_same(
    warehouse: Warehouse, target: Path
) -> None:
    warehouse.publish(target)
    changed = warehouse.path.stat().st_mtime_ns
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    os.utime(warehouse.path, ns=(changed, changed))
    assert not warehouse.is_published(target)
    assert warehouse.publish(target).fresh
    assert warehouse.is_published(target)


def test_tables_of_a_large_copy_follow_the_documents(warehouse: Warehouse, target: Path) -> None:
    """What takes long is computed once: after a landing, and after a deletion, anew."""
    days, is_table = (
        "SELECT username, sleep_score FROM oura.daily_summary ORDER BY ALL",
        ("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'daily_summary'"),
    )
    land(warehouse, DAILY_SLEEP, {name: [score(january(1), 70)] for name in ("ada", "ben")})
    warehouse.publish(target)
    assert read(target, is_table) == [(0,)]
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(LARGE_TABLE)
    warehouse.publish(target)
    assert (read(target, is_table), warehouse.is_published(target)) == ([(1,)], True)
    assert read(target, days) == [("ada", 70), ("ben", 70)]
    land(warehouse, DAILY_SLEEP, {"ben": [score(january(1), 71)]})
    warehouse.publish(target)
    assert read(target, days) == [("ada", 70), ("ben", 71)]
    warehouse.forget("ada")
    warehouse.publish(target)
    assert read(target, days) == [("ben", 71)]
    assert b"ada" not in target.read_bytes()


def test_a_large_copy_can_become_the_warehouse(warehouse: Warehouse, target: Path) -> None:
    """Of one that was lost; its tables are views again, which follow the documents."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 70)]})
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(LARGE_TABLE)
    warehouse.publish(target)
    target.rename(warehouse.path)
    warehouse.path.chmod(0o600)
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 71)]})
    assert warehouse.publish(target).fresh
    assert read(target, "SELECT sleep_score FROM oura.daily_summary") == [(71,)]


def test_a_copy_that_is_too_large_keeps_its_views(tmp_path: Path) -> None:
    """It is not even opened: this one is a hole, and no database."""
    hole = tmp_path / "hole"
    hole.touch()
    os.truncate(hole, TOO_LARGE + 1)
    store_views_if_large(hole)
    os.truncate(hole, TOO_LARGE)
    with pytest.raises(duckdb.Error):
        store_views_if_large(hole)


@pytest.mark.parametrize("people", [0, 1, 2, 3, 159, 160, 161, 5000])
def test_tables_of_many_people_are_computed_in_sixteen_pieces_at_most(people: int) -> None:
    """Everybody is in one of them, also whoever is before, between or after those who are known."""
    names = [f"p{number:04}" for number in range(people)]
    conditions = list(pieces(reversed(names), 2))
    assert len(conditions) <= min(people // 2 + 1, 16)
    counted = " + ".join(f"({condition})::INT" for condition in conditions)
    everybody = [*names, *(f"{name}a" for name in names), "", "zoe"]
    assert duckdb.execute(
        f"SELECT DISTINCT {counted} FROM (SELECT unnest($1::VARCHAR[]) AS username)", [everybody]
    ).fetchall() == [(1,)]


def test_a_warehouse_that_was_removed_is_published_empty(
    warehouse: Warehouse, target: Path
) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    warehouse.publish(target)
    warehouse.path.unlink()
    assert warehouse.publish(target).fresh
    assert read(target, "FROM oura.daily_sleep") == []


def test_a_failed_copy_leaves_the_old_one(warehouse: Warehouse, target: Path) -> None:
    warehouse.publish(target)
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from oura_pipeline.warehouse.publishing import swap_in\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.dont_write_bytecode = True\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "swap_in(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, warehouse.path, target], capture_output=True, text=True
    )
    assert "OSError: [Errno 27] File too large" in child.stderr
    assert read(target, "SELECT count(*) FROM oura.daily_sleep") == [(0,)]
    assert not target.with_name(".analytics.duckdb.new").exists()
