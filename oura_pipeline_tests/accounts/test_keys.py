"""The key that encrypts tokens is changed, whatever happens meanwhile."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import event

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import TokenPair
from oura_pipeline_tests.accounts.homes import (
    FRESH,
    ON_SQLITE,
    address_of,
    alone,
    at_once,
    change,
    opened,
)
from oura_pipeline_tests.testing.token_server import token_pair

KILLED = 42


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, a consent and a sign-up that are under way."""
    accounts.people.add("ada", SignIn(refresh_token="r1", access_token="a1"))
    accounts.consents.begin("state", verifier="v", browser="b", invite="i")
    accounts.sign_ups.begin(SignIn(refresh_token="r2", oura_id="id-bob"), invite="i")
    return accounts


def _keys(home: Path) -> list[str]:
    return (home / "token.key").read_text(encoding="utf-8").split()


def _secrets(home: Path) -> list[str]:
    """Everything that is encrypted in the database."""
    database = Database(address_of(home))
    with database.reading() as connection:
        secrets = [
            secret
            for query in (
                "SELECT refresh_token, access_token FROM tokens",
                "SELECT verifier, browser, invite FROM consents",
                "SELECT refresh_token, access_token, invite FROM sign_ups",
            )
            for row in connection.exec_driver_sql(query)
            for secret in row
            if secret is not None
        ]
    database.close()
    return secrets


def _stored(home: Path) -> list[str]:
    """All secrets, opened with the newest key alone."""
    fernet = Fernet(_keys(home)[0])
    return sorted(fernet.decrypt(secret).decode() for secret in _secrets(home))


def _token(accounts: Accounts) -> str:
    return accounts.tokens.get("ada", _renew).access_token()


def _renew(refresh_token: str, _: str | None) -> TokenPair:
    return token_pair(f"a-{refresh_token}", f"{refresh_token}+")


def test_the_key_file_holds_a_new_key_that_opens_everything(ada: Accounts, home: Path) -> None:
    [old] = _keys(home)
    assert list(ada.keys.rotate()) == [
        f"Added a new key to {home / 'token.key'}.",
        "Encrypted the tokens of 1 person with it.",
        "Removed the old key.",
    ]
    [new] = _keys(home)
    assert new != old
    assert _stored(home) == ["a1", "b", "i", "i", "r1", "r2", "v"]
    for secret in _secrets(home):
        with pytest.raises(InvalidToken):
            Fernet(old).decrypt(secret)
    assert (home / "token.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.glob(".*")] == []


def test_whoever_has_the_accounts_open_goes_on(ada: Accounts, home: Path) -> None:
    """They read what is encrypted with the new key, and encrypt with it."""
    with opened(home) as other:
        list(other.keys.rotate())
    assert _token(ada) == "a1"
    assert ada.tokens.get("ada", _renew).renew("a1") == "a-r1"
    assert ada.consents.take("state") is not None
    assert _stored(home) == ["a-r1", "i", "r1+", "r2"]


def test_whoever_has_read_what_two_rotations_overtake_reads_once_more(
    ada: Accounts, home: Path
) -> None:
    """Their keys are those from before the first; what they read has the key between the two."""
    with opened(home) as other:
        list(other.keys.rotate())
        tokens = ada.tokens.get("ada", _renew)

        @event.listens_for(ada._database._engine, "checkin", once=True)
        def _rotate(*_: Any) -> None:
            list(other.keys.rotate())

        assert tokens.access_token() == "a1"


@ON_SQLITE
def test_a_key_file_behind_a_link_is_replaced_where_it_is(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "secrets" / "key"
    real.parent.mkdir(mode=0o700)
    home.mkdir(mode=0o700)
    (home / "token.key").symlink_to(real)
    real.touch(mode=0o600)
    real.write_text(Fernet.generate_key().decode(), encoding="utf-8")
    with opened(home) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r1"))
        list(accounts.keys.rotate())
    assert (home / "token.key").is_symlink()
    assert _stored(home) == ["r1"]


def test_everybody_keeps_what_is_theirs(ada: Accounts, home: Path) -> None:
    ada.people.add("bob", SignIn(refresh_token="r3", access_token="a3"))
    ada.consents.begin("state-2", verifier="v2", browser="b2", invite="i2")
    ada.sign_ups.begin(SignIn(refresh_token="r4", access_token="a4"), invite="i4")
    old = _secrets(home)
    expected = ["a1", "a3", "a4", "b", "b2", "i", "i", "i2", "i4"]
    expected += ["r1", "r2", "r3", "r4", "v", "v2"]
    list(ada.keys.rotate())
    assert not {*old} & {*_secrets(home)}
    assert _stored(home) == sorted(expected)


def _rotate_and_die(home: Path, after: int) -> None:
    steps = opened(home).keys.rotate()
    for _ in range(after):
        next(steps)
    os._exit(KILLED)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_rotation_that_dies_between_two_steps_loses_nothing(
    ada: Accounts, home: Path, after: int
) -> None:
    """Also for whoever opens the accounts after it; and the next rotation removes all old keys."""
    before = _keys(home)
    assert alone(_rotate_and_die, home, after) == KILLED
    with opened(home) as other:
        assert _token(other) == "a1"
        list(other.keys.rotate())
    assert len(_keys(home)) == 1
    assert not set(before) & set(_keys(home))
    assert _stored(home) == ["a1", "b", "i", "i", "r1", "r2", "v"]


def _rotate_for_ever(home: Path) -> None:
    with opened(home) as accounts:
        while True:
            list(accounts.keys.rotate())


def test_a_rotation_that_is_killed_anywhere_loses_nothing(ada: Accounts, home: Path) -> None:
    chance = random.Random(7)
    for _ in range(8):
        before = _keys(home)
        process = FRESH.Process(target=_rotate_for_ever, args=(home,))
        process.start()
        deadline = time.monotonic() + 30
        while _keys(home) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.05)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        process.close()
        with opened(home) as other:
            assert _token(other) == "a1"
    list(ada.keys.rotate())
    assert _stored(home) == ["a1", "b", "i", "i", "r1", "r2", "v"]
    assert [path.name for path in home.glob(".*")] == []


def _rotate_or_renew(home: Path, number: int) -> str:
    with opened(home) as accounts:
        if number < 2:
            for _ in range(10):
                list(accounts.keys.rotate())
            return "rotated"
        tokens = accounts.tokens.get("ada", _renew)
        for _ in range(10):
            tokens.renew(tokens.access_token())
        return "renewed"


def test_nothing_is_lost_when_two_rotate_and_others_renew_meanwhile(
    ada: Accounts, home: Path
) -> None:
    results = at_once(4, _rotate_or_renew, home)
    assert results == ["rotated", "rotated", "renewed", "renewed"]
    assert len(_keys(home)) == 1
    assert "b" in _stored(home)
    with opened(home) as other:
        assert _token(other).startswith("a-r1+")


def test_keys_of_the_settings_are_left_to_whoever_set_them(home: Path) -> None:
    old, older, new = (Fernet.generate_key().decode() for _ in range(3))
    with opened(home, [older]) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r1"))
    with opened(home, [new, old, older]) as accounts:
        assert list(accounts.keys.rotate()) == [
            "Encrypted the tokens of 1 person with the first key in OURA_TOKEN_KEY.",
            "Nothing needs the last 2 keys in OURA_TOKEN_KEY any more; remove what is old there.",
        ]
    with opened(home, [new]) as accounts:
        assert list(accounts.keys.rotate()) == [
            "Encrypted the tokens of 1 person with the first key in OURA_TOKEN_KEY.",
            "It is the only one. To change it, put a new one in front of it "
            "(`oura-pipeline key new`), restart everything and do this again.",
        ]
    assert not (home / "token.key").exists()


def test_tokens_that_no_key_opens_stop_it_before_anything_changes(
    ada: Accounts, home: Path
) -> None:
    ada.people.add("bob", SignIn(refresh_token="r3"))
    lost = Fernet(Fernet.generate_key()).encrypt(b"r3").decode()
    change(home, f"UPDATE tokens SET refresh_token = '{lost}' WHERE username = 'bob'")
    keys, secrets = _keys(home), _secrets(home)
    with pytest.raises(KeyRefused, match="opens the stored tokens"):
        list(ada.keys.rotate())
    assert (_keys(home), _secrets(home)) == (keys, secrets)
