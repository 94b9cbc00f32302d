"""Tokens: handed out while they work, renewed by one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.tokens import PersonTokens
from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline_tests.accounts.homes import at_once, opened
from oura_pipeline_tests.testing.token_server import TokenServer, Unavailable, renewer, token_pair


def _tokens(accounts: Accounts, server: TokenServer) -> PersonTokens:
    return accounts.tokens.get("ada", renewer(server.url))


def _in(seconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, whose access token has expired."""
    accounts.people.add(
        "ada", SignIn(refresh_token="refresh-1", access_token="access-1", expires_at=_in(-1))
    )
    return accounts


def test_an_access_token_that_works_is_handed_out_without_asking(
    accounts: Accounts, server: TokenServer
) -> None:
    """Also one of which nobody knows when it expires."""
    accounts.people.add(
        "ada", SignIn(refresh_token="refresh-1", access_token="a", expires_at=_in(7200))
    )
    assert _tokens(accounts, server).access_token() == "a"
    accounts.people.reconnect("ada", SignIn(refresh_token="refresh-1", access_token="b"))
    assert _tokens(accounts, server).access_token() == "b"
    assert server.requests == []


def test_an_access_token_that_is_missing_or_about_to_expire_is_renewed(
    accounts: Accounts, server: TokenServer
) -> None:
    accounts.people.add(
        "ada", SignIn(refresh_token="refresh-1", access_token="a", expires_at=_in(7200))
    )
    _change(accounts, "renewed_at = '2020-01-01 00:00:00.000000'")
    tokens = _tokens(accounts, server)
    _change(accounts, f"expires_at = '{_in(660):%Y-%m-%d %H:%M:%S}.000000'")
    assert tokens.access_token() == "a"
    _change(accounts, f"expires_at = '{_in(540):%Y-%m-%d %H:%M:%S}.000000'")
    assert tokens.access_token() == "access-2"
    _change(accounts, "access_token = NULL")
    assert tokens.access_token() == "access-3"
    assert server.requests == ["refresh-1", "refresh-2"]


def test_a_token_that_lives_for_a_minute_is_not_renewed_at_once(
    ada: Accounts, server: TokenServer
) -> None:
    """The margin of ten minutes shrinks, or everybody would renew in turn."""
    server.lifetime = 60
    tokens = _tokens(ada, server)
    assert [tokens.access_token() for _ in range(3)] == ["access-2"] * 3
    assert server.requests == ["refresh-1"]


def test_what_a_renewal_brings_is_remembered(ada: Accounts, home: Path) -> None:
    expires = _in(86400)
    asked = []

    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        asked.append((refresh_token, token_url))
        return TokenPair(
            access_token="a2",
            refresh_token="r2",
            expires_at=expires,
            scopes=frozenset({"daily", "spo2"}),
            token_url="https://two.example",
        )

    before = ada.people.get("ada")
    tokens = ada.tokens.get("ada", renew)
    assert tokens.access_token() == "a2"
    after = ada.people.get("ada")
    assert after.renewed_at is not None
    assert before.renewed_at is not None
    assert after.renewed_at > before.renewed_at
    assert (after.expires_at, after.scopes, after.token_url, after.connected_since) == (
        expires,
        frozenset({"daily", "spo2"}),
        "https://two.example",
        before.connected_since,
    )
    with opened(home) as again:
        assert again.tokens.get("ada", renew).renew("a2") == "a2"
    assert asked == [("refresh-1", None), ("r2", "https://two.example")]


def test_what_a_renewal_does_not_say_stays_as_it_was(accounts: Accounts) -> None:
    accounts.people.add(
        "ada", SignIn(refresh_token="r1", scopes=["daily"], token_url="https://one.example")
    )
    asked = []

    def renew(refresh_token: str, _: str | None) -> TokenPair:
        asked.append(refresh_token)
        return token_pair(f"a{len(asked)}", refresh_token)

    tokens = accounts.tokens.get("ada", renew)
    assert (tokens.access_token(), tokens.renew("a1")) == ("a1", "a2")
    assert asked == ["r1", "r1"]
    person = accounts.people.get("ada")
    assert (person.scopes, person.token_url) == (frozenset({"daily"}), "https://one.example")


def test_a_token_that_somebody_else_renewed_is_taken(ada: Accounts, server: TokenServer) -> None:
    first, second = _tokens(ada, server), _tokens(ada, server)
    assert first.renew("access-1") == "access-2"
    assert second.renew("access-1") == "access-2"
    assert second.renew("access-2") == "access-3"
    assert server.requests == ["refresh-1", "refresh-2"]


def test_a_refused_renewal_means_signing_in_again_and_oura_is_not_asked_again(
    ada: Accounts, server: TokenServer
) -> None:
    server.current = 7
    tokens = _tokens(ada, server)
    reason = "Oura refused to renew their tokens: invalid_grant"
    for ask in (tokens.access_token, lambda: tokens.renew("access-1"), tokens.access_token):
        with pytest.raises(SignInRequired, match=f"^must sign in again: {reason}$"):
            ask()
    assert server.requests == ["refresh-1"]
    person = ada.people.get("ada")
    assert (person.state, person.error) == (PersonState.SIGN_IN_REQUIRED, reason)


def test_a_reason_that_repeats_tokens_is_kept_without_them(ada: Accounts) -> None:
    def renew(refresh_token: str, _: str | None) -> TokenPair:
        raise SignInRequired(f"{refresh_token} and access-1 are bad\nsecond line")

    with pytest.raises(SignInRequired) as refused:
        ada.tokens.get("ada", renew).access_token()
    reason = "Oura refused to renew their tokens: … and … are bad"
    assert str(refused.value) == f"must sign in again: {reason}"
    assert ada.people.get("ada").error == reason


def test_trouble_at_oura_marks_nobody(ada: Accounts, server: TokenServer) -> None:
    tokens = _tokens(ada, server)
    server.status = 503
    with pytest.raises(Unavailable):
        tokens.access_token()
    assert ada.people.get("ada").state is PersonState.CONNECTED
    server.status = None
    assert tokens.access_token() == "access-2"


def test_signing_in_while_a_renewal_is_under_way_wins(ada: Accounts, server: TokenServer) -> None:
    """Whatever comes of the renewal belongs to the older grant."""

    def renew_late(*asked: Any) -> TokenPair:
        answer = renewer(server.url)(*asked)
        ada.people.reconnect("ada", SignIn(refresh_token="new-r", access_token="new-a"))
        return answer

    def refuse_late(*_: Any) -> TokenPair:
        ada.people.reconnect("ada", SignIn(refresh_token="newer-r", access_token="newer-a"))
        raise SignInRequired("invalid_grant")

    assert ada.tokens.get("ada", renew_late).access_token() == "new-a"
    assert ada.tokens.get("ada", refuse_late).renew("new-a") == "newer-a"
    assert ada.people.get("ada").state is PersonState.CONNECTED
    assert _tokens(ada, server).access_token() == "newer-a"


def test_signing_in_just_before_a_renewal_is_announced_wins(ada: Accounts) -> None:
    """What was read before is not announced, and so not asked."""
    stored = ada.tokens.get("ada", _never)._stored()
    ada.people.reconnect("ada", SignIn(refresh_token="new-r", access_token="new-a"))
    assert ada.tokens.get("ada", _never)._ask(stored) is None


def test_a_person_who_is_removed_while_being_renewed_stays_removed(ada: Accounts) -> None:
    def renew(*_: Any) -> TokenPair:
        ada.removal.delete("ada")
        return token_pair("a")

    tokens = ada.tokens.get("ada", renew)
    with pytest.raises(SignInRequired, match=r"^has left"):
        tokens.access_token()
    assert ada.people.all() == []
    # What the renewal brought is what is given back at Oura.
    [gone], given_back = ada.removal.unrevoked(), list[tuple[Any, ...]]()
    ada.removal.revoke_gone(gone.id, _never, lambda *tokens: given_back.append(tokens))
    assert given_back == [("a", "refresh-2", "https://one.example")]


def test_tokens_of_nobody_are_not_to_be_had(accounts: Accounts) -> None:
    with pytest.raises(LookupError, match="there is no person 'eve'"):
        accounts.tokens.get("eve", _never)


def test_a_renewal_that_did_not_help_is_not_repeated_for_an_hour(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    """In any process: what comes next asks with the same token."""
    tokens = _tokens(ada, server)
    assert tokens.renew("access-1") == "access-2"
    tokens.renewed_in_vain("access-1")  # of somebody who was slow
    assert tokens.renew("access-2") == "access-3"
    tokens.renewed_in_vain("access-3")
    with opened(home) as others:
        assert _tokens(others, server).renew("access-3") == "access-3"
    assert tokens.renew("access-2") == "access-3"
    assert server.requests == ["refresh-1", "refresh-2"]
    _change(ada, f"in_vain_at = '{_in(-3600):%Y-%m-%d %H:%M:%S}.000000'")
    assert tokens.renew("access-3") == "access-4"
    tokens.renewed_in_vain("access-4")
    ada.people.reconnect("ada", SignIn(refresh_token="refresh-4", access_token="access-4"))
    assert tokens.renew("access-4") == "access-5"


def test_a_renewal_that_did_not_help_somebody_is_nobody_elses(ada: Accounts) -> None:
    ada.people.add("eve", SignIn(refresh_token="r", access_token="access-of-eve"))
    ada.tokens.get("ada", _never).renewed_in_vain("access-1")
    assert ada.tokens.get("ada", _never).renew("access-1") == "access-1"
    renewing = ada.tokens.get("eve", lambda *_: token_pair("new"))
    assert renewing.renew("access-of-eve") == "new"


def test_threads_that_need_a_token_at_once_ask_once(ada: Accounts, server: TokenServer) -> None:
    tokens = _tokens(ada, server)
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda _: tokens.access_token(), range(16)))
        assert got == ["access-2"] * 16
        got = list(pool.map(lambda _: tokens.renew("access-2"), range(16)))
        assert got == ["access-3"] * 16
    assert server.requests == ["refresh-1", "refresh-2"]


def _access_token(home: Path, url: str, number: int) -> str:
    with opened(home) as accounts:
        tokens = accounts.tokens.get("ada", renewer(url))
        return tokens.renew("access-1") if number % 2 else tokens.access_token()


def test_eight_processes_that_need_a_token_at_once_ask_once(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    """Half of them see that it expired, half of them were refused with it."""
    assert at_once(8, _access_token, home, server.url) == ["access-2"] * 8
    assert server.requests == ["refresh-1"]


def test_two_people_are_renewed_side_by_side(accounts: Accounts) -> None:
    """The lock is one person's: the renewal of another one goes on inside it."""
    for name in ("ada", "bob"):
        accounts.people.add(name, SignIn(refresh_token=f"r-{name}"))

    def plain(refresh_token: str, _: str | None) -> TokenPair:
        return token_pair(f"a-{refresh_token}")

    def nested(refresh_token: str, _: str | None) -> TokenPair:
        bob = accounts.tokens.get("bob", plain).access_token()
        return token_pair(f"{bob} in ada")

    ada = accounts.tokens.get("ada", nested)
    assert ada.access_token() == "a-r-bob in ada"


def _never(*_: Any) -> TokenPair:
    raise AssertionError("nothing is to be renewed")


def _change(accounts: Accounts, assignment: str) -> None:
    with accounts._database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE tokens SET {assignment}")
