"""Opening: who makes the database and the key, and what is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from oura_pipeline.accounts.database import FILE_NOTE
from oura_pipeline.accounts.encryption import load_cipher
from oura_pipeline.accounts.errors import DatabaseRefused, KeyRefused
from oura_pipeline.accounts.migrate import REVISION, SCRIPTS
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.schema import people
from oura_pipeline.accounts.store import Accounts
from oura_pipeline_tests.accounts.homes import ON_SQLITE, at_once, opened
from oura_pipeline_tests.accounts.times import migrated, schema_of


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _dump(home: Path) -> list[str]:
    """Everything in the database."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        return list(connection.iterdump())


def _token(accounts: Accounts, username: str) -> str:
    def renew(*_: Any) -> Any:
        raise AssertionError("nothing is to be renewed")

    return accounts.tokens.get(username, renew).access_token()


@ON_SQLITE
def test_the_folder_the_database_and_the_key_are_for_their_owner_only(home: Path) -> None:
    previous = os.umask(0)
    try:
        opened(home).close()
    finally:
        os.umask(previous)
    modes = {path.name: _mode(path) for path in (home, *home.iterdir())}
    assert modes.pop("home") == 0o700
    assert {"accounts.sqlite", "token.key"} <= set(modes)
    assert set(modes.values()) == {0o600}


def _open_and_add(home: Path, number: int) -> str:
    with opened(home) as accounts:
        accounts.people.add(
            f"person{number}", SignIn(refresh_token=f"r{number}", access_token=f"a{number}")
        )
    return (home / "token.key").read_text(encoding="utf-8")


@ON_SQLITE
def test_eight_processes_open_a_fresh_folder_at_once(home: Path) -> None:
    """One makes the tables, one makes the key, and everybody can work with both."""
    for attempt in ("first", "second", "third"):
        keys = at_once(8, _open_and_add, home / attempt)
        assert keys == [(home / attempt / "token.key").read_text(encoding="utf-8")] * 8
        with opened(home / attempt) as accounts:
            names = [person.username for person in accounts.people.all()]
            assert names == [f"person{number}" for number in range(8)]
            assert [_token(accounts, name) for name in names] == [f"a{n}" for n in range(8)]


def _encrypt_in_each(folder: Path, number: int) -> list[str]:
    paths = [folder / str(turn) / "token.key" for turn in range(20)]
    return [load_cipher([], path, may_create=True).encrypt(str(number)) for path in paths]


def test_processes_that_need_a_key_at_once_make_one(tmp_path: Path) -> None:
    """What any of them encrypted, the key that is left decrypts."""
    encrypted = at_once(8, _encrypt_in_each, tmp_path)
    for turn in range(20):
        cipher = load_cipher([], tmp_path / str(turn) / "token.key", may_create=False)
        decrypted = [cipher.decrypt(of_one[turn]) for of_one in encrypted]
        assert decrypted == [str(number) for number in range(8)]


@ON_SQLITE
def test_a_new_database_is_what_the_migrations_make(home: Path, tmp_path: Path) -> None:
    """Table by table, and both are what the code reads."""
    opened(home).close()
    new = schema_of(f"sqlite:///{home / 'accounts.sqlite'}")
    assert new == schema_of(migrated(f"sqlite:///{tmp_path / 'migrated.sqlite'}"))
    assert new["differences"] == []
    assert ScriptDirectory(str(SCRIPTS)).get_heads() == [REVISION]


def test_a_new_database_is_made_without_alembic(home: Path) -> None:
    """And is opened without it."""
    code = (
        "import sys; from pathlib import Path;"
        "from oura_pipeline_tests.accounts.homes import opened;"
        f"opened(Path({str(home)!r})).close(); print('alembic' in sys.modules)"
    )
    for _ in ("made", "opened"):
        run = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert run.stdout == "False\n"


@ON_SQLITE
def test_a_failing_migration_leaves_nothing_behind(home: Path) -> None:
    """A table that is in the way stops it; afterwards the database is as it was."""
    home.mkdir()
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        connection.execute("CREATE TABLE invites (other TEXT)").close()
    before = _dump(home)
    with pytest.raises(DatabaseRefused, match="invites already exists"):
        opened(home)
    assert _dump(home) == before


@ON_SQLITE
def test_a_database_of_a_newer_version_is_left_alone(home: Path) -> None:
    opened(home).close()
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'").close()
        connection.commit()
    before = _dump(home)
    with pytest.raises(DatabaseRefused, match=f"has schema 9999 and this version knows {REVISION}"):
        opened(home)
    assert _dump(home) == before


@ON_SQLITE
def test_what_is_no_database_is_refused_in_one_line(home: Path) -> None:
    home.mkdir()
    (home / "accounts.sqlite").write_text("no database, whatever its name says", encoding="utf-8")
    with pytest.raises(DatabaseRefused) as refused:
        opened(home)
    assert str(refused.value) == (
        f"the accounts database sqlite:///{home / 'accounts.sqlite'} cannot be opened: "
        "file is not a database"
    )


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        DatabaseRefused, match=r"accounts\.sqlite cannot be created: Not a directory$"
    ):
        opened(tmp_path / "file" / "home")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("accounts.sqlite", "the address of the accounts cannot be used"),
        ("sqlite://", "the accounts need a file"),
        ("sqlite:///:memory:", "the accounts need a file"),
        ("sqlite:///file:here?mode=memory&uri=true", "the accounts need a file"),
        ("nosuch://here/there", "the address of the accounts cannot be used"),
        ("mysql+pymysql://u:secret@h/d", "sqlite or postgresql, not in mysql"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(DatabaseRefused, match=message) as refused:
        Accounts.open(url, key_path=tmp_path / "token.key")
    assert "secret" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_key_file_that_others_may_read_is_refused(home: Path) -> None:
    opened(home).close()
    path = home / "token.key"
    path.chmod(0o640)
    with pytest.raises(KeyRefused) as refused:
        opened(home)
    assert str(refused.value) == f"others may read the key file; run: chmod 600 {path}"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b"no key\n", "is not valid"), (b"\xff", "cannot be read")],
)
def test_a_key_file_without_a_key_is_refused(home: Path, content: bytes, why: str) -> None:
    opened(home).close()
    (home / "token.key").write_bytes(content)
    with pytest.raises(KeyRefused, match=why):
        opened(home)


def test_a_key_in_the_settings_that_is_none_is_refused_without_repeating_it(home: Path) -> None:
    with pytest.raises(KeyRefused, match="a key in the settings is not valid") as refused:
        opened(home, keys=["tooshort"])
    assert "tooshort" not in str(refused.value)


def test_a_lost_key_is_not_replaced_while_tokens_need_it(home: Path) -> None:
    with opened(home) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r"))
    (home / "token.key").unlink()
    before = _dump(home)
    with pytest.raises(KeyRefused, match=r"token\.key is missing and the stored tokens need"):
        opened(home)
    assert (_dump(home), (home / "token.key").exists()) == (before, False)


def test_a_key_that_opens_no_token_is_refused_and_nothing_changes(home: Path) -> None:
    with opened(home) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r"))
    before = _dump(home)
    with pytest.raises(KeyRefused, match="no key in the settings opens the stored tokens"):
        opened(home, keys=[Fernet.generate_key().decode()])
    assert _dump(home) == before


def test_keys_are_changed_by_putting_the_new_one_first_and_rotating(home: Path) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    with opened(home, keys=[old]) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r", access_token="a"))
        accounts.people.add("bob", SignIn(refresh_token="s"))
    with opened(home, keys=[new, old]) as accounts:
        assert _token(accounts, "ada") == "a"
        assert accounts.keys.reencrypt() == 2
    with pytest.raises(KeyRefused):
        opened(home, keys=[old])
    with opened(home, keys=[new]) as accounts:
        assert _token(accounts, "ada") == "a"


def test_rotating_is_all_or_nothing(home: Path) -> None:
    """Somebody's tokens are strange to the keys: nobody's are changed."""
    old, strange, new = (Fernet.generate_key().decode() for _ in range(3))
    with opened(home, keys=[old]) as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r"))
    with opened(home, keys=[strange, old]) as accounts:
        accounts.people.add("bob", SignIn(refresh_token="s"))
    before = _dump(home)
    with (
        opened(home, keys=[new, old]) as accounts,
        pytest.raises(KeyRefused, match="no key in the settings opens"),
    ):
        accounts.keys.reencrypt()
    assert _dump(home) == before


def test_no_token_stands_in_the_database_in_clear(home: Path) -> None:
    with opened(home) as accounts:
        accounts.people.add(
            "ada", SignIn(refresh_token="refresh-secret", access_token="access-secret")
        )
    shutil.copytree(home, home.parent / "copy")
    for path in (home.parent / "copy").iterdir():
        assert b"secret" not in path.read_bytes()


@ON_SQLITE
def test_a_failure_of_the_database_shows_no_parameters(accounts: Accounts, home: Path) -> None:
    """And which file it is about."""
    with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON people BEGIN SELECT RAISE(ABORT, 'full'); END"
        ).close()
    with pytest.raises(SQLAlchemyError, match="full") as failed:
        accounts.people.add("ada", SignIn(refresh_token="r", name="Ada"))
    assert "parameters hidden" in str(failed.value)
    assert "Ada" not in str(failed.value)
    assert failed.value.__notes__ == [f"{FILE_NOTE}{home / 'accounts.sqlite'}"]
    assert accounts.people.all() == []


@ON_SQLITE
def test_no_pooler_stands_before_a_file(accounts: Accounts) -> None:
    assert accounts.keeps_sessions()


@ON_SQLITE
def test_every_connection_to_the_file_waits_and_writes_as_is_promised(accounts: Accounts) -> None:
    """A commit is on the disk, and whoever finds the file locked has half a minute."""
    promised = {"synchronous": 2, "busy_timeout": 30_000}
    with accounts._database.reading() as one, accounts._database.writing() as other:
        for connection in (one, other):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in promised
            }
            assert found == promised


@ON_SQLITE
def test_whoever_reads_sees_one_state_of_the_file(accounts: Accounts) -> None:
    everybody = select(people.c.username)
    with accounts._database.reading() as connection:
        assert connection.scalars(everybody).all() == []
        accounts.people.add("ada", SignIn(refresh_token="r"))
        assert connection.scalars(everybody).all() == []
    assert len(accounts.people.all()) == 1
