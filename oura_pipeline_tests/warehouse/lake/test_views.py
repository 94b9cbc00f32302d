"""Every view has the same rows in a lake as in a DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oura_pipeline.warehouse.lake import attaching
from oura_pipeline.warehouse.migration import migrate
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.warehouse.lake.conftest import NewLake
from oura_pipeline_tests.warehouse.views.conftest import empty_database, equal_days
from oura_pipeline_tests.warehouse.views.sessions import Digests, digest_of, digests
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

__all__ = ["empty_database", "equal_days"]
NAMES = [view.name for view in VIEWS]


@pytest.fixture(scope="module")
def in_a_file(equal_days: ViewDatabase) -> Digests:
    return digests(equal_days.warehouse.path, NAMES)


@pytest.fixture(scope="module")
def in_a_lake(
    equal_days: ViewDatabase, new_lake: NewLake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Digests]:
    """The same documents, moved into a lake whose views know the fields of the documents."""
    with new_lake(tmp_path_factory.mktemp("lake")) as lake:
        migrate(equal_days.warehouse, lake.warehouse, lambda line: None)
        lake.warehouse._lake.repeated(
            lambda connection: connection.execute("DELETE FROM bookkeeping.views_digest")
        )
        assert lake.warehouse.prepare()
        name = attaching.attach(lake.address)
        with attaching.cursor() as connection:
            yield {view: digest_of(connection, f"{name}.oura.{view}") for view in NAMES}


@pytest.mark.parametrize("view", NAMES)
def test_a_view_of_a_lake_has_the_rows_of_one_of_a_file(
    in_a_file: Digests, in_a_lake: Digests, view: str
) -> None:
    assert in_a_lake[view] == in_a_file[view]
    assert in_a_file[view][0] > 0
