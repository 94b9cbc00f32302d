"""A lake of one test, instead of a DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from oura_pipeline.warehouse.lake.address import ObjectStorage
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.testing.matrix import MATRIX
from oura_pipeline_tests.testing.object_storage import running_object_storage
from oura_pipeline_tests.warehouse.lake.lakes import Lake, copied, in_object_storage, prepared


class NewLake(Protocol):
    """Returns a new lake that keeps what it has of its own in a folder."""

    def __call__(self, folder: Path) -> AbstractContextManager[Lake]: ...


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    """One for all: a second server beside it would not start."""
    with running_object_storage(tmp_path_factory.mktemp("objects")) as storage:
        yield storage


@pytest.fixture(scope="session", params=["folder", *["object storage"] * MATRIX])
def new_lake(
    request: pytest.FixtureRequest, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NewLake]:
    """Lakes of one kind, without documents."""
    folder = tmp_path_factory.mktemp("lakes")
    if request.param == "folder":
        template = prepared(postgres_server, folder)
        yield lambda folder: copied(template, postgres_server, folder)
    else:
        storage = request.getfixturevalue("object_storage")
        yield lambda folder: in_object_storage(storage, postgres_server, folder)


@pytest.fixture
def lake(new_lake: NewLake, tmp_path: Path) -> Iterator[Lake]:
    with new_lake(tmp_path) as lake:
        yield lake


@pytest.fixture
def warehouse(lake: Lake) -> Warehouse:
    return lake.warehouse
