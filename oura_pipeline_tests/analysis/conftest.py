"""A published copy for the tests of frames and plots."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, SLEEP
from oura_pipeline_tests.analysis.sleeps import ADAS_NAP, ADAS_NIGHTS, long_sleep
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose published copy has three nights of ada, and one of bob."""
    folder = tmp_path_factory.mktemp("analysis")
    database = ViewDatabase(Path(shutil.copy(empty_home / "warehouse.duckdb", folder)))
    database.land(SLEEP, [*ADAS_NIGHTS, ADAS_NAP])
    database.land(SLEEP, [long_sleep("11", "10T23:45")], username="bob")
    database.land(DAILY_ACTIVITY, [], username="eve")
    database.fill("fetches", [{"username": "eve", "document_type": "sleep", "day": "2026-01-10"}])
    database.warehouse.publish(folder / "analytics.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURA_PIPELINE_HOME", str(folder))
        yield folder
