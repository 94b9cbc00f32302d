"""A desk of one test, and an empty one that nobody changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oura_pipeline_tests.warehouse.views.asking import Desk, make_empty


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    path = tmp_path_factory.mktemp("views") / "warehouse.duckdb"
    make_empty(path)
    return Desk(path)


@pytest.fixture
def desk(empty: Desk, tmp_path: Path) -> Desk:
    return Desk(Path(shutil.copy(empty.warehouse.path, tmp_path)))
