"""Renewals that die half-way, in processes that are really killed."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline_tests.accounts.homes import FRESH, ON_SQLITE, alone, opened
from oura_pipeline_tests.testing.token_server import TokenServer, renewer

DIED = 42


class _Deadly(str):
    """A token that kills the process when it is about to be saved."""

    def encode(self, *_: Any) -> bytes:
        os._exit(DIED)


class _DeadlyScopes(frozenset[str]):
    """Scopes that kill the process when the transaction that saves them is about to end."""

    def __iter__(self) -> Iterator[str]:
        os._exit(DIED)


def _renew(home: Path, url: str) -> None:
    opened(home).tokens.get("ada", renewer(url)).access_token()


def _die_before_asking(home: Path, _: str) -> None:
    def renew(*_: Any) -> TokenPair:
        os._exit(DIED)

    opened(home).tokens.get("ada", renew).access_token()


def _die_before_saving(home: Path, url: str) -> None:
    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        return replace(renewer(url)(refresh_token, token_url), access_token=_Deadly("access-2"))

    opened(home).tokens.get("ada", renew).access_token()


def _die_before_committing(home: Path, url: str) -> None:
    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        return replace(renewer(url)(refresh_token, token_url), scopes=_DeadlyScopes(["daily"]))

    opened(home).tokens.get("ada", renew).access_token()


def _die_before_marking(home: Path, _: str) -> None:
    class DyingRefusal(SignInRequired):
        def __str__(self) -> str:
            os._exit(DIED)

    def renew(*_: Any) -> TokenPair:
        raise DyingRefusal

    opened(home).tokens.get("ada", renew).access_token()


def _die_before_using(home: Path, url: str) -> None:
    opened(home).tokens.get("ada", renewer(url)).access_token()
    os._exit(DIED)


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, who has a refresh token only."""
    accounts.people.add("ada", SignIn(refresh_token="refresh-1"))
    return accounts


@ON_SQLITE
def test_dying_before_the_renewal_is_announced_costs_nothing(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    """With the lock in hand, which nobody waits for then; and nothing was interrupted."""
    with closing(sqlite3.connect(home / "accounts.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # whoever announces waits for this
        process = FRESH.Process(target=_renew, args=(home, server.url))
        process.start()
        deadline = time.monotonic() + 30
        while not list(home.glob("accounts.sqlite.renewal-*.lock")):
            assert time.monotonic() < deadline
            Event().wait(0.01)
        process.kill()
        process.join()
        other.execute("ROLLBACK")
    tokens = ada.tokens.get("ada", renewer(server.url))
    assert tokens.access_token() == "access-2"
    assert server.requests == ["refresh-1"]
    server.current = 7
    with pytest.raises(
        SignInRequired, match=r"again: Oura refused to renew their tokens: invalid_grant$"
    ):
        tokens.renew("access-2")


@pytest.mark.parametrize("die", [_die_before_asking, _die_before_marking])
def test_dying_before_oura_has_answered_costs_nothing(
    ada: Accounts, home: Path, server: TokenServer, die: Any
) -> None:
    assert alone(die, home, server.url) == DIED
    assert ada.people.get("ada").state is PersonState.CONNECTED
    tokens = ada.tokens.get("ada", renewer(server.url))
    assert tokens.access_token() == "access-2"
    assert server.requests == ["refresh-1"]


@pytest.mark.parametrize("die", [_die_before_saving, _die_before_committing])
def test_dying_between_the_answer_and_the_commit_is_tried_once_more_and_explained(
    ada: Accounts, home: Path, server: TokenServer, die: Any
) -> None:
    """The only token there is was used up: after one more try the person must sign in again."""
    assert alone(die, home, server.url) == DIED
    assert ada.people.get("ada").state is PersonState.CONNECTED
    tokens = ada.tokens.get("ada", renewer(server.url))
    for _ in range(2):
        with pytest.raises(
            SignInRequired, match=r"^must sign in again: a renewal of .* interrupted"
        ):
            tokens.access_token()
    assert server.requests == ["refresh-1", "refresh-1"]
    person = ada.people.get("ada")
    assert person.state is PersonState.SIGN_IN_REQUIRED
    assert person.error is not None
    assert person.error.endswith("was interrupted and Oura refused to repeat it: invalid_grant")


def test_dying_between_the_answer_and_the_commit_is_healed_where_oura_is_lenient(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    assert alone(_die_before_saving, home, server.url) == DIED
    server.current = 1
    tokens = ada.tokens.get("ada", renewer(server.url))
    assert tokens.access_token() == "access-2"
    server.current = 7
    with pytest.raises(
        SignInRequired, match=r"again: Oura refused to renew their tokens: invalid_grant$"
    ):
        tokens.renew("access-2")


def test_dying_after_the_commit_costs_nothing(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    assert alone(_die_before_using, home, server.url) == DIED
    tokens = ada.tokens.get("ada", renewer(server.url))
    assert (tokens.access_token(), tokens.renew("access-2")) == ("access-2", "access-3")
    assert server.requests == ["refresh-1", "refresh-2"]


def test_a_timeout_counts_as_an_interruption(ada: Accounts, server: TokenServer) -> None:
    """Oura may have renewed although nobody heard of it."""

    def unheard(refresh_token: str, token_url: str | None) -> TokenPair:
        renewer(server.url)(refresh_token, token_url)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ada.tokens.get("ada", unheard).access_token()
    with pytest.raises(SignInRequired, match="interrupted and Oura refused to repeat it"):
        ada.tokens.get("ada", renewer(server.url)).access_token()
