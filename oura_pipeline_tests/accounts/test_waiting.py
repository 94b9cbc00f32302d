"""The days whose points wait: whose turn it is, for how long, and what a landing changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.waiting import WaitingCount
from oura_pipeline.ledger import PersonDay, Push, PushState
from oura_pipeline_tests.accounts.homes import AT

DAYS = [date(2020, 1, n) for n in range(1, 6)]  # far back
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UNSETTLED = (PushState.PENDING, PushState.MISSING, PushState.SENT)


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada and Bob."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    accounts.people.add("bob", SignIn(refresh_token="s"))
    return accounts


def day(number: int, username: str = "ada") -> PersonDay:
    return PersonDay(username=username, document_type="sleep", day=DAYS[number])


def push(number: int, state: PushState, at: datetime = AT) -> Push:
    key = {"username": "ada", "document_type": "sleep", "day": DAYS[number]}
    return Push(**key, points=3, digest="d", state=state, index=b"", at=at)  # type: ignore[arg-type]


def due(accounts: Accounts, now: datetime, *, limit: int = 99, retry: bool = False) -> list[int]:
    found = accounts.waiting.due(now, limit=limit, retry=retry)
    return [DAYS.index(row.day) for row in found]


def test_whoever_noted_days_has_a_minute_and_the_oldest_come_first(accounts: Accounts) -> None:
    """At most as many as were asked for."""
    accounts.waiting.add([day(2)], at=AT)
    accounts.waiting.add([day(4), day(3)], at=AT - MINUTE, own_turn=False)
    assert due(accounts, AT) == [3, 4]
    assert due(accounts, AT + MINUTE) == [3, 4, 2]
    assert due(accounts, AT + MINUTE, limit=1) == [3]


def test_each_attempt_doubles_the_wait_up_to_an_hour(accounts: Accounts) -> None:
    """A run that reaches carbon waits only for what Graphite was sent and lost."""
    accounts.waiting.add([day(0), day(1)], at=AT, own_turn=False)
    waits, now = [], AT
    for _ in range(8):
        accounts.waiting.postpone(accounts.waiting.due(now, limit=99), now)
        wait = next(row.due_at for row in accounts.waiting.due(now + HOUR, limit=1)) - now
        waits.append(int(wait / MINUTE))
        now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    accounts.pushes.record([push(1, PushState.MISSING)])
    assert due(accounts, now - MINUTE) == []
    assert due(accounts, now - MINUTE, retry=True) == [0]
    accounts.pushes.record([push(0, PushState.SENT)])
    assert due(accounts, now - MINUTE, retry=True) == []


def test_what_is_not_delivered_waits_by_itself(accounts: Accounts) -> None:
    """Whoever recorded it, and until it has arrived as it was pushed."""
    states = [PushState.PENDING, PushState.MISSING, PushState.SENT, PushState.DELIVERED]
    accounts.pushes.record([push(number, state) for number, state in enumerate(states)])
    assert due(accounts, AT) == []
    assert due(accounts, AT + MINUTE) == [0, 1]
    accounts.pushes.record_delivered([push(0, PushState.SENT)], AT + HOUR)
    assert due(accounts, AT + HOUR) == [1]
    assert [row.state for row in accounts.pushes.find(states=[PushState.DELIVERED])] == [
        PushState.DELIVERED
    ] * 2


def test_what_lands_during_a_push_waits_for_the_next(accounts: Accounts) -> None:
    """The push had read the documents from before."""
    accounts.waiting.add([day(0), day(1), day(2)], at=AT)
    accounts.pushes.record([push(2, PushState.SENT)])
    began = AT + MINUTE
    accounts.waiting.add([day(1)], at=began + MINUTE)
    days = [DAYS[0], DAYS[4]]
    accounts.waiting.settle("sleep", ["ada"], days, before=began, unsettled=UNSETTLED)
    assert due(accounts, AT + HOUR) == [2, 1]
    accounts.pushes.record_delivered([push(1, PushState.SENT, at=began)], AT + HOUR)
    assert due(accounts, AT + HOUR) == [2, 1]
    accounts.pushes.record([push(1, PushState.PENDING, at=began)])
    pushed = replace(push(1, PushState.SENT), at=began)
    accounts.pushes.record_delivered([pushed], AT + HOUR)
    assert due(accounts, AT + HOUR) == [2, 1], "an older push makes a day no older"


def test_what_was_sent_and_is_not_read_back_yet_is_not_counted(accounts: Accounts) -> None:
    """Nor are people who left; who is gone is not even noted."""
    assert accounts.waiting.count() == WaitingCount(days=0, oldest=None)
    accounts.waiting.add([day(0), day(1), day(2, "bob"), day(3, "nobody")], at=AT)
    accounts.pushes.record([push(1, PushState.SENT)])
    assert accounts.waiting.count() == WaitingCount(days=2, oldest=AT)
    accounts.removal.retire("bob")
    assert accounts.waiting.count() == WaitingCount(days=1, oldest=AT)
    accounts.pushes.record([push(0, PushState.MISSING)])
    assert accounts.waiting.count() == WaitingCount(days=1, oldest=AT, lost=1)
    accounts.pushes.forget("sleep", "ada", [DAYS[0]])
    assert accounts.waiting.count() == WaitingCount(days=0, oldest=None)
    assert due(accounts, AT + HOUR) == [1]
