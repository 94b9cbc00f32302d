"""Warehouses of one test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy that has the ledgers: they take longer than landing a few documents."""
    path = tmp_path_factory.mktemp("begun") / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        ensure_ledgers(connection)
    return path


@pytest.fixture
def new_warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse that has no file yet."""
    return Warehouse(tmp_path / "new" / "warehouse.duckdb", timeout=20)


@pytest.fixture
def warehouse(begun: Path, tmp_path: Path) -> Warehouse:
    """A warehouse without documents."""
    return Warehouse(Path(shutil.copy(begun, tmp_path)), timeout=20)


@pytest.fixture
def kept_open(warehouse: Warehouse) -> Iterator[None]:
    """Keep it open, as a run does: opening and closing take as long as landing a few documents."""
    with warehouse.kept_open():
        yield
