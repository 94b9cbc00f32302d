"""A database of one test, and an empty one that nobody changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, create_empty_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> ViewDatabase:
    path = tmp_path_factory.mktemp("views") / "warehouse.duckdb"
    create_empty_database(path)
    return ViewDatabase(path)


@pytest.fixture
def database(empty_database: ViewDatabase, tmp_path: Path) -> ViewDatabase:
    return ViewDatabase(Path(shutil.copy(empty_database.warehouse.path, tmp_path)))
