"""Files of people that are anything but that: one line, and nobody is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import MAX_SHOWN, ImportRefused
from oura_pipeline.accounts.store import Accounts


def person(**token: Any) -> dict[str, Any]:
    return {"OauthToken": {"refresh_token": "r"} | token}


HOSTILE = {
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "no text": bytes(range(256)),
    "half a letter": b'{"\xc3": 1}',
    "a long number": b'{"ada": ' + b"9" * 100_000 + b"}",
    "too long": b" " * 10_000_001,
    "nothing": b"",
    "surrogates": json.dumps({"a\ud800": person(refresh_token="\ud800")}).encode(),
    "a zero": json.dumps({"ada": person(refresh_token="a\0b")}).encode(),
    "an endless token": json.dumps({"ada": person(refresh_token="x" * 10_001)}).encode(),
    "lines in a name": json.dumps({"a\n\x1b[31mb": {}}).encode(),
    "the end of time": json.dumps({"ada": person(expiry="9999-12-31T23:59:59-14:00")}).encode(),
    "many": json.dumps({f"person{number}": {} for number in range(5000)}).encode(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_file_is_one_line(accounts: Accounts, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "user_creds.json"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(ImportRefused) as refused:
        accounts.go_replicator.load(path)
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 2000
    assert accounts.people.all() == []


def test_of_many_mistakes_the_first_are_shown(accounts: Accounts, tmp_path: Path) -> None:
    path = tmp_path / "user_creds.json"
    for mistakes, more in ((MAX_SHOWN, None), (MAX_SHOWN + 2, "and 2 more")):
        path.write_text(json.dumps({f"person{number}": {} for number in range(mistakes)}))
        with pytest.raises(ImportRefused) as refused:
            accounts.go_replicator.load(path)
        assert len(refused.value.problems) == mistakes
        shown = str(refused.value).split(": ", 1)[1].split("; ")
        assert shown == [*refused.value.problems[:MAX_SHOWN], *([more] if more else [])]


def test_a_file_that_never_ends_is_refused(accounts: Accounts) -> None:
    with pytest.raises(ImportRefused):
        accounts.go_replicator.load(Path("/dev/zero"))
