"""Subscriptions and the inbox."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.accounts.inbox import Backlog, Event, EventCount, Receipt
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline_tests.accounts.homes import alone, at_once, incoming, opened

KEPT, REPEATED = Receipt.KEPT, Receipt.REPEATED
UNKNOWN_PERSON, UNKNOWN_TYPE = Receipt.UNKNOWN_PERSON, Receipt.UNKNOWN_TYPE


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada, Bob who has disconnected and Cyd who has left."""
    for name in ("ada", "bob", "cyd"):
        accounts.people.add(name, SignIn(refresh_token="r", oura_id=f"id-{name}"))
    accounts.removal.disconnect("bob")
    accounts.removal.retire("cyd")
    return accounts


def _subscription(identifier: str, data_type: str, event_type: str = "create") -> Subscription:
    return Subscription(
        id=identifier,
        data_type=data_type,
        event_type=event_type,
        callback_url="https://example.com/webhook",
        expires_at=datetime(2026, 4, 1, tzinfo=UTC),
    )


def _bodies(accounts: Accounts) -> list[bytes]:
    return [event.body for event in accounts.inbox.waiting()]


def test_subscriptions_are_what_oura_has_now(accounts: Accounts) -> None:
    sleep, tag = _subscription("1", "sleep"), _subscription("2", "tag")
    accounts.subscriptions.replace([tag, sleep])
    assert accounts.subscriptions.all() == [sleep, tag]
    accounts.subscriptions.replace([sleep])
    assert accounts.subscriptions.all() == [sleep]
    accounts.subscriptions.replace([])
    assert accounts.subscriptions.all() == []


def test_events_wait_as_they_were_received_until_they_are_finished(accounts: Accounts) -> None:
    before = datetime.now(UTC)
    assert accounts.inbox.receive([incoming(b'{"a":1}'), incoming(b"\xff", "id-bob")]) == [KEPT] * 2
    waiting = accounts.inbox.waiting()
    at = waiting[0].received_at
    common = {"received_at": at, "attempts": 0, "next_at": at}
    assert waiting == [
        Event(id=1, oura_id="id-ada", body=b'{"a":1}', **common),
        Event(id=2, oura_id="id-bob", body=b"\xff", **common),
    ]
    assert before <= at <= datetime.now(UTC)
    assert accounts.inbox.waiting(limit=1) == waiting[:1]
    accounts.inbox.finish([1])
    assert accounts.inbox.waiting() == waiting[1:]
    assert repr(waiting[0]) == f"Event(id=1, received_at={at}, attempts=0)"


def test_a_batch_is_answered_event_by_event(accounts: Accounts) -> None:
    """What is kept are the new events of people who are here, in their order."""
    accounts.inbox.receive([incoming(b"old")])
    strange = {"data_type": "aura", "known_type": False}
    batch = [
        (incoming(b"z"), KEPT),
        (incoming(b"old"), REPEATED),
        (incoming(b"of nobody", "id-eve"), UNKNOWN_PERSON),
        (incoming(b"of somebody", None), UNKNOWN_PERSON),
        (incoming(b"of whoever has left", "id-cyd"), UNKNOWN_PERSON),
        (incoming(b"strange", **strange), UNKNOWN_TYPE),
        (incoming(b"strange and of nobody", "id-eve", **strange), UNKNOWN_PERSON),
        (incoming(b"z"), REPEATED),
        (incoming(b"a", "id-bob"), KEPT),
    ]
    assert accounts.inbox.receive([event for event, _ in batch]) == [was for _, was in batch]
    assert _bodies(accounts) == [b"old", b"z", b"a"]
    assert accounts.inbox.receive([]) == []


def test_a_body_that_was_finished_is_a_repetition_until_it_is_forgotten(accounts: Accounts) -> None:
    accounts.inbox.receive([incoming(b"e")])
    accounts.inbox.finish([1])
    assert accounts.inbox.receive([incoming(b"e")]) == [REPEATED]
    accounts.inbox.forget(datetime.now(UTC) + timedelta(hours=1))
    assert accounts.inbox.receive([incoming(b"e")]) == [KEPT]


def test_every_event_is_counted_by_what_became_of_it(accounts: Accounts) -> None:
    """Also over several batches."""
    before = datetime.now(UTC)
    tag = {"data_type": "tag"}
    accounts.inbox.receive([incoming(b"1"), incoming(b"1"), incoming(b"2", "id-eve", **tag)])
    accounts.inbox.receive([incoming(b"1"), incoming(b"3"), incoming(b"4", **tag)])
    counted = accounts.inbox.counts()
    assert counted == [
        EventCount(receipt=KEPT, data_type="sleep", count=2, last_at=counted[0].last_at),
        EventCount(receipt=KEPT, data_type="tag", count=1, last_at=counted[0].last_at),
        EventCount(receipt=REPEATED, data_type="sleep", count=2, last_at=counted[0].last_at),
        EventCount(receipt=UNKNOWN_PERSON, data_type="tag", count=1, last_at=counted[3].last_at),
    ]
    assert before <= counted[3].last_at < counted[0].last_at <= datetime.now(UTC)


def test_a_postponed_event_is_due_later(accounts: Accounts) -> None:
    accounts.inbox.receive([incoming(b"1"), incoming(b"2"), incoming(b"3")])
    now = datetime.now(UTC)
    later = now + timedelta(hours=1)
    accounts.inbox.finish([3])
    accounts.inbox.postpone([1, 3], later)
    accounts.inbox.postpone([1], later)
    assert [(event.id, event.attempts) for event in accounts.inbox.waiting()] == [(1, 2), (2, 0)]
    assert [event.id for event in accounts.inbox.waiting(due=now)] == [2]
    assert [event.id for event in accounts.inbox.waiting(due=later)] == [1, 2]
    assert accounts.inbox.waiting()[0].next_at == later


def test_the_backlog_is_what_is_not_finished(accounts: Accounts) -> None:
    assert accounts.inbox.backlog() == Backlog(waiting=0, oldest=None)
    accounts.inbox.receive([incoming(b"1")])
    accounts.inbox.receive([incoming(b"2"), incoming(b"3")])
    accounts.inbox.finish([1])
    oldest = accounts.inbox.waiting()[0].received_at
    assert accounts.inbox.backlog() == Backlog(waiting=2, oldest=oldest)


def test_an_event_is_finished_when_it_was_first(accounts: Accounts) -> None:
    """Or it would be kept for longer."""
    accounts.inbox.receive([incoming(b"1")])
    accounts.inbox.finish([1])
    at = datetime.now(UTC)
    accounts.inbox.finish([1])
    assert accounts.inbox.forget(at) == 1


def test_of_strangers_nothing_is_kept(accounts: Accounts) -> None:
    assert accounts.inbox.receive([]) == []
    receipts = accounts.inbox.receive([incoming(b"1", "id-of-nobody")])
    assert (KEPT in receipts, accounts.inbox.waiting()) == (False, [])


def test_every_event_has_its_size(accounts: Accounts) -> None:
    """In bytes; finished ones take room as well."""
    assert accounts.inbox.size() == 0
    accounts.inbox.receive([incoming(b"123"), incoming(b"\xff\xff")])
    accounts.inbox.finish([1])
    assert accounts.inbox.size() == 5


def test_only_old_events_that_are_finished_are_forgotten(accounts: Accounts) -> None:
    accounts.inbox.receive([incoming(b"1"), incoming(b"2"), incoming(b"3")])
    accounts.inbox.finish([1, 2])
    now = datetime.now(UTC)
    assert accounts.inbox.forget(now - timedelta(hours=1)) == 0
    assert accounts.inbox.forget(now + timedelta(hours=1)) == 2
    assert [event.id for event in accounts.inbox.waiting()] == [3]


def test_the_number_of_an_event_is_never_used_again(accounts: Accounts) -> None:
    accounts.inbox.receive([incoming(b"1")])
    accounts.inbox.finish([1])
    accounts.inbox.forget(datetime.now(UTC) + timedelta(hours=1))
    accounts.inbox.receive([incoming(b"2")])
    assert [event.id for event in accounts.inbox.waiting()] == [2]


def test_no_incoming_event_shows_whose_it_is(accounts: Accounts) -> None:
    assert "secret" not in repr(incoming(b"secret", "secret"))


def _receive_and_die(home: Path) -> None:
    opened(home).inbox.receive([incoming(b"1"), incoming(b"2")])
    os._exit(0)


def test_what_was_kept_outlives_the_receiver(accounts: Accounts, home: Path) -> None:
    """The process dies right after the answer, without closing anything."""
    assert alone(_receive_and_die, home) == 0
    assert _bodies(accounts) == [b"1", b"2"]


def _receive(home: Path, number: int) -> list[Receipt]:
    bodies = [b"%d" % turn for turn in range(200)]
    with opened(home) as accounts:
        return [
            receipt
            for turn in range(0, 200, 20)
            for receipt in accounts.inbox.receive(list(map(incoming, bodies[turn : turn + 20])))
        ]


def test_of_several_receivers_of_the_same_events_one_keeps_each(
    accounts: Accounts, home: Path
) -> None:
    answers = at_once(4, _receive, home)
    kept = [sum(of_one[turn] == KEPT for of_one in answers) for turn in range(200)]
    assert kept == [1] * 200
    assert sorted(_bodies(accounts)) == sorted(b"%d" % turn for turn in range(200))
    assert {row.receipt: row.count for row in accounts.inbox.counts()} == {KEPT: 200, REPEATED: 600}
