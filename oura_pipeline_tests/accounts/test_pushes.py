"""The ledger of pushes and what was withdrawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import Push, PushLedger, PushState, Withdrawn
from oura_pipeline_tests.accounts.homes import AT

DAY = date(2026, 1, 1)
PENDING, SENT, DELIVERED = PushState.PENDING, PushState.SENT, PushState.DELIVERED


def _push(username: str = "ada", **changes: Any) -> Push:
    row = {
        "document_type": "sleep",
        "day": DAY,
        "points": 3,
        "digest": "d1",
        "state": SENT,
        "index": b"\x00\xff packed",
        "at": AT,
    }
    return Push(username=username, **row | changes)


def _withdrawn(username: str = "ada", **changes: Any) -> Withdrawn:
    row = {
        "document_type": "sleep",
        "day": DAY,
        "metric": f"bio.{username}.sleep.score",
        "times": (1767225600,),
        "at": AT,
    }
    return Withdrawn(username=username, **row | changes)


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada and Bob."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    accounts.people.add("bob", SignIn(refresh_token="s"))
    return accounts


def test_the_store_is_a_push_ledger(accounts: Accounts) -> None:
    ledger: PushLedger = accounts.pushes
    ledger.record([])
    ledger.record_withdrawn([])
    assert ledger.find("sleep") == []


def test_a_push_comes_back_as_it_was_written_and_a_newer_one_replaces_it(
    accounts: Accounts,
) -> None:
    first = _push(state=PENDING)
    accounts.pushes.record([first])
    assert accounts.pushes.find("sleep") == [first]
    second = _push(state=DELIVERED, points=0, digest="", index=b"", at=AT + timedelta(hours=1))
    accounts.pushes.record([first, second])
    assert accounts.pushes.find("sleep") == [second]


def test_pushes_are_found_by_what_is_asked_for(accounts: Accounts) -> None:
    rows = [
        _push(name, document_type=kind, day=day, state=state)
        for kind, state in (("heartrate", PENDING), ("sleep", DELIVERED))
        for name in ("ada", "bob")
        for day in (DAY, DAY + timedelta(1))
    ]
    accounts.pushes.record(rows[::-1])
    assert accounts.pushes.find() == rows
    assert accounts.pushes.find("sleep") == rows[4:]
    assert (
        accounts.pushes.find("sleep", usernames=["bob"], first_day=DAY + timedelta(1)) == rows[7:]
    )
    assert accounts.pushes.find("sleep", last_day=DAY) == [rows[4], rows[6]]
    assert accounts.pushes.find("sleep", states=[PENDING, SENT]) == []
    assert accounts.pushes.find("heartrate", states=[PENDING]) == rows[:4]


def test_rows_of_who_has_left_are_not_written(accounts: Accounts) -> None:
    """Nor of nobody; whoever wrote them is told whose they were."""
    accounts.removal.retire("bob")
    ada, withdrawn = _push("ada"), _withdrawn("ada")
    assert accounts.pushes.record([ada, _push("eve"), _push("bob")]) == {"bob", "eve"}
    accounts.pushes.record_withdrawn([withdrawn, _withdrawn("eve"), _withdrawn("bob")])
    assert (accounts.pushes.find(), accounts.pushes.withdrawn()) == ([ada], [withdrawn])


def test_withdrawn_points_add_up(accounts: Accounts) -> None:
    """Graphite has the earlier ones still."""
    later = AT + timedelta(days=1)
    accounts.pushes.record_withdrawn([_withdrawn(times=(20, 10))])
    accounts.pushes.record_withdrawn([_withdrawn(times=(30, 20), at=later)])
    assert accounts.pushes.withdrawn() == [_withdrawn(times=(10, 20, 30), at=later)]


def test_withdrawn_points_are_found_by_what_is_asked_for(accounts: Accounts) -> None:
    ada, bob = _withdrawn(), _withdrawn("bob", document_type="workout")
    other_day = replace(ada, day=DAY + timedelta(1))
    other_metric = replace(ada, metric="bio.ada.sleep.total")
    accounts.pushes.record_withdrawn([bob, other_day, other_metric, ada])
    assert accounts.pushes.withdrawn() == [ada, other_metric, other_day, bob]
    assert accounts.pushes.withdrawn("workout") == [bob]
    assert accounts.pushes.withdrawn(usernames=["ada"], last_day=DAY) == [ada, other_metric]
    assert accounts.pushes.withdrawn(first_day=DAY + timedelta(1)) == [other_day]


def test_a_source_is_recorded_where_the_points_are_still_those(accounts: Accounts) -> None:
    """A push may have changed them meanwhile; nothing else of the row changes."""
    rows = [_push(), _push("bob", state=DELIVERED)]
    accounts.pushes.record(rows)
    accounts.pushes.record_sources(
        [replace(rows[0], source="new", digest="other"), replace(rows[1], source="new", points=9)]
    )
    assert accounts.pushes.find("sleep") == [rows[0], replace(rows[1], source="new")]
