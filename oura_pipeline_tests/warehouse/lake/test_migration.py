"""A warehouse moves into a lake and back, and is the same."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from oura_pipeline.catalog.document_types import HEARTRATE, SLEEP
from oura_pipeline.warehouse.migration import MigrationRefused, migrate
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import Odd, beat, january, land, night
from oura_pipeline_tests.warehouse.lake.lakes import Lake

QUESTIONS = (
    "SELECT * FROM oura.sleep ORDER BY username, id",
    "SELECT * FROM oura.heartrate ORDER BY username, timestamp",
    "SELECT * FROM oura.quarantine ORDER BY username, id",
    "SELECT * FROM oura.offsets ORDER BY ALL",
    "SELECT * FROM oura.unknown_fields ORDER BY ALL",
    "SELECT * FROM bookkeeping.asked_days ORDER BY ALL",
    "SELECT * FROM bookkeeping.observations ORDER BY ALL",
    "SELECT * FROM oura.older",
)


@pytest.fixture
def old(tmp_path: Path) -> Warehouse:
    """A file with rows of two months, of no day, and of a table that no code knows."""
    warehouse = Warehouse(tmp_path / "old" / "warehouse.duckdb", timeout=20)
    odd = [Odd(january(2), "odd"), Odd(None, "of no day")]
    nights = [night(january(day), note='"ä\n') for day in (1, 2)]
    land(warehouse, SLEEP, {"ada": nights}, unusable={"ada": odd})
    land(warehouse, HEARTRATE, {"ada": [beat(january(2), "10:00:00", source="awake")]})
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("CREATE TABLE oura.older AS SELECT 'ada' AS username, 1 AS number")
        connection.execute(
            "INSERT INTO oura.sleep BY NAME SELECT * REPLACE ('bob' AS username, "
            "'2026-02-10'::DATE AS day) FROM oura.sleep LIMIT 1"
        )
    return warehouse


def test_everything_moves_there_and_back(old: Warehouse, lake: Lake, tmp_path: Path) -> None:
    """What was interrupted goes on where it was; rows of another one are not overwritten."""

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    before = [old.query(question) for question in QUESTIONS]
    with pytest.raises(KeyboardInterrupt):
        migrate(old, lake.warehouse, stop)
    told: list[str] = []
    rows = migrate(old, lake.warehouse, told.append)
    assert told[:2] == [
        *("asked_days: 3 rows, 0 of 1 months copied", "observations: 2 rows, 1 of 1 months copied")
    ]
    assert "sleep: 3 rows, 2 of 2 months copied" in told
    assert [lake.warehouse.query(question) for question in QUESTIONS] == before
    back = Warehouse(tmp_path / "back.duckdb", timeout=20)
    assert migrate(lake.warehouse, back, told.append) == rows
    assert [back.query(question) for question in QUESTIONS] == before
    land(lake.warehouse, SLEEP, {"ada": [night(january(1))]}, days=(1, 1))
    with pytest.raises(MigrationRefused, match=r"^oura\.sleep: the new warehouse holds rows"):
        migrate(lake.warehouse, old, told.append)
