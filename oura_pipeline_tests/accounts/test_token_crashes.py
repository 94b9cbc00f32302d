"""Renewals that die half-way, in processes that are really killed."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import FRESH, alone, opened
from oura_pipeline_tests.testing.token_server import Answer, Refused, TokenServer, renewer

DIED = 42


class _DyingAnswer:
    """An answer that kills the process when it is about to be saved."""

    refresh_token = "refresh-2"
    expires_at: datetime | None = None
    scopes: frozenset[str] | None = None
    token_url: str | None = None

    @property
    def access_token(self) -> str:
        os._exit(DIED)


class _HalfSavedAnswer:
    """An answer that kills the process when the transaction that saves it is about to end."""

    access_token = "access-2"
    refresh_token = "refresh-2"
    expires_at: datetime | None = None
    token_url: str | None = None

    @property
    def scopes(self) -> frozenset[str] | None:
        os._exit(DIED)


def _renew(home: Path, url: str) -> None:
    opened(home).tokens("ada", renewer(url), refused=Refused).access_token()


def _die_before_asking(home: Path, _: str) -> None:
    def renew(*_: Any) -> Answer:
        os._exit(DIED)

    opened(home).tokens("ada", renew, refused=Refused).access_token()


def _die_before_saving(home: Path, url: str) -> None:
    def renew(refresh_token: str, token_url: str | None) -> _DyingAnswer:
        renewer(url)(refresh_token, token_url)
        return _DyingAnswer()

    opened(home).tokens("ada", renew, refused=Refused).access_token()


def _die_before_committing(home: Path, url: str) -> None:
    def renew(refresh_token: str, token_url: str | None) -> _HalfSavedAnswer:
        renewer(url)(refresh_token, token_url)
        return _HalfSavedAnswer()

    opened(home).tokens("ada", renew, refused=Refused).access_token()


def _die_before_marking(home: Path, _: str) -> None:
    class DyingRefusal(Refused):
        def __str__(self) -> str:
            os._exit(DIED)

    def renew(*_: Any) -> Answer:
        raise DyingRefusal

    opened(home).tokens("ada", renew, refused=Refused).access_token()


def _die_before_using(home: Path, url: str) -> None:
    opened(home).tokens("ada", renewer(url), refused=Refused).access_token()
    os._exit(DIED)


@pytest.fixture
def ada(accounts: Accounts) -> Accounts:
    """Ada, who has a refresh token only."""
    accounts.add("ada", refresh_token="refresh-1")
    return accounts


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
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    assert tokens.access_token() == "access-2"
    assert server.requests == ["refresh-1"]
    server.current = 7
    with pytest.raises(Refused, match=r"again: Oura refused to renew their tokens: invalid_grant$"):
        tokens.renew("access-2")


@pytest.mark.parametrize("die", [_die_before_asking, _die_before_marking])
def test_dying_before_oura_has_answered_costs_nothing(
    ada: Accounts, home: Path, server: TokenServer, die: Any
) -> None:
    assert alone(die, home, server.url) == DIED
    assert ada.person("ada").state is PersonState.CONNECTED
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    assert tokens.access_token() == "access-2"
    assert server.requests == ["refresh-1"]


@pytest.mark.parametrize("die", [_die_before_saving, _die_before_committing])
def test_dying_between_the_answer_and_the_commit_is_tried_once_more_and_explained(
    ada: Accounts, home: Path, server: TokenServer, die: Any
) -> None:
    """The only token there is was used up: after one more try the person must sign in again."""
    assert alone(die, home, server.url) == DIED
    assert ada.person("ada").state is PersonState.CONNECTED
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    for _ in range(2):
        with pytest.raises(Refused, match=r"^ada must sign in again: a renewal of .* interrupted"):
            tokens.access_token()
    assert server.requests == ["refresh-1", "refresh-1"]
    person = ada.person("ada")
    assert person.state is PersonState.SIGN_IN_REQUIRED
    assert person.error is not None
    assert person.error.endswith("was interrupted and Oura refused to repeat it: invalid_grant")


def test_dying_between_the_answer_and_the_commit_is_healed_where_oura_is_lenient(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    assert alone(_die_before_saving, home, server.url) == DIED
    server.current = 1
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    assert tokens.access_token() == "access-2"
    server.current = 7
    with pytest.raises(Refused, match=r"again: Oura refused to renew their tokens: invalid_grant$"):
        tokens.renew("access-2")


def test_dying_after_the_commit_costs_nothing(
    ada: Accounts, home: Path, server: TokenServer
) -> None:
    assert alone(_die_before_using, home, server.url) == DIED
    tokens = ada.tokens("ada", renewer(server.url), refused=Refused)
    assert (tokens.access_token(), tokens.renew("access-2")) == ("access-2", "access-3")
    assert server.requests == ["refresh-1", "refresh-2"]


def test_a_timeout_counts_as_an_interruption(ada: Accounts, server: TokenServer) -> None:
    """Oura may have renewed although nobody heard of it."""

    def unheard(refresh_token: str, token_url: str | None) -> Answer:
        renewer(server.url)(refresh_token, token_url)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ada.tokens("ada", unheard, refused=Refused).access_token()
    with pytest.raises(Refused, match="interrupted and Oura refused to repeat it"):
        ada.tokens("ada", renewer(server.url), refused=Refused).access_token()
