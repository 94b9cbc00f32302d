"""Taking over people from the Go replicator's file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import ImportRefused
from oura_pipeline.accounts.go_replicator import Import
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import TokenPair
from oura_pipeline_tests.accounts.homes import looks_like_an_id


def _entry(number: int = 1, **token: Any) -> dict[str, Any]:
    return {
        "Name": f"Person {number}",
        "OauthToken": {
            "access_token": f"access-{number}",
            "token_type": "bearer",
            "refresh_token": f"refresh-{number}",
            "expiry": "2036-02-03T14:05:06.123456789+02:00",
            **token,
        },
        "PI": {"id": f"id-{number}", "age": 36, "email": "person@example.com"},
        "LastUse": "2026-01-01T00:00:00Z",
    }


def _file(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "user_creds.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_everybody_in_the_file_is_connected(accounts: Accounts, tmp_path: Path) -> None:
    path = _file(tmp_path, {"ada": _entry(1), "bob": _entry(2)})
    assert accounts.go_replicator.load(path) == Import(imported={"ada": "ada", "bob": "bob"})
    ada, bob = accounts.people.all()
    assert ada == Person(
        username="ada",
        id=ada.id,
        oura_id="id-1",
        name="Person 1",
        scopes=None,
        state=PersonState.CONNECTED,
        connected_since=ada.connected_since,
        renewed_at=None,
        expires_at=datetime(2036, 2, 3, 12, 5, 6, 123456, tzinfo=UTC),
        token_url=None,
        error=None,
        joined_at=ada.connected_since,
        state_since=ada.connected_since,
        sync_asked_at=None,
        notified_at=None,
    )
    assert looks_like_an_id(ada.id)
    assert looks_like_an_id(bob.id)
    assert (bob.username, bob.oura_id) == ("bob", "id-2")
    assert _tokens_of(accounts, "ada") == ("access-1", "refresh-1")


def test_what_go_does_not_know_is_not_known(accounts: Accounts, tmp_path: Path) -> None:
    """Go's time of the year 1 is no expiry in the past, and an empty text is none."""
    ada = _entry(1, expiry="0001-01-01T00:00:00Z") | {"Name": "", "PI": {"id": ""}}
    bob = {"OauthToken": {"refresh_token": "r", "access_token": ""}, "PI": None}
    accounts.go_replicator.load(_file(tmp_path, {"ada": ada, "bob": bob}))
    for person in accounts.people.all():
        assert (person.oura_id, person.name, person.expires_at) == (None, None, None)
    assert _tokens_of(accounts, "ada") == ("access-1", "refresh-1")
    assert _tokens_of(accounts, "bob") == (None, "r")


def test_people_who_are_here_are_reported_and_left_alone(
    accounts: Accounts, tmp_path: Path
) -> None:
    """They are known by their username or by Oura's id of them."""
    accounts.people.add("ada", SignIn(refresh_token="mine"))
    accounts.people.add("lovelace", SignIn(refresh_token="mine", oura_id="id-2"))
    accounts.people.add("cyd", SignIn(refresh_token="mine", oura_id="id-of-another-one"))
    before = accounts.people.all()
    path = _file(tmp_path, {"ada": _entry(1), "countess": _entry(2), "cyd": _entry(3)})
    assert accounts.go_replicator.load(path) == Import(
        existing={"ada": "ada", "countess": "lovelace"},
        skipped={"cyd": "cyd is here with another Oura account; rename one of them"},
    )
    assert accounts.people.all() == before
    assert _tokens_of(accounts, "ada")[1] == "mine"


def test_importing_twice_adds_nobody_twice(accounts: Accounts, tmp_path: Path) -> None:
    path = _file(tmp_path, {"ada": _entry(1), "Bob B.": _entry(2)})
    first = accounts.go_replicator.load(path)
    assert first == Import(imported={"ada": "ada", "Bob B.": "bob_b"})
    before = accounts.people.all()
    assert accounts.go_replicator.load(path) == Import(existing=dict(first.imported))
    assert accounts.people.all() == before


def test_names_that_are_no_usernames_are_changed_where_that_is_unambiguous(
    accounts: Accounts, tmp_path: Path
) -> None:
    accounts.people.add("eve", SignIn(refresh_token="r"))
    names = ["Ada", "Bob!", "bob", "C d", "c_d", "C-D?", "Eve", "Al", "F f", "f/f"]
    path = _file(tmp_path, {name: _entry(number) for number, name in enumerate(names)})
    taken = "would fit but is not free; give it another name in the file"
    assert accounts.go_replicator.load(path) == Import(
        imported={"Ada": "ada", "bob": "bob", "c_d": "c_d", "C-D?": "c-d"},
        skipped={
            "Bob!": f"bob {taken}",
            "C d": f"c_d {taken}",
            "Eve": f"eve {taken}",
            "Al": "no username can be made of it; give it another name in the file",
            "F f": f"f_f {taken}",
            "f/f": f"f_f {taken}",
        },
    )
    assert [person.username for person in accounts.people.all()] == [
        "ada",
        "bob",
        "c-d",
        "c_d",
        "eve",
    ]


def test_one_bad_entry_stops_all_and_each_is_named(accounts: Accounts, tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        {
            "ada": _entry(1),
            "bob": {"Name": "Bob"},
            "cyd": _entry(3, refresh_token=""),
            "dan": _entry(4, expiry="yesterday"),
            "eve": _entry(5, expiry="2026-01-01T00:00:00"),
            "fay": "secret",
            "gus": _entry(7, access_token=["secret"]),
            "hal": _entry(8) | {"PI": "secret"},
            "ida": _entry(9),
            "joe": _entry(9),
        },
    )
    with pytest.raises(ImportRefused) as refused:
        accounts.go_replicator.load(path)
    assert refused.value.problems == (
        "bob: OauthToken is missing",
        "cyd: OauthToken.refresh_token is missing; this person must sign in again",
        "dan: OauthToken.expiry is not a time like 2026-01-31T12:00:00Z",
        "eve: OauthToken.expiry has no zone; it ends in Z or +00:00",
        "fay: it is not an object",
        "gus: access_token is not a text",
        "hal: PI is not an object",
        "ida: PI.id is the same as another person's; keep one of them",
        "joe: PI.id is the same as another person's; keep one of them",
    )
    assert str(refused.value).startswith(f"nothing was imported from {path}; correct it")
    assert "secret" not in str(refused.value)
    assert accounts.people.all() == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "it cannot be read: No such file or directory"),
        ("{", "it is not JSON"),
        ("[]", "it is not an object with one entry per person"),
    ],
)
def test_what_is_no_such_file_is_refused(
    accounts: Accounts, tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "user_creds.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ImportRefused) as refused:
        accounts.go_replicator.load(path)
    assert refused.value.problems == (problem,)


def _tokens_of(accounts: Accounts, username: str) -> tuple[str | None, str]:
    """The access token and the refresh token that are stored."""
    shown = []

    def renew(refresh_token: str, _: str | None) -> TokenPair:
        shown.append(refresh_token)
        raise TimeoutError

    tokens = accounts.tokens.get(username, renew)
    with pytest.raises(TimeoutError):
        tokens.renew(tokens._stored().access_token or "")
    return tokens._stored().access_token, shown[0]
