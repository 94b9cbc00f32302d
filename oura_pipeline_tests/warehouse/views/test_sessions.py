"""A view has the same rows in every session, whatever somebody has set in theirs."""

from __future__ import annotations

import pytest

from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.warehouse.views.sessions import SESSIONS, Digests, digests
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

NAMES = [view.name for view in VIEWS]


@pytest.fixture(scope="module")
def usual(equal_days: ViewDatabase) -> Digests:
    """What the views have of a file in which the order of rows, texts and nulls matters."""
    return digests(equal_days.warehouse.path, NAMES)


@pytest.fixture(scope="module")
def set_otherwise(equal_days: ViewDatabase) -> list[Digests]:
    """The same with all settings of a session at once."""
    return [digests(equal_days.warehouse.path, NAMES, session) for session in SESSIONS]


@pytest.mark.parametrize("view", NAMES)
def test_no_setting_changes_a_row(
    equal_days: ViewDatabase, usual: Digests, set_otherwise: list[Digests], view: str
) -> None:
    """Neither order, nulls, zone, calendar, collation, division nor threads."""
    rows, _ = usual[view]
    assert rows > 0
    # Which one it is shows if one changes anything.
    if any(found[view] != usual[view] for found in set_otherwise):
        path, alone = equal_days.warehouse.path, [one for session in SESSIONS for one in session]
        changing = [one for one in alone if digests(path, [view], [one])[view] != usual[view]]
        assert changing == []
        pytest.fail("several settings together change it")
