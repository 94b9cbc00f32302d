"""A database of one test, and an empty one that nobody changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline_tests.warehouse.views.equal_days import fill
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied


@pytest.fixture(scope="session")
def empty_database(empty_home: Path) -> ViewDatabase:
    return ViewDatabase(empty_home / "warehouse.duckdb")


@pytest.fixture(scope="session")
def equal_days(
    empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> ViewDatabase:
    """Ada and ben, whose documents are as they should be; to be copied."""
    with copied(empty_database, tmp_path_factory.mktemp("equal")) as database:
        fill(database)
    return database


@pytest.fixture
def database(empty_database: ViewDatabase, tmp_path: Path) -> Iterator[ViewDatabase]:
    with copied(empty_database, tmp_path) as database:
        yield database
