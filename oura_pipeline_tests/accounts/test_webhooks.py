"""Subscriptions and the inbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.webhooks import Event, Subscription


def _subscription(identifier: str, data_type: str, event_type: str = "create") -> Subscription:
    return Subscription(
        id=identifier,
        data_type=data_type,
        event_type=event_type,
        callback_url="https://example.com/webhook",
        expires_at=datetime(2026, 4, 1, tzinfo=UTC),
    )


def test_subscriptions_are_what_oura_has_now(accounts: Accounts) -> None:
    sleep, tag = _subscription("1", "sleep"), _subscription("2", "tag")
    accounts.record_subscriptions([tag, sleep])
    assert accounts.subscriptions() == [sleep, tag]
    accounts.record_subscriptions([sleep])
    assert accounts.subscriptions() == [sleep]
    accounts.record_subscriptions([])
    assert accounts.subscriptions() == []


def test_events_wait_until_they_are_finished(accounts: Accounts) -> None:
    """Events of somebody who is not here are kept as well."""
    before = datetime.now(UTC)
    first = accounts.receive_event(b'{"a":1}', oura_id="id-1")
    second = accounts.receive_event(b"\xff", oura_id=None)
    waiting = accounts.waiting_events()
    assert waiting == [
        Event(id=first, oura_id="id-1", body=b'{"a":1}', received_at=waiting[0].received_at),
        Event(id=second, oura_id=None, body=b"\xff", received_at=waiting[1].received_at),
    ]
    assert before <= waiting[0].received_at <= waiting[1].received_at <= datetime.now(UTC)
    assert accounts.waiting_events(limit=1) == waiting[:1]
    accounts.finish_events([first])
    assert accounts.waiting_events() == waiting[1:]
    assert repr(waiting[0]) == f"Event(id={first}, received_at={waiting[0].received_at})"


def test_only_old_events_that_are_finished_are_forgotten(accounts: Accounts) -> None:
    done = [accounts.receive_event(b"{}", oura_id=None) for _ in range(2)]
    waiting = accounts.receive_event(b"{}", oura_id=None)
    accounts.finish_events(done)
    now = datetime.now(UTC)
    assert accounts.forget_events(now - timedelta(hours=1)) == 0
    assert accounts.forget_events(now + timedelta(hours=1)) == 2
    assert [event.id for event in accounts.waiting_events()] == [waiting]


def test_the_number_of_an_event_is_never_used_again(accounts: Accounts) -> None:
    first = accounts.receive_event(b"{}", oura_id=None)
    accounts.finish_events([first])
    accounts.forget_events(datetime.now(UTC) + timedelta(hours=1))
    assert accounts.receive_event(b"{}", oura_id=None) == first + 1
