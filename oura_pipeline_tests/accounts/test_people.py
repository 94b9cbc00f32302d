"""People: who is here, who may come in and what goes with those who leave."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import Push, PushState, Withdrawn
from oura_pipeline_tests.accounts.homes import AT, at_once, fetch, incoming, opened
from oura_pipeline_tests.testing.token_server import Refused, TokenServer, renewer

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_person_is_remembered_as_they_signed_in(home: Path, accounts: Accounts) -> None:
    before = datetime.now(UTC)
    added = accounts.add(
        "ada",
        refresh_token="r",
        access_token="a",
        expires_at=EXPIRES.astimezone(),
        token_url="https://example.com/token",
        scopes=["daily", "spo2"],
        oura_id="id-1",
        name="Ada Lovelace",
    )
    assert added == Person(
        username="ada",
        oura_id="id-1",
        name="Ada Lovelace",
        scopes=frozenset({"daily", "spo2"}),
        state=PersonState.CONNECTED,
        connected_since=added.connected_since,
        renewed_at=added.renewed_at,
        expires_at=EXPIRES,
        token_url="https://example.com/token",
        error=None,
        joined_at=added.connected_since,
        state_since=added.connected_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert added.renewed_at is not None
    assert before <= added.renewed_at <= added.connected_since <= datetime.now(UTC)
    with opened(home) as again:
        assert again.people() == [added]


def test_what_is_not_known_is_none_and_what_is_empty_is_empty(accounts: Accounts) -> None:
    """Scopes that nobody told are not the same as none granted."""
    unknown = accounts.add("ada", refresh_token="r")
    nothing = accounts.add("bob", refresh_token="s", scopes=[])
    assert (unknown.scopes, unknown.oura_id, unknown.expires_at) == (None, None, None)
    assert nothing.scopes == frozenset()


def test_no_token_shows_in_a_repr(accounts: Accounts) -> None:
    person = accounts.add("ada", refresh_token="secret-r", access_token="secret-a")
    sign_in = SignIn(refresh_token="secret-r", access_token="secret-a")
    tokens = accounts.tokens("ada", renewer(""), refused=Refused)
    for thing in (person, sign_in, tokens, accounts, accounts._cipher, tokens._stored()):
        assert "secret" not in repr(thing)
        assert "secret" not in str(thing)


def test_a_username_is_taken_once(accounts: Accounts) -> None:
    before = accounts.add("ada", refresh_token="r")
    with pytest.raises(PersonRefused, match=r"^ada is here already; .* reconnect them"):
        accounts.add("ada", refresh_token="s")
    assert accounts.people() == [before]


def test_an_oura_account_belongs_to_one_person(accounts: Accounts) -> None:
    accounts.add("ada", refresh_token="r", oura_id="id-1")
    accounts.add("bob", refresh_token="s")
    before = accounts.people()
    message = r"^this Oura account is ada's already; reconnect ada instead$"
    with pytest.raises(PersonRefused, match=message):
        accounts.add("cyd", refresh_token="t", oura_id="id-1")
    with pytest.raises(PersonRefused, match=message):
        accounts.reconnect("bob", refresh_token="t", oura_id="id-1")
    with pytest.raises(PersonRefused, match=message):
        accounts.identify("bob", "id-1")
    assert accounts.people() == before


def test_a_bad_username_or_sign_in_adds_nobody(accounts: Accounts) -> None:
    with pytest.raises(PersonRefused, match="contains 'A'"):
        accounts.add("Ada", refresh_token="r")
    with pytest.raises(PersonRefused, match="needs a refresh token"):
        accounts.add("ada", refresh_token="")
    with pytest.raises(PersonRefused, match="expires_at needs a zone"):
        accounts.add("ada", refresh_token="r", expires_at=datetime(2030, 1, 1))
    assert accounts.people() == []


def test_nobody_is_found_by_a_strange_name_and_the_known_ones_are_said(accounts: Accounts) -> None:
    with pytest.raises(LookupError, match=r"^nobody is called 'eve'; there are: nobody yet$"):
        accounts.person("eve")
    accounts.add("bob", refresh_token="s")
    accounts.add("ada", refresh_token="r")
    with pytest.raises(LookupError, match=r"^nobody is called 'eve'; there are: ada, bob$"):
        accounts.person("eve")


def test_reconnecting_keeps_the_username_and_the_rows(
    accounts: Accounts, server: TokenServer
) -> None:
    """A person whose renewal was refused works again with the tokens of the new sign-in."""
    accounts.add("ada", refresh_token="used", scopes=["daily"], oura_id="id-1", name="Ada")
    accounts.record_fetches([fetch("ada")])
    tokens = accounts.tokens("ada", renewer(server.url), refused=Refused)
    with pytest.raises(Refused):
        tokens.access_token()
    refused = accounts.person("ada")
    assert refused.state is PersonState.SIGN_IN_REQUIRED
    again = accounts.reconnect(
        "ada", refresh_token="refresh-1", access_token="a", scopes=["spo2"], oura_id="id-1"
    )
    assert again == Person(
        username="ada",
        oura_id="id-1",
        name="Ada",
        scopes=frozenset({"spo2"}),
        state=PersonState.CONNECTED,
        connected_since=again.connected_since,
        renewed_at=again.renewed_at,
        expires_at=None,
        token_url=None,
        error=None,
        joined_at=refused.joined_at,
        state_since=again.state_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert again.connected_since > refused.connected_since
    assert again.state_since > refused.state_since > refused.joined_at
    assert (tokens.access_token(), tokens.renew("a")) == ("a", "access-2")
    assert accounts.fetches() == [fetch("ada")]


def test_reconnecting_with_another_oura_account_is_refused(accounts: Accounts) -> None:
    before = accounts.add("ada", refresh_token="r", access_token="a", oura_id="id-1")
    with pytest.raises(PersonRefused, match="signed in with another Oura account than before"):
        accounts.reconnect("ada", refresh_token="s", oura_id="id-2")
    with pytest.raises(UnknownPerson, match="nobody is called 'eve'"):
        accounts.reconnect("eve", refresh_token="s")
    assert accounts.people() == [before]


def test_reconnecting_keeps_the_endpoint_that_worked(accounts: Accounts) -> None:
    accounts.add("ada", refresh_token="r", token_url="https://one.example")
    assert accounts.reconnect("ada", refresh_token="s").token_url == "https://one.example"
    changed = accounts.reconnect("ada", refresh_token="t", token_url="https://two.example")
    assert changed.token_url == "https://two.example"


def test_a_person_is_identified_later(accounts: Accounts) -> None:
    accounts.add("ada", refresh_token="r")
    assert accounts.person_with("id-1") is None
    accounts.identify("ada", "id-1")
    accounts.identify("ada", "id-1")
    assert accounts.person_with("id-1") == accounts.person("ada")
    with pytest.raises(PersonRefused, match="another Oura account than before"):
        accounts.identify("ada", "id-2")


def test_people_are_listed_by_state(accounts: Accounts) -> None:
    accounts.add("bob", refresh_token="r")
    accounts.add("ada", refresh_token="s")
    accounts.retire("bob")
    ada, bob = accounts.people()
    assert (ada.state, bob.state) == (PersonState.CONNECTED, PersonState.RETIRED)
    assert accounts.people([PersonState.CONNECTED]) == [ada]
    assert accounts.people([PersonState.RETIRED, PersonState.CONNECTED]) == [ada, bob]
    assert accounts.people([]) == []


def test_a_sync_can_be_asked_for_every_five_minutes(accounts: Accounts) -> None:
    """By each person for themselves."""
    for name in ("ada", "bob"):
        accounts.add(name, refresh_token="r")
    assert accounts.ask_sync("ada", AT)
    early, late = AT + timedelta(minutes=5, microseconds=-1), AT + timedelta(minutes=5)
    assert not accounts.ask_sync("ada", early)
    assert accounts.person("ada").sync_asked_at == AT
    assert accounts.ask_sync("bob", early)
    assert accounts.ask_sync("ada", late)
    assert accounts.person("ada").sync_asked_at == late
    with pytest.raises(UnknownPerson, match="nobody is called 'eve'"):
        accounts.ask_sync("eve", AT)


def _ask_sync(home: Path, number: int) -> bool:
    with opened(home) as accounts:
        return accounts.ask_sync("ada", AT)


def test_of_several_who_ask_for_a_sync_at_once_one_is_heard(home: Path, accounts: Accounts) -> None:
    accounts.add("ada", refresh_token="r")
    assert sorted(at_once(4, _ask_sync, home)) == [False, False, False, True]


def _refuse(accounts: Accounts, username: str) -> None:
    def renew(*_: Any) -> Any:
        raise Refused("invalid_grant")

    with pytest.raises(Refused):
        accounts.tokens(username, renew, refused=Refused).access_token()


def test_who_must_sign_in_again_is_notified_once_each_time(accounts: Accounts) -> None:
    for name in ("bob", "ada", "cyd", "dan"):
        accounts.add(name, refresh_token="r")
    for name in ("bob", "ada", "dan"):
        _refuse(accounts, name)
    accounts.disconnect("dan")
    assert accounts.to_notify() == [accounts.person("ada"), accounts.person("bob")]
    before = datetime.now(UTC)
    accounts.notified(["ada"])
    told = accounts.person("ada").notified_at
    assert told is not None
    assert before <= told <= datetime.now(UTC)
    assert accounts.to_notify() == [accounts.person("bob")]
    assert accounts.reconnect("ada", refresh_token="s").notified_at is None
    _refuse(accounts, "ada")
    assert accounts.to_notify() == [accounts.person("ada"), accounts.person("bob")]


def test_who_signed_in_while_they_were_notified_is_notified_the_next_time(
    accounts: Accounts,
) -> None:
    accounts.add("ada", refresh_token="r")
    _refuse(accounts, "ada")
    accounts.reconnect("ada", refresh_token="s")
    accounts.notified(["ada", "eve"])
    assert accounts.person("ada").notified_at is None


def test_nothing_is_left_of_a_person_who_is_removed(home: Path, accounts: Accounts) -> None:
    """No table keeps a row of theirs, and the others keep all of theirs."""
    for name in ("ada", "bob"):
        accounts.add(name, refresh_token=f"r-{name}", oura_id=f"id-{name}")
        accounts.record_fetches([fetch(name)])
        accounts.record_pushes([_push(name)])
        accounts.record_withdrawn([_withdrawn(name)])
        accounts.learn_offsets(name, [(AT, timedelta(hours=1))])
        accounts.receive_events([incoming(name.encode(), f"id-{name}")])
    assert _rows_of(home, "bob") == {
        "people": 1,
        "tokens": 1,
        "fetches": 1,
        "pushes": 1,
        "withdrawn": 1,
        "offsets": 1,
        "webhook_inbox": 1,
    }
    assert (accounts.remove("bob"), accounts.remove("bob")) == (True, False)
    assert _rows_of(home, "bob") == {}
    assert _rows_of(home, "ada").keys() == {
        "people", "tokens", "fetches", "pushes", "withdrawn", "offsets", "webhook_inbox",
    }  # fmt: skip


def _add_ada(home: Path, number: int) -> str:
    with opened(home) as accounts:
        return accounts.add("ada", refresh_token=f"r{number}").username


def test_of_several_who_take_a_username_at_once_one_gets_it(home: Path) -> None:
    opened(home).close()
    results = sorted(at_once(4, _add_ada, home))
    assert results[-1] == "ada"
    assert {result[:36] for result in results[:3]} == {"PersonRefused('ada is here already; "}


def _push(username: str) -> Push:
    return Push(
        username=username,
        document_type="sleep",
        day=date(2026, 1, 1),
        points=1,
        digest="d",
        state=PushState.SENT,
        index=b"i",
        at=AT,
    )


def _withdrawn(username: str) -> Withdrawn:
    return Withdrawn(
        username=username,
        document_type="sleep",
        day=date(2026, 1, 1),
        metric=f"bio.{username}.sleep.score",
        times=(1,),
        at=AT,
    )


def _rows_of(home: Path, username: str) -> dict[str, int]:
    """How many rows of each table are about a person, where there are any."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [name for (name,) in names if not name.startswith("sqlite_")]
        rows = {table: list(connection.execute(f'SELECT * FROM "{table}"')) for table in tables}
    about = {username, f"id-{username}"}
    counts = {table: sum(bool(about & set(row)) for row in rows[table]) for table in tables}
    return {table: count for table, count in counts.items() if count}
