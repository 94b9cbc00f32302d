"""A view has the same rows in every session, whatever somebody has set in theirs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.warehouse.views.equal_days import fill
from oura_pipeline_tests.warehouse.views.sessions import SESSIONS, digests
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


@pytest.fixture(scope="module")
def filled(empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which the order of rows, texts and nulls matters."""
    path = Path(shutil.copy(empty_database.warehouse.path, tmp_path_factory.mktemp("sessions")))
    fill(ViewDatabase(path))
    return path


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_no_setting_changes_a_row(filled: Path, view: str) -> None:
    """Neither order, nulls, zone, calendar, collation, division nor threads."""
    usual = digests(filled, [view])
    assert usual[view][0] > 0
    # All settings of a session at once; which one it is shows if one changes anything.
    if any(digests(filled, [view], session) != usual for session in SESSIONS):
        alone = [one for session in SESSIONS for one in session]
        assert [one for one in alone if digests(filled, [view], [one]) != usual] == []
        pytest.fail("several settings together change it")
