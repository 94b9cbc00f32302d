"""A lake of one test, instead of a DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.lake.lakes import Lake, copied, prepared


@pytest.fixture(scope="session")
def prepared_lake(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake without documents; it takes seconds to make."""
    return prepared(postgres_server, tmp_path_factory.mktemp("lake"))


@pytest.fixture
def lake(prepared_lake: Lake, postgres_server: str, tmp_path: Path) -> Iterator[Lake]:
    with copied(prepared_lake, postgres_server, tmp_path) as lake:
        yield lake


@pytest.fixture
def warehouse(lake: Lake) -> Warehouse:
    return lake.warehouse
