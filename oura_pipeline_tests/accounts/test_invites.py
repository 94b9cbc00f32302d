"""Invites: who makes one, what it is good for and when it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from oura_pipeline.accounts.invites import Invite
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import content


def _join(accounts: Accounts, username: str, code: str) -> None:
    key = accounts.sign_ups.begin(SignIn(refresh_token="r", oura_id=username), invite=code)
    accounts.sign_ups.finish(key, username, people_limit=0, invite_required=True)


def test_a_code_is_readable_and_never_the_same(accounts: Accounts) -> None:
    """Three groups of five out of 31 characters: 74 bits."""
    codes = [accounts.invites.create() for _ in range(50)]
    assert len(set(codes)) == 50
    group = "[a-hjkmnp-z2-9]{5}"
    assert all(re.fullmatch(f"{group}-{group}-{group}", code) for code in codes)


def test_a_code_works_however_it_is_typed(accounts: Accounts) -> None:
    code = accounts.invites.create()
    for typed in (code, code.upper(), code.replace("-", ""), f" {code.replace('-', ' ')}\n"):
        assert accounts.invites.is_valid(typed)
    assert [accounts.invites.is_valid(other) for other in (code[:-1], code + "x", "")] == [
        False
    ] * 3


def test_invites_are_listed_with_who_used_them_the_newest_first(accounts: Accounts) -> None:
    before = datetime.now(UTC)
    first, second = accounts.invites.create(), accounts.invites.create(timedelta(hours=1))
    _join(accounts, "ada", first)
    newer, older = accounts.invites.all()
    assert newer == Invite(
        created_at=newer.created_at,
        expires_at=newer.created_at + timedelta(hours=1),
        used_at=None,
        username=None,
    )
    assert older == Invite(
        created_at=older.created_at,
        expires_at=older.created_at + timedelta(days=7),
        used_at=older.used_at,
        username="ada",
    )
    assert older.used_at is not None
    assert before <= older.created_at < newer.created_at < older.used_at <= datetime.now(UTC)
    assert (accounts.invites.is_valid(first), accounts.invites.is_valid(second)) == (False, True)


def test_an_invite_ends(accounts: Accounts) -> None:
    assert not accounts.invites.is_valid(accounts.invites.create(timedelta(0)))


def test_a_used_invite_stays_used_and_forgets_who_was_removed(accounts: Accounts) -> None:
    code = accounts.invites.create()
    _join(accounts, "ada", code)
    accounts.removal.delete("ada")
    (invite,) = accounts.invites.all()
    assert (invite.used_at is None, invite.username) == (False, None)
    assert not accounts.invites.is_valid(code)


def test_a_code_stands_in_no_file(home: Path, accounts: Accounts) -> None:
    code = accounts.invites.create()
    accounts.sign_ups.begin(SignIn(refresh_token="r"), invite=code)
    assert code.encode() not in content(home)
    assert code.replace("-", "").encode() not in content(home)
