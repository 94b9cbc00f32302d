"""Whoever leaves a lake leaves no byte in it, neither in its files nor in its catalog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from oura_pipeline.catalog.document_types import HEARTRATE, SLEEP
from oura_pipeline.warehouse.lake import attaching
from oura_pipeline_tests.warehouse.documents import Odd, beat, january, land, night
from oura_pipeline_tests.warehouse.lake.conftest import NewLake
from oura_pipeline_tests.warehouse.lake.lakes import Lake

ADA, BOB = "ada-lovelace", "bob"
SAYS = "zymurgy"  # in a text of ada's only
WRONG = "cryptic"  # in a document of hers that cannot be landed


@pytest.fixture(scope="module")
def filled(new_lake: NewLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Two people in the same files, of whom one's documents were rewritten once."""
    with new_lake(tmp_path_factory.mktemp("filled")) as lake:
        warehouse, odd = lake.warehouse, Odd(january(2), "odd", f'{{"{WRONG}": 1}}'.encode())
        people = {ADA: [night(january(1), note=SAYS)], BOB: [night(january(1), note="quotidian")]}
        land(warehouse, SLEEP, people, unusable={ADA: [odd]})
        land(warehouse, SLEEP, {ADA: [night(january(1), note=f"{SAYS} again")]}, days=(1, 1))
        land(warehouse, HEARTRATE, {name: [beat(january(2), "10:00:00")] for name in people})
        yield lake


def found(lake: Lake, *texts: str) -> list[tuple[str, str]]:
    """Which of the texts stand in the catalog, or in which kind of file."""
    return [
        (name, text)
        for name, content in lake.contents()
        for text in texts
        if text.encode() in content
    ]


def folder_of(file: str) -> str:
    return file.rpartition("/")[0]


def test_the_catalog_never_knows_what_documents_say(filled: Lake) -> None:
    """Of columns it knows days and the times of rows, and no other least and greatest value."""
    assert {name for name, _ in found(filled, ADA, BOB, SAYS, WRONG, "quotidian")} == {
        *("asked_days", "heartrate", "observations", "offsets", "quarantine", "sleep")
    }
    kept = filled.catalog(
        "SELECT DISTINCT c.column_name FROM ducklake_file_column_stats s JOIN ducklake_column c "
        "USING (table_id, column_id) WHERE s.min_value IS NOT NULL ORDER BY c.column_name"
    )
    assert kept == [("day",), ("timestamp",)]


def test_maintenance_keeps_every_row_in_fewer_files(filled: Lake) -> None:
    """What was deleted of a file goes, files become one, snapshots end, and old files go."""
    warehouse = filled.warehouse
    before = [warehouse.documents(SLEEP, name, january(1), january(9)) for name in (ADA, BOB)]
    files, now = len(filled.files()), datetime.now(UTC)
    assert (warehouse.rewrite(0.6).read, warehouse.rewrite(0.4).read) == (0, 2)
    assert warehouse.merge().read > warehouse.merge().read == 0
    yesterday = now - timedelta(days=1)
    assert (warehouse.expire(yesterday), warehouse.clean_up(yesterday)) == (0, 0)
    assert warehouse.expire(now + timedelta(days=1)) > 0
    assert warehouse.clean_up(now + timedelta(days=1)) > 0
    assert len(filled.files()) == len({*map(folder_of, filled.files())}) < files
    assert before == [
        warehouse.documents(SLEEP, name, january(1), january(9)) for name in (ADA, BOB)
    ]


def test_no_byte_stays_in_files_or_catalog(filled: Lake) -> None:
    """Neither of what stood, nor of what was set aside or left by a killed writer."""
    left = f"{folder_of(filled.files()[0])}/ducklake-left.parquet"
    with attaching.cursor() as connection:
        connection.execute(f"COPY (SELECT '{ADA}' AS username) TO '{left}'")
    assert filled.warehouse.forget(ADA) == 2
    assert found(filled, ADA, SAYS, WRONG) == []
    assert filled.warehouse.usernames() == [BOB]
    assert filled.warehouse.rows_of(BOB) == {"heartrate": 1, "sleep": 1}
    assert filled.warehouse.quarantined() == []
