"""What is written about a day of a person and a type leaves every other row as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import FetchStatus, PersonDay, Push, PushState
from oura_pipeline_tests.accounts.homes import AT, fetch, incoming

DAYS = [date(2026, 1, number) for number in (1, 2, 3, 4)]
HOUR = timedelta(hours=1)
# In the order in which rows are found.
KEYS = [
    {"document_type": name, "username": username, "day": day}
    for name in ("sleep", "workout")
    for username in ("ada", "bob")
    for day in DAYS
]


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada and Bob."""
    for username in ("ada", "bob"):
        accounts.people.add(username, SignIn(refresh_token=f"of {username}"))
    return accounts


def push(**changes: Any) -> Push:
    row = {"points": 3, "digest": "d", "state": PushState.SENT, "index": b"", "at": AT}
    return Push(**row | changes)


def waiting_days(accounts: Accounts) -> list[PersonDay]:
    """Return the days that wait, in the order of `KEYS`."""
    found = accounts.waiting.due(AT + 9 * HOUR, limit=99)
    return sorted(
        (
            PersonDay(username=row.username, document_type=row.document_type, day=row.day)
            for row in found
        ),
        key=lambda row: (row.document_type, row.username, row.day),
    )


def test_a_correction_is_of_one_day(accounts: Accounts) -> None:
    rows = [fetch(**key) for key in KEYS]
    accounts.fetches.record(rows)
    accounts.fetches.correct("sleep", {("ada", DAYS[1]): (FetchStatus.EMPTY, 0, 2)})
    accounts.fetches.correct("sleep", {})
    corrected = replace(rows[1], status=FetchStatus.EMPTY, documents=0, changed=2)
    assert accounts.fetches.find() == [rows[0], corrected, *rows[2:]]
    accounts.fetches.correct("sleep", {("ada", DAYS[1]): (FetchStatus.LANDED, 2, 1)})
    assert accounts.fetches.find() == rows


@pytest.mark.parametrize("status", [FetchStatus.FAILED, FetchStatus.NOT_GRANTED])
def test_a_day_without_an_answer_is_not_corrected(accounts: Accounts, status: FetchStatus) -> None:
    accounts.fetches.record([fetch(status=status)])
    before = accounts.fetches.find()
    accounts.fetches.correct("sleep", {("ada", DAYS[0]): (FetchStatus.LANDED, 1, 1)})
    assert accounts.fetches.find() == before


def test_the_gaps_of_everybody_are_found(accounts: Accounts) -> None:
    """Of some there are none, of others several."""
    there = {("ada", "sleep"): (0, 1, 2), ("ada", "workout"): (0, 3), ("bob", "sleep"): (0, 2)}
    accounts.fetches.record(
        [
            fetch(username, document_type=name, day=DAYS[number])
            for (username, name), numbers in there.items()
            for number in numbers
        ]
    )
    assert sorted(accounts.fetches.missing()) == [
        ("ada", "workout", DAYS[1]),
        ("ada", "workout", DAYS[2]),
        ("bob", "sleep", DAYS[1]),
    ]


def test_days_that_will_not_be_pushed_are_forgotten(accounts: Accounts) -> None:
    rows = [push(**key, state=PushState.PENDING) for key in KEYS]
    accounts.pushes.record(rows)
    accounts.pushes.forget("sleep", "ada", DAYS[:2])
    assert accounts.pushes.find() == rows[2:]
    assert waiting_days(accounts) == [PersonDay(**key) for key in KEYS[2:]]


def test_a_day_is_delivered_when_it_was_read_back(accounts: Accounts) -> None:
    row = push(**KEYS[0])
    accounts.pushes.record([row])
    accounts.pushes.record_delivered([row], AT + HOUR)
    assert accounts.pushes.find() == [replace(row, state=PushState.DELIVERED, at=AT + HOUR)]


def test_one_day_waits_longer(accounts: Accounts) -> None:
    accounts.waiting.add([PersonDay(**key) for key in KEYS], at=AT, own_turn=False)
    rows = accounts.waiting.due(AT, limit=99)
    accounts.waiting.postpone(rows[:1], AT)
    assert accounts.waiting.due(AT, limit=99) == rows[1:]


def test_days_that_were_pushed_wait_no_more(accounts: Accounts) -> None:
    """Those of this push, up to its last day, and not those that are on their way."""
    days = [PersonDay(**key) for key in KEYS]
    accounts.waiting.add(days, at=AT, own_turn=False)
    accounts.pushes.record([push(**KEYS[1], state=PushState.SENT)])
    accounts.pushes.record([push(**KEYS[2], state=PushState.DELIVERED)])
    accounts.waiting.settle(
        "sleep", ["ada"], DAYS[:3], before=AT, unsettled=[PushState.PENDING, PushState.SENT]
    )
    assert waiting_days(accounts) == [days[1], *days[3:]]


def test_what_cannot_be_read_back_is_not_sent_again_before_its_turn(accounts: Accounts) -> None:
    """What has arrived, and landed anew since then, is."""
    accounts.waiting.add([PersonDay(**key) for key in KEYS[:3]], at=AT, own_turn=True)
    states = (PushState.MISSING, PushState.DELIVERED)
    accounts.pushes.record(
        [push(**key, state=state) for key, state in zip(KEYS, states, strict=False)]
    )
    now = AT + timedelta(seconds=1)
    assert accounts.waiting.due(now, limit=99) == []
    assert [row.day for row in accounts.waiting.due(now, limit=99, retry=True)] == DAYS[1:3]


def test_the_first_day_of_a_history_is_that_of_one_person(accounts: Accounts) -> None:
    accounts.people.set_first_day(["ada"], DAYS[0])
    assert [person.first_day for person in accounts.people.all()] == [DAYS[0], None]
    accounts.people.set_first_day(["ada"], None)
    assert [person.first_day for person in accounts.people.all()] == [None, None]


def test_the_first_day_with_documents_is_that_of_one_person(accounts: Accounts) -> None:
    assert accounts.overview.first_landed("ada") is None
    accounts.fetches.record(
        [
            fetch("bob", day=DAYS[0]),
            fetch("ada", day=DAYS[1], status=FetchStatus.EMPTY, documents=0),
            fetch("ada", day=DAYS[2], documents=1),
            fetch("ada", day=DAYS[3]),
        ]
    )
    assert accounts.overview.first_landed("ada") == DAYS[2]
    statuses = {FetchStatus.LANDED: 3, FetchStatus.EMPTY: 1}
    assert accounts.overview.statuses() == dict.fromkeys(FetchStatus, 0) | statuses


def test_refusals_are_forgotten_by_what_their_owner_granted(accounts: Accounts) -> None:
    for username, scope in (("ada", "daily"), ("bob", "workout")):
        accounts.people.reconnect(username, SignIn(refresh_token="s", scopes=[scope]))
    rows = [
        fetch(username, document_type=name, status=FetchStatus.NOT_GRANTED)
        for name in ("daily_sleep", "workout")
        for username in ("ada", "bob")
    ]
    accounts.fetches.record(rows)
    before = accounts.fetches.find()
    assert accounts.fetches.forget_not_granted("bob") == 1
    assert accounts.fetches.find() == before[:3]


def test_who_leaves_takes_along_what_is_theirs(accounts: Accounts) -> None:
    """Consents that were begun for them, a new sign-up, events; nobody else's."""
    keys = {}
    for username in ("ada", "bob"):
        oura_id = f"id-{username}"
        accounts.people.identify(username, oura_id)
        accounts.consents.begin(username, verifier="v", browser="b", username=username)
        sign_in = SignIn(refresh_token="s", oura_id=oura_id)
        keys[username] = accounts.sign_ups.begin(sign_in, invite=None)
        accounts.inbox.receive([incoming(username.encode(), oura_id)])
    accounts.removal.delete("ada")
    assert [accounts.consents.take(username) is None for username in keys] == [True, False]
    assert [accounts.sign_ups.get(key) is None for key in keys.values()] == [True, False]
    assert [event.oura_id for event in accounts.inbox.waiting()] == ["id-bob"]
