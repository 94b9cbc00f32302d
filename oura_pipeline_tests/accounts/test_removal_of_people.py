"""People who disconnect or leave, and the consents that go back to Oura."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline_tests.accounts.homes import alone, at_once, content, fetch, opened
from oura_pipeline_tests.testing.token_server import TokenServer, Unavailable, renewer

DIED = 42
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CONNECTED, DISCONNECTED = PersonState.CONNECTED, PersonState.DISCONNECTED
RETIRED = PersonState.RETIRED


class Told(list[tuple[str, str]]):
    """What Oura was told: the access token and the refresh token of each consent given back."""

    def __call__(self, access_token: str, refresh_token: str, _: str | None) -> None:
        self.append((access_token, refresh_token))


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, whose access token has expired, and Bob."""
    accounts.people.add(
        "ada", SignIn(refresh_token="refresh-1", access_token="access-1", expires_at=LONG_AGO)
    )
    accounts.people.add("bob", SignIn(refresh_token="r"))
    return accounts


def _never(*_: Any) -> Any:
    raise AssertionError("nobody is to be asked")


def _revoke(accounts: Accounts, server: TokenServer, revoker: Any = _never) -> None:
    accounts.removal.revoke("ada", renewer(server.url), revoker)


def test_who_disconnects_is_refused_their_tokens_and_keeps_everything_else(
    ada: Accounts, server: TokenServer
) -> None:
    ada.fetches.record([fetch("ada")])
    tokens = ada.tokens.get("ada", renewer(server.url))
    sessions = [ada.sessions.begin(timedelta(days=1), username=name) for name in ("ada", "bob")]
    ada.removal.disconnect("ada")
    assert [ada.sessions.get(one) is None for one in sessions] == [True, False]
    message = "^has disconnected; nothing is fetched until they sign in again$"
    for ask in (tokens.access_token, lambda: tokens.renew("access-1")):
        with pytest.raises(SignInRequired, match=message):
            ask()
    person = ada.people.get("ada")
    assert (person.state, person.error) == (DISCONNECTED, None)
    assert person.joined_at < person.state_since
    assert ada.fetches.find() == [fetch("ada")]
    assert (ada.removal.to_revoke(), server.requests) == (["ada"], [])


def test_who_leaves_is_refused_their_tokens(ada: Accounts, server: TokenServer) -> None:
    tokens = ada.tokens.get("ada", renewer(server.url))
    ada.removal.retire("ada")
    message = "^has left; their data is being deleted and nothing is fetched any more$"
    for _ in range(2):
        with pytest.raises(SignInRequired, match=message):
            tokens.access_token()
        _revoke(ada, server, Told())
    assert ada.people.get("ada").state is RETIRED


def test_who_leaves_is_signed_out_and_news_to_the_operator(ada: Accounts) -> None:
    """Although they were told already that somebody has to sign in again."""

    def refuse(*_: Any) -> Any:
        raise SignInRequired("invalid_grant")

    with pytest.raises(SignInRequired):
        ada.tokens.get("ada", refuse).access_token()
    ada.people.mark_notified(["ada"])
    theirs, bobs = (ada.sessions.begin(timedelta(1), username=who) for who in ("ada", "bob"))
    assert ada.people.get("ada").notified_at is not None
    ada.removal.retire("ada")
    assert ada.people.get("ada").notified_at is None
    assert ada.sessions.get(theirs) is None
    assert ada.sessions.get(bobs) is not None


def test_who_disconnects_while_a_token_is_renewed_gets_none(
    ada: Accounts, server: TokenServer
) -> None:
    """What was renewed is saved all the same: it is needed for giving the consent back."""

    def renew_late(*asked: Any) -> TokenPair:
        answer = renewer(server.url)(*asked)
        ada.removal.disconnect("ada")
        return answer

    with pytest.raises(SignInRequired, match=r"^has disconnected"):
        ada.tokens.get("ada", renew_late).access_token()
    told = Told()
    ada.removal.revoke("ada", _never, told)
    assert told == [("access-2", "refresh-2")]


def test_who_leaves_while_a_renewal_is_refused_has_left(ada: Accounts) -> None:
    """And need not sign in again."""

    def refuse_late(*_: Any) -> TokenPair:
        ada.removal.retire("ada")
        raise SignInRequired("invalid_grant")

    with pytest.raises(SignInRequired, match=r"^has left"):
        ada.tokens.get("ada", refuse_late).access_token()
    person = ada.people.get("ada")
    assert (person.state, person.error) == (RETIRED, None)


def test_a_state_keeps_its_beginning_while_it_lasts(ada: Accounts) -> None:
    for change in (ada.removal.disconnect, ada.removal.retire):
        change("ada")
        before = ada.people.get("ada")
        change("ada")
        assert ada.people.get("ada") == before
    ada.people.reconnect("bob", SignIn(refresh_token="s"))
    bob = ada.people.get("bob")
    assert bob.state_since == bob.joined_at < bob.connected_since


def test_who_disconnected_comes_back_as_they_were(ada: Accounts, server: TokenServer) -> None:
    ada.removal.disconnect("ada")
    _revoke(ada, server, Told())
    left = ada.people.get("ada")
    back = ada.people.reconnect("ada", SignIn(refresh_token="r", access_token="a"))
    assert back.state is CONNECTED
    assert back.joined_at == left.joined_at
    assert back.state_since > left.state_since
    assert ada.tokens.get("ada", _never).access_token() == "a"
    assert ada.removal.to_revoke() == []


def test_who_left_neither_comes_back_nor_disconnects(ada: Accounts) -> None:
    """Their data is being deleted, which takes a while."""
    ada.removal.retire("ada")
    before = ada.people.all()
    message = "^ada has left and their data is being deleted; wait until that is done"
    with pytest.raises(PersonRefused, match=message):
        ada.people.reconnect("ada", SignIn(refresh_token="r"))
    with pytest.raises(PersonRefused, match=message):
        ada.removal.disconnect("ada")
    assert ada.people.all() == before
    ada.removal.disconnect("bob")
    assert ada.people.get("bob").state is DISCONNECTED


def test_nobody_strange_goes(ada: Accounts) -> None:
    def revoke(username: str) -> None:
        ada.removal.revoke(username, _never, _never)

    for go in (ada.removal.disconnect, ada.removal.retire, revoke):
        with pytest.raises(UnknownPerson, match=r"^there is no person 'eve'; known are: ada, bob$"):
            go("eve")


def test_a_consent_is_given_back_with_a_token_that_works(
    accounts: Accounts, server: TokenServer
) -> None:
    """Without a renewal where there is one already."""
    accounts.people.add("ada", SignIn(refresh_token="refresh-1", access_token="access-1"))
    accounts.removal.disconnect("ada")
    told = Told()
    _revoke(accounts, server, told)
    assert (told, server.requests) == ([("access-1", "refresh-1")], [])
    assert accounts.removal.to_revoke() == []
    _revoke(accounts, server)


def test_an_expired_token_is_renewed_and_saved_before_it_gives_the_consent_back(
    ada: Accounts, server: TokenServer, home: Path
) -> None:
    """Also one that lives for no time at all."""
    server.lifetime = 0
    ada.removal.retire("ada")
    seen = []

    def look(access_token: str, refresh_token: str, _: str | None) -> None:
        with opened(home) as others:
            expires_at = others.people.get("ada").expires_at
            seen.append((access_token, refresh_token, expires_at is not None))
            assert expires_at != LONG_AGO

    _revoke(ada, server, look)
    assert seen == [("access-2", "refresh-2", True)]
    assert (server.requests, ada.removal.to_revoke()) == (["refresh-1"], [])


def test_a_consent_that_is_gone_already_needs_no_giving_back(
    ada: Accounts, server: TokenServer
) -> None:
    ada.removal.disconnect("ada")
    server.current = 7
    _revoke(ada, server)
    assert ada.removal.to_revoke() == []
    assert ada.people.get("ada").state is DISCONNECTED


def test_trouble_at_oura_leaves_the_tokens_for_the_next_time(
    ada: Accounts, server: TokenServer
) -> None:
    ada.removal.disconnect("ada")
    server.status = 503
    with pytest.raises(Unavailable):
        _revoke(ada, server)
    server.status = None

    def out_of_order(*_: str) -> None:
        raise Unavailable("status 503")

    with pytest.raises(Unavailable):
        _revoke(ada, server, out_of_order)
    assert ada.removal.to_revoke() == ["ada"]
    told = Told()
    _revoke(ada, server, told)
    assert told == [("access-2", "refresh-2")]
    assert ada.removal.to_revoke() == []


def test_a_token_that_oura_does_not_know_is_renewed_before_it_counts_as_gone(
    accounts: Accounts, server: TokenServer
) -> None:
    """It may only have expired; a renewal that works says that the consent is not given back."""
    accounts.people.add("ada", SignIn(refresh_token="refresh-1", access_token="access-1"))
    accounts.removal.disconnect("ada")
    told = Told()

    def unknown(access_token: str, refresh_token: str, token_url: str | None) -> None:
        told(access_token, refresh_token, token_url)
        if access_token == "access-1" or server.current > 2:
            raise SignInRequired("401")

    _revoke(accounts, server, unknown)
    assert told == [("access-1", "refresh-1"), ("access-2", "refresh-2")]
    assert accounts.removal.to_revoke() == []


def test_a_token_that_oura_never_knows_is_not_given_back(
    accounts: Accounts, server: TokenServer
) -> None:
    accounts.people.add("ada", SignIn(refresh_token="refresh-1", access_token="access-1"))
    accounts.removal.disconnect("ada")
    with pytest.raises(SignInRequired):
        _revoke(accounts, server, _refuse)
    assert (accounts.removal.to_revoke(), server.requests) == (["ada"], ["refresh-1"])
    server.current = 7  # the consent is gone, which only the renewal tells
    _revoke(accounts, server, _refuse)
    assert accounts.removal.to_revoke() == []


def test_why_a_consent_is_not_given_back_is_kept_until_it_is(
    ada: Accounts, server: TokenServer
) -> None:
    """With somebody who disconnected and with somebody who was deleted."""
    ada.removal.retire("ada")
    ada_id, bob_id = (ada.people.get(name).id for name in ("ada", "bob"))
    ada.removal.disconnect("bob")
    ada.removal.not_revoked(ada_id, "Oura is away")
    ada.removal.not_revoked(bob_id, "Oura is busy")
    ada.removal.delete("ada")
    assert [(u.id, u.username, u.reason) for u in ada.removal.unrevoked()] == [
        (bob_id, "bob", "Oura is busy"),
        (ada_id, None, "Oura is away"),
    ]
    ada.removal.revoke("bob", _refuse, _never)
    assert ada.people.get("bob").error is None
    ada.people.reconnect("bob", SignIn(refresh_token="r"))
    ada.removal.not_revoked(bob_id, "too late")
    assert ada.people.get("bob").error is None


def test_tokens_of_the_deleted_are_kept_until_they_are_given_back(
    ada: Accounts, server: TokenServer, home: Path
) -> None:
    """Encrypted, under an id; nobody is there any more, and then nothing is."""
    oura_id = "oura-id-of-hers"
    ada.people.identify("ada", oura_id)
    ada.removal.retire("ada")
    assert ada.removal.delete("ada")
    assert [person.username for person in ada.people.all()] == ["bob"]
    assert list(ada.people.usernames_by_id().values()) == ["bob"]
    assert not any(text in content(home) for text in (oura_id.encode(), b"refresh-1"))
    [gone] = ada.removal.unrevoked()
    for go in (ada.people.get, ada.removal.retire, ada.removal.disconnect):
        with pytest.raises(UnknownPerson, match=r"; known are: bob$"):
            go(gone.id)
    server.status = 503
    with pytest.raises(Unavailable):
        ada.removal.revoke_gone(gone.id, renewer(server.url), _never)
    assert [some.id for some in ada.removal.unrevoked()] == [gone.id]
    server.status, told = None, Told()
    list(ada.keys.rotate())
    ada.removal.revoke_gone(gone.id, renewer(server.url), told)
    assert told == [("access-2", "refresh-2")]
    assert ada.removal.unrevoked() == []
    assert gone.id.encode() not in content(home)
    assert [person.username for person in ada.people.all()] == ["bob"]


def test_who_comes_back_keeps_the_new_consent(ada: Accounts) -> None:
    """Revoking the old one might end the new one; by whichever way they come."""
    for username in ("ada", "bob"):
        ada.people.identify(username, f"id-{username}")
        ada.removal.retire(username)
        ada.removal.delete(username)
    ada.people.add("eve", SignIn(refresh_token="r", oura_id="id-eve"))
    assert len(ada.removal.unrevoked()) == 2
    ada.people.add("ada", SignIn(refresh_token="r", oura_id="id-ada"))
    assert len(ada.removal.unrevoked()) == 1
    ada.sign_ups.begin(SignIn(refresh_token="r", oura_id="id-bob"), invite=None)
    assert ada.removal.unrevoked() == []


def test_who_turns_out_to_be_back_keeps_the_new_consent(ada: Accounts) -> None:
    """Whose account it is was not known when they were added; the next sign-in may tell it."""
    for username in ("ada", "bob"):
        ada.people.identify(username, f"id-{username}")
        ada.removal.retire(username)
        ada.removal.delete(username)
    for username in ("eve", "fay"):
        ada.people.add(username, SignIn(refresh_token="r"))
    assert len(ada.removal.unrevoked()) == 2
    ada.people.identify("eve", "id-ada")
    assert len(ada.removal.unrevoked()) == 1
    ada.people.reconnect("fay", SignIn(refresh_token="s", oura_id="id-bob"))
    assert ada.removal.unrevoked() == []


def test_who_leaves_twice_has_one_consent_to_give_back(ada: Accounts) -> None:
    """The newest; whose account it is may have become known late."""
    for refresh_token in ("r1", "r2"):
        ada.people.add("cyd", SignIn(refresh_token=refresh_token, access_token="a"))
        ada.people.identify("cyd", "id-cyd")
        ada.removal.retire("cyd")
        assert ada.removal.delete("cyd")
    told = Told()
    [gone] = ada.removal.unrevoked()
    ada.removal.revoke_gone(gone.id, _never, told)
    assert told == [("a", "r2")]


def test_who_is_connected_keeps_their_consent(ada: Accounts, server: TokenServer) -> None:
    _revoke(ada, server)
    assert (ada.removal.to_revoke(), server.requests) == ([], [])


def test_those_whose_consent_is_to_be_given_back_are_listed(ada: Accounts) -> None:
    """Also somebody who would have had to sign in again: their access token may still work."""
    ada.people.add("cyd", SignIn(refresh_token="r", access_token="a"))
    with pytest.raises(SignInRequired):
        ada.tokens.get("cyd", _refuse).renew("a")
    ada.removal.disconnect("cyd")
    ada.removal.retire("ada")
    assert ada.removal.to_revoke() == ["ada", "cyd"]
    told = Told()
    ada.removal.revoke("cyd", _never, told)
    assert (told, ada.removal.to_revoke()) == ([("a", "r")], ["ada"])


def _refuse(*_: Any) -> TokenPair:
    raise SignInRequired("invalid_grant")


@pytest.mark.parametrize("at", ["renewing", "refusing", "giving back"])
def test_signing_in_while_the_old_consent_is_given_back_keeps_the_new_tokens(
    ada: Accounts, server: TokenServer, at: str
) -> None:
    ada.removal.disconnect("ada")

    def renew(*asked: Any) -> TokenPair:
        answer = renewer(server.url)(*asked)
        if at != "giving back":
            ada.people.reconnect("ada", SignIn(refresh_token="new-r", access_token="new-a"))
        if at == "refusing":
            raise SignInRequired("invalid_grant")
        return answer

    def give_back(*_: str) -> None:
        assert at == "giving back"
        ada.people.reconnect("ada", SignIn(refresh_token="new-r", access_token="new-a"))

    ada.removal.revoke("ada", renew, give_back)
    assert ada.people.get("ada").state is CONNECTED
    assert ada.tokens.get("ada", _never).access_token() == "new-a"


def _revoke_at_once(home: Path, url: str, number: int) -> list[tuple[str, str]]:
    told = Told()
    with opened(home) as accounts:
        accounts.removal.revoke("ada", renewer(url), told)
    return told


def test_of_several_who_give_a_consent_back_at_once_one_does(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    ada.removal.retire("ada")
    told = at_once(4, _revoke_at_once, home, server.url)
    assert sorted(told) == [[], [], [], [("access-2", "refresh-2")]]
    assert server.requests == ["refresh-1"]


def _die(*_: Any) -> Any:
    os._exit(DIED)


def _die_before_asking(home: Path, _: str) -> None:
    opened(home).removal.revoke("ada", _die, _never)


def _die_before_saving(home: Path, url: str) -> None:
    def renew(*asked: Any) -> Any:
        renewer(url)(*asked)
        os._exit(DIED)

    opened(home).removal.revoke("ada", renew, _never)


def _die_before_giving_back(home: Path, url: str) -> None:
    opened(home).removal.revoke("ada", renewer(url), _die)


def _die_before_forgetting(home: Path, url: str) -> None:
    def give_back(access_token: str, refresh_token: str, _: str | None) -> None:
        (home / "told").write_text(f"{access_token} {refresh_token}", encoding="utf-8")
        os._exit(DIED)

    opened(home).removal.revoke("ada", renewer(url), give_back)


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
    ada.removal.retire("ada")
    assert alone(die, home, server.url) == DIED
    assert (ada.removal.to_revoke(), ada.people.get("ada").state) == (["ada"], RETIRED)
    told = Told()
    _revoke(ada, server, told)
    assert (told, server.requests) == (told_next, asked)
    assert (ada.removal.to_revoke(), ada.people.get("ada").state) == ([], RETIRED)


def test_a_consent_that_was_given_back_before_a_crash_may_be_refused_then(
    accounts: Accounts, home: Path, server: TokenServer
) -> None:
    """Oura has ended the refresh token with it: that is the end of the story too."""
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    accounts.people.add(
        "ada", SignIn(refresh_token="refresh-1", access_token="a", expires_at=expires_at)
    )
    accounts.removal.disconnect("ada")
    assert alone(_die_before_forgetting, home, server.url) == DIED
    assert (home / "told").read_text(encoding="utf-8") == "a refresh-1"
    told = Told()
    _revoke(accounts, server, told)
    assert told == [("a", "refresh-1")]
    assert accounts.removal.to_revoke() == []
