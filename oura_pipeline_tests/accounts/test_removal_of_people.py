"""People who disconnect or leave, and the consents that go back to Oura."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import alone, at_once, fetch, opened
from oura_pipeline_tests.testing.token_server import (
    Answer,
    Refused,
    TokenServer,
    Unavailable,
    renewer,
)

DIED = 42
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CONNECTED, DISCONNECTED = PersonState.CONNECTED, PersonState.DISCONNECTED
RETIRED = PersonState.RETIRED


class Told(list[tuple[str, str]]):
    """What Oura was told: the access token and the refresh token of each consent given back."""

    def __call__(self, access_token: str, refresh_token: str) -> None:
        self.append((access_token, refresh_token))


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, whose access token has expired, and Bob."""
    accounts.add("ada", refresh_token="refresh-1", access_token="access-1", expires_at=LONG_AGO)
    accounts.add("bob", refresh_token="r")
    return accounts


def _never(*_: Any) -> Any:
    raise AssertionError("nobody is to be asked")


def _revoke(accounts: Accounts, server: TokenServer, revoker: Any = _never) -> None:
    accounts.revoke("ada", renewer(server.url), revoker, refused=Refused)


def test_who_disconnects_is_refused_their_tokens_and_keeps_everything_else(
    ada: Accounts, server: TokenServer
) -> None:
    ada.record_fetches([fetch("ada")])
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    ada.disconnect("ada")
    message = "^ada has disconnected; nothing is fetched until they sign in again$"
    for ask in (tokens.access_token, lambda: tokens.renew("access-1")):
        with pytest.raises(Refused, match=message):
            ask()
    person = ada.person("ada")
    assert (person.state, person.error) == (DISCONNECTED, None)
    assert person.joined_at < person.state_since
    assert ada.fetches() == [fetch("ada")]
    assert (ada.to_revoke(), server.requests) == (["ada"], [])


def test_who_leaves_is_refused_their_tokens(ada: Accounts, server: TokenServer) -> None:
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    ada.retire("ada")
    message = "^ada has left; their data is being deleted and nothing is fetched any more$"
    for _ in range(2):
        with pytest.raises(Refused, match=message):
            tokens.access_token()
        _revoke(ada, server, Told())
    assert ada.person("ada").state is RETIRED


def test_who_disconnects_while_a_token_is_renewed_gets_none(
    ada: Accounts, server: TokenServer
) -> None:
    """What was renewed is saved all the same: it is needed for giving the consent back."""

    def renew_late(*asked: Any) -> Answer:
        answer = renewer(server.url)(*asked)
        ada.disconnect("ada")
        return answer

    with pytest.raises(Refused, match=r"^ada has disconnected"):
        ada.tokens("ada", renew_late, refused=Refused).access_token()
    told = Told()
    ada.revoke("ada", _never, told, refused=Refused)
    assert told == [("access-2", "refresh-2")]


def test_who_leaves_while_a_renewal_is_refused_has_left(ada: Accounts) -> None:
    """And need not sign in again."""

    def refuse_late(*_: Any) -> Answer:
        ada.retire("ada")
        raise Refused("invalid_grant")

    with pytest.raises(Refused, match=r"^ada has left"):
        ada.tokens("ada", refuse_late, refused=Refused).access_token()
    person = ada.person("ada")
    assert (person.state, person.error) == (RETIRED, None)


def test_a_state_keeps_its_beginning_while_it_lasts(ada: Accounts) -> None:
    for change in (ada.disconnect, ada.retire):
        change("ada")
        before = ada.person("ada")
        change("ada")
        assert ada.person("ada") == before
    ada.reconnect("bob", refresh_token="s")
    bob = ada.person("bob")
    assert bob.state_since == bob.joined_at < bob.connected_since


def test_who_disconnected_comes_back_as_they_were(ada: Accounts, server: TokenServer) -> None:
    ada.disconnect("ada")
    _revoke(ada, server, Told())
    left = ada.person("ada")
    back = ada.reconnect("ada", refresh_token="r", access_token="a")
    assert back.state is CONNECTED
    assert back.joined_at == left.joined_at
    assert back.state_since > left.state_since
    assert ada.tokens("ada", _never, refused=Refused).access_token() == "a"
    assert ada.to_revoke() == []


def test_who_left_neither_comes_back_nor_disconnects(ada: Accounts) -> None:
    """Their data is being deleted, which takes a while."""
    ada.retire("ada")
    before = ada.people()
    message = "^ada has left and their data is being deleted; wait until that is done"
    with pytest.raises(PersonRefused, match=message):
        ada.reconnect("ada", refresh_token="r")
    with pytest.raises(PersonRefused, match=message):
        ada.disconnect("ada")
    assert ada.people() == before


def test_nobody_strange_goes(ada: Accounts) -> None:
    def revoke(username: str) -> None:
        ada.revoke(username, _never, _never, refused=Refused)

    for go in (ada.disconnect, ada.retire, revoke):
        with pytest.raises(UnknownPerson, match=r"^nobody is called 'eve'; there are: ada, bob$"):
            go("eve")


def test_a_consent_is_given_back_with_a_token_that_works(
    accounts: Accounts, server: TokenServer
) -> None:
    """Without a renewal where there is one already."""
    accounts.add("ada", refresh_token="refresh-1", access_token="access-1")
    accounts.disconnect("ada")
    told = Told()
    _revoke(accounts, server, told)
    assert (told, server.requests) == ([("access-1", "refresh-1")], [])
    assert accounts.to_revoke() == []
    _revoke(accounts, server)


def test_an_expired_token_is_renewed_and_saved_before_it_gives_the_consent_back(
    ada: Accounts, server: TokenServer, home: Path
) -> None:
    """Also one that lives for no time at all."""
    server.lifetime = 0
    ada.retire("ada")
    seen = []

    def look(access_token: str, refresh_token: str) -> None:
        with opened(home) as others:
            expires_at = others.person("ada").expires_at
            seen.append((access_token, refresh_token, expires_at is not None))
            assert expires_at != LONG_AGO

    _revoke(ada, server, look)
    assert seen == [("access-2", "refresh-2", True)]
    assert (server.requests, ada.to_revoke()) == (["refresh-1"], [])


def test_a_consent_that_is_gone_already_needs_no_giving_back(
    ada: Accounts, server: TokenServer
) -> None:
    ada.disconnect("ada")
    server.current = 7
    _revoke(ada, server)
    assert ada.to_revoke() == []
    assert ada.person("ada").state is DISCONNECTED


def test_trouble_at_oura_leaves_the_tokens_for_the_next_time(
    ada: Accounts, server: TokenServer
) -> None:
    ada.disconnect("ada")
    server.status = 503
    with pytest.raises(Unavailable):
        _revoke(ada, server)
    server.status = None

    def out_of_order(*_: str) -> None:
        raise Unavailable("status 503")

    with pytest.raises(Unavailable):
        _revoke(ada, server, out_of_order)
    assert ada.to_revoke() == ["ada"]
    told = Told()
    _revoke(ada, server, told)
    assert told == [("access-2", "refresh-2")]
    assert ada.to_revoke() == []


def test_who_is_connected_keeps_their_consent(ada: Accounts, server: TokenServer) -> None:
    _revoke(ada, server)
    assert (ada.to_revoke(), server.requests) == ([], [])


def test_those_whose_consent_is_to_be_given_back_are_listed(ada: Accounts) -> None:
    """Also somebody who would have had to sign in again: their access token may still work."""
    ada.add("cyd", refresh_token="r", access_token="a")
    with pytest.raises(Refused):
        ada.tokens("cyd", _refuse, refused=Refused).renew("a")
    ada.disconnect("cyd")
    ada.retire("ada")
    assert ada.to_revoke() == ["ada", "cyd"]
    told = Told()
    ada.revoke("cyd", _never, told, refused=Refused)
    assert (told, ada.to_revoke()) == ([("a", "r")], ["ada"])


def _refuse(*_: Any) -> Answer:
    raise Refused("invalid_grant")


@pytest.mark.parametrize("at", ["renewing", "refusing", "giving back"])
def test_signing_in_while_the_old_consent_is_given_back_keeps_the_new_tokens(
    ada: Accounts, server: TokenServer, at: str
) -> None:
    ada.disconnect("ada")

    def renew(*asked: Any) -> Answer:
        answer = renewer(server.url)(*asked)
        if at != "giving back":
            ada.reconnect("ada", refresh_token="new-r", access_token="new-a")
        if at == "refusing":
            raise Refused("invalid_grant")
        return answer

    def give_back(*_: str) -> None:
        assert at == "giving back"
        ada.reconnect("ada", refresh_token="new-r", access_token="new-a")

    ada.revoke("ada", renew, give_back, refused=Refused)
    assert ada.person("ada").state is CONNECTED
    assert ada.tokens("ada", _never, refused=Refused).access_token() == "new-a"


def _revoke_at_once(home: Path, url: str, number: int) -> list[tuple[str, str]]:
    told = Told()
    with opened(home) as accounts:
        accounts.revoke("ada", renewer(url), told, refused=Refused)
    return told


def test_of_several_who_give_a_consent_back_at_once_one_does(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    ada.retire("ada")
    told = at_once(4, _revoke_at_once, home, server.url)
    assert sorted(told) == [[], [], [], [("access-2", "refresh-2")]]
    assert server.requests == ["refresh-1"]


def _die(*_: Any) -> Any:
    os._exit(DIED)


def _die_before_asking(home: Path, _: str) -> None:
    opened(home).revoke("ada", _die, _never, refused=Refused)


def _die_before_saving(home: Path, url: str) -> None:
    def renew(*asked: Any) -> Any:
        renewer(url)(*asked)
        os._exit(DIED)

    opened(home).revoke("ada", renew, _never, refused=Refused)


def _die_before_giving_back(home: Path, url: str) -> None:
    opened(home).revoke("ada", renewer(url), _die, refused=Refused)


def _die_before_forgetting(home: Path, url: str) -> None:
    def give_back(access_token: str, refresh_token: str) -> None:
        (home / "told").write_text(f"{access_token} {refresh_token}", encoding="utf-8")
        os._exit(DIED)

    opened(home).revoke("ada", renewer(url), give_back, refused=Refused)


@pytest.mark.parametrize(
    ("die", "told_next", "asked"),
    [
        (_die_before_asking, [("access-2", "refresh-2")], ["refresh-1"]),
        # The only token there was is used up, and its successor is lost with the process.
        (_die_before_saving, [], ["refresh-1", "refresh-1"]),
        (_die_before_giving_back, [("access-2", "refresh-2")], ["refresh-1"]),
        (_die_before_forgetting, [("access-2", "refresh-2")], ["refresh-1"]),
    ],
)
def test_dying_at_any_step_leaves_what_the_next_time_needs(
    ada: Accounts,
    home: Path,
    server: TokenServer,
    *,
    die: Any,
    told_next: list[tuple[str, str]],
    asked: list[str],
) -> None:
    ada.retire("ada")
    assert alone(die, home, server.url) == DIED
    assert (ada.to_revoke(), ada.person("ada").state) == (["ada"], RETIRED)
    told = Told()
    _revoke(ada, server, told)
    assert (told, server.requests) == (told_next, asked)
    assert (ada.to_revoke(), ada.person("ada").state) == ([], RETIRED)


def test_a_consent_that_was_given_back_before_a_crash_may_be_refused_then(
    accounts: Accounts, home: Path, server: TokenServer
) -> None:
    """Oura has ended the refresh token with it: that is the end of the story too."""
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    accounts.add("ada", refresh_token="refresh-1", access_token="a", expires_at=expires_at)
    accounts.disconnect("ada")
    assert alone(_die_before_forgetting, home, server.url) == DIED
    assert (home / "told").read_text(encoding="utf-8") == "a refresh-1"
    told = Told()
    _revoke(accounts, server, told)
    assert told == [("a", "refresh-1")]
    assert accounts.to_revoke() == []
