"""Sign-ups: the tokens are there, the username is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.sign_ups import WaitingSignUp
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import at_once, content, looks_like_an_id, opened
from oura_pipeline_tests.accounts.times import age

EXPIRES = datetime(2036, 1, 1, tzinfo=UTC)
RULE = (
    "a username has 3 to 32 characters, lower-case letters, digits, _ and -, "
    "beginning with a letter; choose one like that"
)


def _begun(accounts: Accounts, oura_id: str | None = "id-1", invite: str | None = None) -> str:
    sign_in = SignIn(refresh_token="r", access_token=f"a-{oura_id}", oura_id=oura_id)
    return accounts.sign_ups.begin(sign_in, invite=invite)


def _finish(accounts: Accounts, key: str, username: str = "ada", **options: Any) -> Person:
    options = {"people_limit": 0, "invite_required": False} | options
    return accounts.sign_ups.finish(key, username, **options)


def _refusal(accounts: Accounts, key: str, username: str = "ada", **options: Any) -> str:
    before = accounts.people.all(), accounts.invites.all(), accounts.sign_ups.get(key)
    with pytest.raises(PersonRefused) as refused:
        _finish(accounts, key, username, **options)
    assert (accounts.people.all(), accounts.invites.all(), accounts.sign_ups.get(key)) == before
    return str(refused.value)


def _token(accounts: Accounts, username: str) -> str:
    return accounts.tokens.get(username, _never).access_token()


def _never(*_: Any) -> Any:
    raise AssertionError("nothing is to be renewed")


def test_who_chose_a_username_is_here_with_everything_they_brought(accounts: Accounts) -> None:
    before = datetime.now(UTC)
    sign_in = SignIn(
        refresh_token="r",
        access_token="a",
        expires_at=EXPIRES,
        token_url="https://example.com/token",
        scopes=["daily", "spo2"],
        oura_id="id-1",
        name="Ada Lovelace",
    )
    key = accounts.sign_ups.begin(sign_in, invite="some-code")
    waiting = accounts.sign_ups.get(key)
    assert waiting is not None
    assert waiting == WaitingSignUp(
        oura_id="id-1",
        scopes=frozenset({"daily", "spo2"}),
        invite="some-code",
        begun_at=waiting.begun_at,
    )
    ada = _finish(accounts, key)
    assert accounts.people.all() == [ada]
    assert ada == Person(
        username="ada",
        id=ada.id,
        oura_id="id-1",
        name="Ada Lovelace",
        scopes=frozenset({"daily", "spo2"}),
        state=PersonState.CONNECTED,
        connected_since=ada.connected_since,
        renewed_at=ada.renewed_at,
        expires_at=EXPIRES,
        token_url="https://example.com/token",
        error=None,
        joined_at=ada.connected_since,
        state_since=ada.connected_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert looks_like_an_id(ada.id)
    assert ada.renewed_at is not None
    assert before <= waiting.begun_at <= ada.renewed_at < ada.joined_at <= datetime.now(UTC)
    assert _token(accounts, "ada") == "a"
    assert accounts.sign_ups.get(key) is None


def test_what_oura_did_not_say_stays_unknown(accounts: Accounts) -> None:
    """Two of whom Oura said no id do not replace each other."""
    keys = [accounts.sign_ups.begin(SignIn(refresh_token="r"), invite=None) for _ in range(2)]
    for key, username in zip(keys, ("ada", "bob"), strict=True):
        person = _finish(accounts, key, username)
        assert (person.oura_id, person.scopes, person.expires_at) == (None, None, None)


@pytest.mark.parametrize("username", ["", "al", "a" * 33, "Ada", "9ada", "ada.l", "ada\n"])
def test_a_bad_username_is_answered_with_the_rule(accounts: Accounts, username: str) -> None:
    assert _refusal(accounts, _begun(accounts), username) == RULE


def test_a_username_that_is_taken_can_be_replaced_by_another_one(accounts: Accounts) -> None:
    """Also by somebody who has left and is still being deleted."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    accounts.people.add("bob", SignIn(refresh_token="r"))
    accounts.removal.retire("bob")
    key = _begun(accounts)
    for name in ("ada", "bob"):
        assert _refusal(accounts, key, name) == f"the username {name} is taken; choose another one"
    assert _finish(accounts, key, "ada2").username == "ada2"


def test_an_oura_account_that_is_here_does_not_join_again(accounts: Accounts) -> None:
    key = _begun(accounts)
    accounts.people.add("bob", SignIn(refresh_token="r", oura_id="id-1"))
    assert _refusal(accounts, key) == (
        "this Oura account is connected already; sign in with Oura to come to your page"
    )
    accounts.removal.retire("bob")
    assert _refusal(accounts, key) == (
        "the data of this Oura account is being deleted; sign in with Oura again in an hour"
    )
    accounts.removal.delete("bob")
    assert accounts.sign_ups.get(key) is None  # it went with everything of theirs


def test_a_full_house_lets_nobody_in_until_somebody_leaves(accounts: Accounts) -> None:
    """Who disconnected still counts, at Oura too; who left does not."""
    for name in ("bob", "cyd"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    accounts.removal.disconnect("bob")
    key = _begun(accounts)
    assert _refusal(accounts, key, people_limit=2) == (
        "all 2 places that Oura allows are taken; ask the operator"
    )
    accounts.removal.retire("cyd")
    assert _finish(accounts, key, people_limit=2).username == "ada"
    assert _finish(accounts, _begun(accounts, "id-2"), "eve", people_limit=0).username == "eve"


def test_where_invites_are_required_one_that_works_lets_one_person_in(accounts: Accounts) -> None:
    code = accounts.invites.create()
    first, second = _begun(accounts, "id-1", code), _begun(accounts, "id-2", code.upper())
    _finish(accounts, first, "ada", invite_required=True)
    bad = "this invite was used or has expired; ask the operator for a new one"
    assert _refusal(accounts, second, "bob", invite_required=True) == bad
    expired = _begun(accounts, "id-3", accounts.invites.create(timedelta(0)))
    assert _refusal(accounts, expired, "bob", invite_required=True) == bad
    assert _refusal(accounts, _begun(accounts, "id-4"), "bob", invite_required=True) == (
        "sign-up is by invite only; ask the operator for one"
    )


def test_where_no_invite_is_required_a_bad_one_does_no_harm(accounts: Accounts) -> None:
    """And a good one is used up."""
    code = accounts.invites.create()
    _finish(accounts, _begun(accounts, "id-1", "bad"), "ada")
    _finish(accounts, _begun(accounts, "id-2", code), "bob")
    assert [invite.username for invite in accounts.invites.all()] == ["bob"]


def test_the_newest_sign_up_of_an_oura_account_replaces_the_older(accounts: Accounts) -> None:
    old, other, new = _begun(accounts), _begun(accounts, "id-2"), _begun(accounts)
    waiting = [accounts.sign_ups.get(key) is not None for key in (old, other, new)]
    assert waiting == [False, True, True]


def test_a_sign_up_is_over_when_it_is_unknown_done_or_an_hour_old(
    home: Path, accounts: Accounts
) -> None:
    over = "this sign-up has expired or is finished already; sign in with Oura again"
    done, old = (_begun(accounts, f"id-{number}") for number in range(2))
    _finish(accounts, done)
    age(home, "sign_ups", "begun_at", timedelta(minutes=59))
    assert accounts.sign_ups.get(old) is not None
    age(home, "sign_ups", "begun_at", timedelta(minutes=1))
    for key in (done, old, "unknown"):
        assert accounts.sign_ups.get(key) is None
        assert _refusal(accounts, key, "eve") == over


@pytest.mark.parametrize("end", ["the next one", "the clock", "no"])
def test_tokens_of_a_sign_up_that_ended_are_kept_to_be_revoked(
    home: Path, accounts: Accounts, end: str
) -> None:
    """Under an id alone, which no list of people has; nothing of a younger sign-up."""
    key, past = _begun(accounts), timedelta(hours=0 if end == "no" else 1)
    age(home, "sign_ups", "begun_at", past)
    young = _begun(accounts, "id-2")
    if end == "no":
        accounts.sign_ups.cancel(key)
    elif end == "the clock":
        accounts.sign_ups.end_expired()
    age(home, "sign_ups", "begun_at", -past)
    assert [accounts.sign_ups.get(one) is None for one in (key, young)] == [True, False]
    [kept] = accounts.removal.unrevoked()
    assert (kept.username, kept.reason) == (None, "their sign-up was not finished")
    assert (accounts.people.all(), accounts.sign_ups.end_expired()) == ([], [])
    given: list[tuple[str, str]] = []
    accounts.removal.revoke_gone(kept.id, _never, lambda *tokens: given.append(tokens[:2]))
    assert (given, accounts.removal.unrevoked()) == ([("a-id-1", "r")], [])


def test_who_is_here_keeps_their_consent_when_a_sign_up_of_theirs_ends(
    home: Path, accounts: Accounts
) -> None:
    """It may be the same one at Oura. Whoever comes back keeps the new one."""
    accounts.people.add("ada", SignIn(refresh_token="r", oura_id="id-1"))
    _begun(accounts)
    _begun(accounts, "id-2")
    age(home, "sign_ups", "begun_at", timedelta(hours=1))
    assert len(accounts.sign_ups.end_expired()) == 1
    _begun(accounts, "id-2")
    assert accounts.removal.unrevoked() == []


def test_no_secret_of_a_sign_up_shows(home: Path, accounts: Accounts) -> None:
    """Neither in the files nor in a repr; the key is nowhere but with the browser."""
    sign_in = SignIn(refresh_token="secret-r", access_token="secret-a", oura_id="id-1")
    key = accounts.sign_ups.begin(sign_in, invite="secret-i")
    assert len(key) >= 43
    for part in (b"secret", key.encode()):
        assert part not in content(home)
    assert "secret" not in repr(accounts.sign_ups.get(key))


def test_a_sign_up_outlives_a_change_of_keys_and_needs_none(home: Path) -> None:
    """Where its key is gone it alone is over, and keeps nobody from opening the accounts."""
    old, new, strange = (Fernet.generate_key().decode() for _ in range(3))
    with opened(home, keys=[old]) as accounts:
        first, second = _begun(accounts, "id-1", "code"), _begun(accounts, "id-2")
    with opened(home, keys=[strange]) as accounts:
        assert accounts.sign_ups.get(first) is None
        assert "has expired" in _refusal(accounts, first)
        lost = _begun(accounts, "id-3")
    with opened(home, keys=[new, old]) as accounts:
        assert accounts.keys.reencrypt() == 0
    with opened(home, keys=[new]) as accounts:
        waiting = accounts.sign_ups.get(first)
        assert waiting is not None
        assert waiting.invite == "code"
        _finish(accounts, first)
        assert _token(accounts, "ada") == "a-id-1"
    with opened(home, keys=[strange, new]) as accounts:
        accounts.keys.reencrypt()
        assert accounts.sign_ups.get(lost) is None
        assert _finish(accounts, second, "bob").username == "bob"


def _join(home: Path, keys: list[str], usernames: list[str], limit: int, number: int) -> str:
    with opened(home) as accounts:
        options = {"people_limit": limit, "invite_required": False}
        return accounts.sign_ups.finish(keys[number], usernames[number], **options).username


def _choose_the_same(home: Path, keys: list[list[str]], number: int) -> list[str]:
    with opened(home) as accounts:
        return [_said(accounts, key, f"ada{turn}") for turn, key in enumerate(keys[number])]


def _said(accounts: Accounts, key: str, username: str) -> str:
    try:
        return _finish(accounts, key, username).username
    except PersonRefused as error:
        return str(error)


def test_of_several_who_choose_a_username_at_once_one_gets_it(
    home: Path, accounts: Accounts
) -> None:
    """Twenty times over, so that they do meet."""
    keys = [[_begun(accounts, f"id-{n}-{turn}") for turn in range(20)] for n in range(4)]
    answers = at_once(4, _choose_the_same, home, keys)
    for turn, said in enumerate(zip(*answers, strict=True)):
        taken = f"the username ada{turn} is taken; choose another one"
        assert sorted(said) == [f"ada{turn}", taken, taken, taken]


def test_of_several_who_take_the_last_place_at_once_one_gets_it(
    home: Path, accounts: Accounts
) -> None:
    accounts.people.add("ada", SignIn(refresh_token="r"))
    names = ["bob", "cyd", "dan", "eve"]
    keys = [_begun(accounts, f"id-{number}") for number in range(4)]
    results = at_once(4, _join, home, keys, names, 2)
    assert len(set(results) & set(names)) == 1
    assert len(accounts.people.all()) == 2


def test_of_several_who_use_an_invite_at_once_one_comes_in(home: Path, accounts: Accounts) -> None:
    code, names = accounts.invites.create(), ["bob", "cyd", "dan", "eve"]
    keys = [_begun(accounts, f"id-{number}", code) for number in range(4)]
    results = at_once(4, _join_invited, home, keys, names)
    assert len(set(results) & set(names)) == 1
    assert len(accounts.people.all()) == 1


def _join_invited(home: Path, keys: list[str], names: list[str], number: int) -> str:
    with opened(home) as accounts:
        return _finish(accounts, keys[number], names[number], invite_required=True).username


def test_who_is_here_gets_the_tokens_that_a_sign_up_brought(accounts: Accounts) -> None:
    """They alone, and once."""
    for number, username in enumerate(("ada", "bob"), start=1):
        sign_in = SignIn(refresh_token="r", access_token=f"old-{number}", oura_id=f"id-{number}")
        accounts.people.add(username, sign_in)
    key = _begun(accounts, "id-2")
    assert accounts.sign_ups.reconnect(key).username == "bob"
    assert [_token(accounts, name) for name in ("ada", "bob")] == ["old-1", "a-id-2"]
    with pytest.raises(PersonRefused):
        accounts.sign_ups.reconnect(key)


def test_a_stranger_is_not_reconnected(accounts: Accounts) -> None:
    """Their sign-up goes on."""
    accounts.people.add("ada", SignIn(refresh_token="r", oura_id="id-1"))
    key = _begun(accounts, "id-2")
    with pytest.raises(PersonRefused):
        accounts.sign_ups.reconnect(key)
    assert _finish(accounts, key, "bob").oura_id == "id-2"
