"""Ten days of five people in a real Graphite, once for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.tools.dashboards.people_in_graphite import PeopleInGraphite, shown


@pytest.fixture(scope="package")
def graphite_people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleInGraphite]:
    """What the dashboards are tried on; no test writes to it."""
    require_graphite()
    with shown(tmp_path_factory.mktemp("shown") / "data", days=10) as world:
        yield world
