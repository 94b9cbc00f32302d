"""A warehouse of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb", timeout=20)


@pytest.fixture
def kept_open(warehouse: Warehouse) -> Iterator[None]:
    """Keep it open, as a run does: opening and closing take as long as landing a few documents."""
    with warehouse.kept_open():
        yield
