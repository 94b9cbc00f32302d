"""Who is let in, who waits, and what those hear who cannot get in."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from oura_pipeline.catalog.document_types import DAILY_SLEEP, SLEEP
from oura_pipeline.warehouse import connection
from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.child_process import waiting_child
from oura_pipeline_tests.warehouse.documents import january, land, score

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
connection.close()
"""
# The main header of a file that DuckDB 2.0.0 alpha wrote (storage version 999): offset, bytes.
NEWER = {
    0: "687dd1646dd69e194455434be703",
    52: "76322e302e302d616c7068613439353034",
    84: "64396333653961653131",
    124: "d1d202a0c23d1e6f701423b08c152d41",
}


def test_it_is_not_held_between_operations(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with duckdb.connect(warehouse.path) as foreign:
        assert foreign.execute("SELECT count(*) FROM oura.daily_sleep").fetchone() == (1,)
    assert warehouse.row_counts() == {"daily_sleep": 1}


def test_reads_at_once_share_one_connection_and_one_moment(warehouse: Warehouse) -> None:
    """They answer what the same reads answer one by one, and nobody lands between them."""
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1))]})
    with warehouse.at_once() as opened:
        assert opened.row_counts() == {"daily_sleep": 1}
        assert opened.documents(SLEEP, "ada", january(1), january(1)) == []
        assert opened.query("SELECT current_setting('TimeZone')") == [("UTC",)]
        with pytest.raises(WarehouseBusy):
            Warehouse(warehouse.path, timeout=0.0).usernames()
    assert Warehouse(warehouse.path, timeout=0.0).usernames() == ["ada"]


def test_reads_at_once_find_nothing_where_there_is_no_file(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "warehouse.duckdb").at_once() as opened:
        assert (opened.row_counts(), opened.quarantined()) == ({}, [])


def test_instants_are_utc_whatever_the_machine_says(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": []})
    with warehouse.kept_open():
        for _ in range(2):  # also where nobody has to open it
            assert warehouse.query("SELECT current_setting('TimeZone')") == [("UTC",)]
    assert warehouse.query("SELECT '2026-10-25 00:30:00+00'::TIMESTAMPTZ::VARCHAR") == [
        ("2026-10-25 00:30:00+00",)
    ]


def test_a_shell_that_has_it_open_is_named(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with waiting_child(HOLD, path) as child, pytest.raises(WarehouseBusy) as caught:
        Warehouse(path, timeout=0.1).usernames()
    message = str(caught.value)
    assert f"(process {child.pid})" in message
    assert message.startswith("warehouse.duckdb is open in ")
    assert message.endswith(
        ": close it there, or open analytics.duckdb instead, which is made for reading"
    )


def test_a_shell_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    found: list[list[str]] = []
    with waiting_child(HOLD, path) as child:
        reader = threading.Thread(
            target=lambda: found.append(Warehouse(path, timeout=30).usernames())
        )
        reader.start()
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        reader.join(30)
    assert found == [[]]


def test_a_connection_of_this_process_is_named(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": []})
    hasty = Warehouse(warehouse.path, timeout=0.05)
    with duckdb.connect(warehouse.path), pytest.raises(WarehouseBusy, match="this same process"):
        hasty.usernames()


def test_a_run_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", timeout=0.1)
    with (
        FileLock(tmp_path / "warehouse.duckdb.lock"),
        pytest.raises(WarehouseBusy, match=r"warehouse.duckdb: other runs have held it for 0 s; "),
    ):
        warehouse.usernames()


def test_a_long_wait_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = connection.ExclusiveFile(tmp_path / "warehouse.duckdb", timeout=0.3, log_every=0.1)
    with (
        caplog.at_level(logging.INFO),
        FileLock(tmp_path / "warehouse.duckdb.lock"),
        pytest.raises(WarehouseBusy),
        one.locked(),
    ):
        pass
    assert "waiting for warehouse.duckdb: held by another run, 0 s" in caplog.messages


def test_threads_take_turns(warehouse: Warehouse) -> None:
    failures: list[Exception] = []

    def land_as(name: str) -> None:
        try:
            for _ in range(3):
                land(warehouse, DAILY_SLEEP, {name: [score(january(1))]})
        except Exception as error:  # the thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=land_as, args=(f"person{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (failures, warehouse.row_counts()) == ([], {"daily_sleep": 4})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello" * 5000, "x.duckdb cannot be opened as a DuckDB file: IO Error: The file "),
        (b"", ""),
    ],
)
def test_a_file_that_is_none_of_duckdbs(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.duckdb"
    path.write_bytes(content)
    with pytest.raises(WarehouseUnreadable) as caught:
        Warehouse(path).usernames()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(duckdb.__version__.startswith("2."), reason="2.0 reads what it wrote")
def test_a_file_of_a_newer_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    header = bytearray(3 * 4096)
    for offset, part in NEWER.items():
        header[offset : offset + len(part) // 2] = bytes.fromhex(part)
    path.write_bytes(header)
    with pytest.raises(WarehouseUnreadable) as caught:
        Warehouse(path).usernames()
    assert str(caught.value) == (
        f"x.duckdb was written by a newer DuckDB than {duckdb.__version__}, which is installed "
        "here: install the newer one, or use another file"
    )
