"""Numbers that cannot be true are counted; those that Oura writes for null are not."""

from __future__ import annotations

from pathlib import Path

from oura_pipeline.catalog.document_types import DAILY_SPO2, SLEEP
from oura_pipeline.warehouse.drift.checks import out_of_range
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import january, land, night, raw_document


def test_numbers_for_null_are_not_out_of_range(tmp_path: Path) -> None:
    """A pulse of 0 means null, one of 3 was misread."""
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", timeout=20)
    nights = [
        night(january(day), lowest_heart_rate=pulse, average_breath=0.0, average_heart_rate=300.5)
        for day, pulse in ((1, 0), (2, 3), (3, 255))
    ]
    land(warehouse, SLEEP, {"ada": nights})
    days = [january(1), january(3)]
    assert out_of_range(warehouse, SLEEP, ["ada"], days) == {
        "lowest_heart_rate": 1,
        "average_heart_rate": 3,
    }
    empty = [
        raw_document(january(1), day="2026-01-01", id="a", spo2_percentage={"average": 0}),
        raw_document(january(2), day="2026-01-02", id="b", spo2_percentage={"average": -1}),
    ]
    land(warehouse, DAILY_SPO2, {"ada": empty})
    assert out_of_range(warehouse, DAILY_SPO2, ["ada"], days) == {"spo2_percentage.average": 1}
