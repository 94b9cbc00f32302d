"""The ledger of pushes and what was withdrawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from oura_pipeline.accounts.errors import UnknownPerson
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
def people(accounts: Accounts) -> Accounts:
    """Ada and Bob."""
    accounts.add("ada", refresh_token="r")
    accounts.add("bob", refresh_token="s")
    return accounts


def test_the_accounts_are_a_push_ledger(accounts: Accounts) -> None:
    ledger: PushLedger = accounts
    ledger.record_pushes([])
    ledger.record_withdrawn([])
    assert ledger.pushes("sleep") == []


def test_a_push_comes_back_as_it_was_written_and_a_newer_one_replaces_it(
    people: Accounts,
) -> None:
    first = _push(state=PENDING)
    people.record_pushes([first])
    assert people.pushes("sleep") == [first]
    second = _push(state=DELIVERED, points=0, digest="", index=b"", at=AT + timedelta(hours=1))
    people.record_pushes([first, second])
    assert people.pushes("sleep") == [second]


def test_pushes_are_found_by_what_is_asked_for(people: Accounts) -> None:
    rows = [
        _push(name, document_type=kind, day=day, state=state)
        for kind, state in (("heartrate", PENDING), ("sleep", DELIVERED))
        for name in ("ada", "bob")
        for day in (DAY, DAY + timedelta(1))
    ]
    people.record_pushes(rows[::-1])
    assert people.pushes() == rows
    assert people.pushes("sleep") == rows[4:]
    assert people.pushes("sleep", usernames=["bob"], first_day=DAY + timedelta(1)) == rows[7:]
    assert people.pushes("sleep", last_day=DAY) == [rows[4], rows[6]]
    assert people.pushes("sleep", states=[PENDING, SENT]) == []
    assert people.pushes("heartrate", states=[PENDING]) == rows[:4]


def test_rows_of_nobody_are_refused_and_none_is_written(people: Accounts) -> None:
    with pytest.raises(UnknownPerson):
        people.record_pushes([_push("ada"), _push("eve")])
    with pytest.raises(UnknownPerson):
        people.record_withdrawn([_withdrawn("ada"), _withdrawn("eve")])
    assert (people.pushes(), people.withdrawn()) == ([], [])


def test_withdrawn_points_add_up(people: Accounts) -> None:
    """Graphite has the earlier ones still."""
    later = AT + timedelta(days=1)
    people.record_withdrawn([_withdrawn(times=(20, 10))])
    people.record_withdrawn([_withdrawn(times=(30, 20), at=later)])
    assert people.withdrawn() == [_withdrawn(times=(10, 20, 30), at=later)]


def test_withdrawn_points_are_found_by_what_is_asked_for(people: Accounts) -> None:
    ada, bob = _withdrawn(), _withdrawn("bob", document_type="workout")
    other_day = replace(ada, day=DAY + timedelta(1))
    other_metric = replace(ada, metric="bio.ada.sleep.total")
    people.record_withdrawn([bob, other_day, other_metric, ada])
    assert people.withdrawn() == [ada, other_metric, other_day, bob]
    assert people.withdrawn("workout") == [bob]
    assert people.withdrawn(usernames=["ada"], last_day=DAY) == [ada, other_metric]
    assert people.withdrawn(first_day=DAY + timedelta(1)) == [other_day]
