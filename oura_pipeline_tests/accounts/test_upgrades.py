"""Databases of the first schema: they open, and keep everything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import load_cipher
from oura_pipeline.accounts.inbox import Event, Receipt
from oura_pipeline.accounts.people import Person, PersonState, shard_of
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import FetchStatus
from oura_pipeline_tests.accounts.homes import ON_SQLITE, incoming, opened
from oura_pipeline_tests.accounts.times import upgrade

pytestmark = ON_SQLITE

SINCE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
AT = "2026-01-02 03:04:05.678901"
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "people": [
        ("ada", "p-7f3k2m", "id-ada", "Ada", "daily", "connected", None, AT, AT, AT, None, None),
        ("bob", "p-222222", None, None, None, "retired", None, AT, AT, AT, None, AT),
    ],
    "fetches": [
        ("sleep", "ada", "2026-01-01", "landed", 1, 1, None, "run", AT, 0),
        ("sleep", "ada", "2026-01-02", "landed", 1, 1, None, "run", AT, 0),
        ("sleep", "ada", "2026-01-03", "landed", 1, 1, None, "run", AT, 0),
        ("sleep", "ada", "2026-01-04", "empty", 0, 0, None, "run", AT, 0),
    ],
    "pushes": [
        ("sleep", "ada", "2026-01-01", 1, "d", "sent", b"i", AT),
        ("sleep", "ada", "2026-01-02", 1, "d", "pending", b"i", AT),
    ],
    "withdrawn": [("ada", "sleep", "2026-01-01", "bio.ada.x", "1", AT)],
    "offsets": [("ada", AT, 3600)],
    "webhook_subscriptions": [("s", "sleep", "create", "https://example.com", AT)],
    "webhook_inbox": [
        (1, "id-ada", b"done", AT, AT, sha256(b"done").hexdigest(), 0, AT),
        (4, None, b"waiting", AT, None, sha256(b"waiting").hexdigest(), 2, AT),
    ],
    "deliveries": [("kept", "sleep", 3, AT)],
    "consents": [("digest", "verifier", None, None, "cyd", AT)],
    "sign_ups": [("digest", "id-eve", None, None, "r", None, None, None, None, None, AT)],
    "invites": [("digest", AT, AT, AT, "ada")],
}


@pytest.fixture
def upgraded(home: Path) -> Iterator[Accounts]:
    """The accounts of a folder that was filled as schema 0001 has it."""
    database = Database(f"sqlite:///{home / 'accounts.sqlite'}")
    database.keep_log()
    with database.writing() as connection:
        upgrade(connection, "0001")
    database.close()
    token = load_cipher([], home / "token.key", may_create=True).encrypt("a")
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        for table, rows in (ROWS | {"tokens": [("ada", token, token, *[None] * 5)]}).items():
            for row in rows:
                places = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({places})", row).close()
        connection.commit()
    with opened(home) as accounts:
        yield accounts


def test_every_row_is_kept(home: Path, upgraded: Accounts) -> None:
    """In all of its columns; those of later schemas come behind them. Offsets are the exception."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        kept = {
            table: [row[: len(rows[0])] for row in connection.execute(f'SELECT * FROM "{table}"')]
            for table, rows in ROWS.items()
            if table != "offsets"
        }
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
    assert kept | {"offsets": ROWS["offsets"]} == ROWS
    # The warehouse learns them from the documents that it holds.
    assert "offsets" not in tables
    assert upgraded.tokens.get("ada", _never).access_token() == "a"


def test_people_are_read_as_they_were_written(
    upgraded: Accounts,
) -> None:
    ada, bob = upgraded.people.all()
    assert ada == Person(
        username="ada",
        id="p-7f3k2m",
        oura_id="id-ada",
        name="Ada",
        scopes=frozenset({"daily"}),
        state=PersonState.CONNECTED,
        connected_since=SINCE,
        renewed_at=None,
        expires_at=None,
        token_url=None,
        error=None,
        joined_at=SINCE,
        state_since=SINCE,
        sync_asked_at=None,
        notified_at=None,
    )
    shard = shard_of("p-7f3k2m")
    assert upgraded.people.all(shards=range(shard, shard + 1)) == [ada]
    assert (bob.state, bob.joined_at, upgraded.removal.to_revoke()) == (
        PersonState.RETIRED,
        SINCE,
        [],
    )


def test_what_was_left_half_sent_or_never_pushed_waits(upgraded: Accounts) -> None:
    waiting = upgraded.waiting.due(SINCE, limit=9)
    assert [(row.username, row.day.isoformat()) for row in waiting] == [
        ("ada", "2026-01-02"),
        ("ada", "2026-01-03"),
    ]


def test_the_rows_of_a_ledger_are_summed_up(upgraded: Accounts) -> None:
    second = int(SINCE.timestamp())
    assert dict(upgraded.fetches.sums()) == {
        ("ada", "sleep"): (4, SINCE, 4 * second, 3, 1 + 4 + 9),
    }
    none = dict.fromkeys(FetchStatus, 0)
    landed = {FetchStatus.LANDED: 3, FetchStatus.EMPTY: 1}
    assert upgraded.overview.statuses() == none | landed
    assert upgraded.overview.latest_days() == {"ada": date(2026, 1, 3)}


def test_events_are_read_as_they_were_written(upgraded: Accounts) -> None:
    """One that comes again is known by its digest."""
    assert upgraded.inbox.waiting(due=SINCE) == [
        Event(id=4, oura_id=None, body=b"waiting", received_at=SINCE, attempts=2, next_at=SINCE)
    ]
    events = [incoming(body) for body in (b"done", b"waiting", b"new")]
    receipts = [Receipt.REPEATED, Receipt.REPEATED, Receipt.KEPT]
    assert upgraded.inbox.receive(events) == receipts
    assert [event.body for event in upgraded.inbox.waiting()] == [b"waiting", b"new"]


def _never(*_: Any) -> Any:
    raise AssertionError("nothing is to be renewed")
