"""What is left in the files of somebody who was removed: nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import Push, PushState, Withdrawn
from oura_pipeline_tests.accounts.homes import (
    AT,
    ON_SQLITE,
    change,
    content,
    fetch,
    incoming,
    opened,
    rows_of,
)

pytestmark = ON_SQLITE

DAY = date(2026, 1, 1)
TRACES = (b"lovelace", b"oura-id-of-hers", b"object-id", b"Countess")


@pytest.fixture
def others(home: Path, accounts: Accounts) -> Iterator[Accounts]:
    """Another process, as far as SQLite can tell, that has the file open and is idle."""
    with opened(home) as others:
        others.people.all()
        yield others


def _live(accounts: Accounts, username: str, oura_id: str, name: str) -> None:
    """Leave a row in every table; for Ada one that shows whose it is."""
    sign_in = SignIn(refresh_token="r", access_token="a", oura_id=oura_id, name=name)
    key = accounts.sign_ups.begin(sign_in, invite=(invite := accounts.invites.create()))
    accounts.sign_ups.finish(key, username, people_limit=0, invite_required=True)
    assert not accounts.invites.is_valid(invite)
    row = {"username": username, "document_type": "sleep", "day": DAY, "at": AT}
    accounts.fetches.record([fetch(username, error=f"{username} granted nothing")])
    accounts.pushes.record(
        [Push(**row, points=1, digest="d", state=PushState.SENT, index=username.encode())]
    )
    accounts.pushes.record_withdrawn([Withdrawn(**row, metric=f"bio.{username}.x", times=(1,))])
    bodies = [f'{{"user_id":"{oura_id}","object_id":"object-id-{n}"}}' for n in range(20)]
    accounts.inbox.receive([incoming(body.encode(), oura_id) for body in bodies])
    accounts.inbox.finish(range(1, 10))
    accounts.consents.begin(f"s-{username}", verifier="v", browser="b", username=username)
    accounts.sign_ups.begin(sign_in, invite=None)


def test_the_files_keep_nothing_of_whoever_was_removed(
    home: Path, accounts: Accounts, others: Accounts
) -> None:
    """Although others have them open; and the rest is as it was."""
    accounts.people.add("bob", SignIn(refresh_token="r", oura_id="id-bob"))
    _live(accounts, "ada_lovelace", "oura-id-of-hers", "Countess")
    assert [trace for trace in TRACES if trace not in content(home)] == []
    assert accounts.removal.delete("ada_lovelace")
    assert [trace for trace in TRACES if trace in content(home)] == []
    assert [person.username for person in others.people.all()] == ["bob"]
    assert others.consents.take("s-ada_lovelace") is None
    assert [invite.username for invite in others.invites.all()] == [None]


def test_the_files_keep_no_copy_that_sqlite_made_when_it_moved_rows(
    home: Path, accounts: Accounts
) -> None:
    """These rows come in an order that leaves copies between the rows of others."""
    for seed in (19, 24, 36):
        chance = random.Random(seed)
        for name in ("ada", "zz_lovelace"):
            accounts.people.add(name, SignIn(refresh_token="r", oura_id=f"id-{name}"))
        rows = [
            fetch(
                chance.choice(("ada", "zz_lovelace")),
                day=DAY + timedelta(chance.randint(0, 20)),
                error="e" * chance.randint(0, 800),
            )
            for _ in range(40)
        ]
        for first in range(0, 40, 5):
            accounts.fetches.record(rows[first : first + 5])
        accounts.removal.delete("zz_lovelace")
        assert b"lovelace" not in content(home)
        accounts.removal.delete("ada")


def test_the_files_keep_nothing_once_whoever_reads_has_finished(
    home: Path, accounts: Accounts
) -> None:
    """A removal waits for those who read what was there before it."""
    accounts.people.add("ada_lovelace", SignIn(refresh_token="r"))
    with (
        closing(sqlite3.connect(home / "accounts.sqlite", isolation_level=None)) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        reader.execute("BEGIN").close()
        assert reader.execute("SELECT username FROM people").fetchall() == [("ada_lovelace",)]
        removal = pool.submit(accounts.removal.delete, "ada_lovelace", reserve=True)
        while accounts.people.all():
            assert not removal.done()
        assert b"lovelace" in content(home)
        assert accounts.removal.unscrubbed_since() is not None
        reader.execute("COMMIT").close()
        assert removal.result(timeout=30)
    assert b"lovelace" not in content(home)
    assert accounts.removal.unscrubbed_since() is None


def test_scrubbing_that_somebody_keeps_from_ending_is_to_be_done_again(
    home: Path, accounts: Accounts
) -> None:
    """Whether they read or write; and also for whoever leaves while it goes on."""
    settings = {"busy_timeout": 50}

    @event.listens_for(accounts._database._engine, "checkout")
    def _set(connection: Any, *_: Any) -> None:
        for name, value in settings.items():
            connection.execute(f"PRAGMA {name} = {value}").close()

    accounts.people.add("ada", SignIn(refresh_token="r"))
    with closing(sqlite3.connect(home / "accounts.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN").close()
        assert other.execute("SELECT username FROM people").fetchall() == [("ada",)]
        assert accounts.removal.delete("ada", reserve=True)
        assert not accounts.removal.scrub()
        other.execute("COMMIT").close()
        other.execute("BEGIN IMMEDIATE").close()
        assert not accounts.removal.scrub()
        other.execute("COMMIT").close()
    assert accounts.removal.unscrubbed_since() is not None
    settings["query_only"] = 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        accounts.removal.scrub()
    settings["query_only"] = 0
    left_at = "UPDATE former_usernames SET left_at = '{}-01-01 00:00:00.000000'"
    for year, is_done in ((2999, False), (2000, True)):
        change(home, left_at.format(year))
        assert accounts.removal.scrub()
        assert (accounts.removal.unscrubbed_since() is None) is is_done


def test_a_username_is_free_again_when_graphite_holds_nothing_under_it(accounts: Accounts) -> None:
    """Who left is not followed by a stranger; who was removed by mistake can be added again."""
    for username in ("ada", "bob", "cyd"):
        accounts.people.add(username, SignIn(refresh_token="r"))
        accounts.removal.delete(username, reserve=username != "cyd")
    for username in ("ada", "bob"):
        with pytest.raises(PersonRefused):
            accounts.people.add(username, SignIn(refresh_token="s"))
    accounts.people.add("cyd", SignIn(refresh_token="s"))
    assert not accounts.removal.delete("eve", reserve=True)
    accounts.people.add("eve", SignIn(refresh_token="s"))
    assert accounts.removal.release(["ada", "cyd"]) == 1
    accounts.people.add("bob", SignIn(refresh_token="s"))
    with pytest.raises(PersonRefused):
        accounts.people.add("ada", SignIn(refresh_token="s"))
    assert accounts.removal.release([]) == 1
    accounts.people.add("ada", SignIn(refresh_token="s"))


def test_scrubbing_keeps_everything_that_is_there(home: Path, accounts: Accounts) -> None:
    _live(accounts, "ada", "id-ada", "Ada")
    before = rows_of(home)
    assert accounts.removal.scrub()
    assert rows_of(home) == before
    assert accounts.consents.take("s-ada") is not None


def test_what_is_deleted_becomes_zeros_at_once(home: Path, accounts: Accounts) -> None:
    """Events that are forgotten, long before anybody is removed."""
    accounts.people.add("ada", SignIn(refresh_token="r", oura_id="id-ada"))
    accounts.inbox.receive([incoming(b"object-id" * 3)])
    accounts.inbox.finish([1])
    accounts.removal.scrub()
    assert b"object-id" in content(home)
    accounts.inbox.forget(AT + timedelta(days=36500))
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    assert b"object-id" not in content(home)
