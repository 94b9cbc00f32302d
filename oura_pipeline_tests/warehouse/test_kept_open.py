"""A file that is kept open between operations is everybody's all the same."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.warehouse.connection import IDLE_SECONDS, WATCHER
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.child_process import output_of, start
from oura_pipeline_tests.warehouse.documents import january, land, score

LAND = """
import sys
from pathlib import Path
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import january, land, score
warehouse = Warehouse(Path(sys.argv[1]), timeout=30)
land(warehouse, DAILY_SLEEP, {"bob": [score(january(1))]})
print(warehouse.usernames())
"""


def is_open(warehouse: Warehouse) -> bool:
    """Whether this process has it open for writing; DuckDB then refuses another way."""
    try:
        duckdb.connect(warehouse.path, read_only=True).close()
    except duckdb.ConnectionException:
        return True
    return False


def test_it_stays_open_until_the_block_ends(new_warehouse: Warehouse) -> None:
    """The outermost, where there are several."""
    with new_warehouse.kept_open():
        assert new_warehouse.usernames() == []
        assert not new_warehouse.path.exists()
        with new_warehouse.kept_open():
            land(new_warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        assert is_open(new_warehouse)
        assert new_warehouse.row_counts() == {"daily_sleep": 1}
        assert is_open(new_warehouse)
    assert not is_open(new_warehouse)
    assert new_warehouse.usernames() == ["ada"]
    assert not is_open(new_warehouse)


def test_another_process_has_its_turn(warehouse: Warehouse) -> None:
    with warehouse.kept_open():
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        assert output_of(start(LAND, warehouse.path)) == "['ada', 'bob']\n"
        assert warehouse.usernames() == ["ada", "bob"]


def test_who_waits_is_let_in_at_once(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with warehouse.kept_open():
        assert warehouse.usernames() == ["ada"]
        # Sooner than an unused file is closed.
        assert Warehouse(warehouse.path, timeout=IDLE_SECONDS - 1).usernames() == ["ada"]


def test_who_waits_comes_before_the_next_operation(warehouse: Warehouse) -> None:
    """However busy the one is that keeps it open."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    done = threading.Event()

    def read_all_the_time() -> None:
        with warehouse.kept_open():
            while not done.is_set():
                with warehouse.at_once():
                    time.sleep(0.1)

    thread = threading.Thread(target=read_all_the_time)
    thread.start()
    try:
        other = Warehouse(warehouse.path, timeout=2)
        assert [other.usernames() for _ in range(3)] == [["ada"]] * 3
    finally:
        done.set()
        thread.join(20)


def test_what_is_not_open_is_not_held(warehouse: Warehouse, tmp_path: Path) -> None:
    """Neither before there is a file, nor after an operation that needs it closed."""
    other = Warehouse(warehouse.path, timeout=1)
    with warehouse.kept_open():
        assert (warehouse.usernames(), other.usernames()) == ([], [])
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        warehouse.publish(tmp_path / "analytics.duckdb")
        assert other.usernames() == ["ada"]


def test_one_thread_watches_however_often_it_is_opened(warehouse: Warehouse) -> None:
    """It is opened again before the watcher has noticed that it was closed."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    others = [threading.Thread(target=Warehouse(warehouse.path).usernames) for _ in range(4)]
    with warehouse.kept_open():
        for other in others:
            with warehouse.at_once():
                other.start()
                time.sleep(0.1)  # it waits now
        with warehouse.at_once():
            watchers = [one for one in threading.enumerate() if one.name == WATCHER]
            assert len(watchers) == 1
    for other in others:
        other.join(20)


def test_threads_wait_for_each_other(warehouse: Warehouse) -> None:
    hasty = Warehouse(warehouse.path, timeout=0.1)
    land(hasty, DAILY_SLEEP, {"ada": [score(january(1))]})
    with hasty.kept_open(), hasty.at_once(), pytest.raises(WarehouseBusy):
        hasty.usernames()
    assert hasty.usernames() == ["ada"]


def test_a_program_without_our_locks_gets_in_while_nothing_is_done(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with warehouse.kept_open():
        assert warehouse.usernames() == ["ada"]
        gives_up_at = time.monotonic() + 20
        while is_open(warehouse):
            assert time.monotonic() < gives_up_at
            time.sleep(0.05)
        land(warehouse, DAILY_SLEEP, {"bob": [score(january(1))]})
        assert warehouse.usernames() == ["ada", "bob"]


def test_after_an_error_it_is_opened_anew(warehouse: Warehouse) -> None:
    with warehouse.kept_open():
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        with pytest.raises(duckdb.CatalogException):
            warehouse.query("FROM nothing")
        assert not is_open(warehouse)
        assert warehouse.usernames() == ["ada"]


def test_nothing_of_an_operation_is_there_for_the_next(warehouse: Warehouse) -> None:
    with warehouse.kept_open():
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
        with pytest.raises(duckdb.CatalogException):
            warehouse.query("FROM incoming")


def test_what_needs_the_closed_file_has_it(warehouse: Warehouse, tmp_path: Path) -> None:
    copy = tmp_path / "analytics.duckdb"
    with warehouse.kept_open():
        for name in ("ada", "bob"):
            land(warehouse, DAILY_SLEEP, {name: [score(january(1))]})
            assert warehouse.publish(copy).fresh
        assert warehouse.forget("ada") == 1
        assert warehouse.usernames() == ["bob"]
    with duckdb.connect(copy, read_only=True) as published:
        names = published.execute("SELECT username FROM oura.daily_sleep ORDER BY ALL").fetchall()
    assert names == [("ada",), ("bob",)]
