"""What is of Postgres alone; everything else is tried on SQLite and on Postgres."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from oura_pipeline.accounts.database import SERVER_CONNECTIONS, Database
from oura_pipeline.accounts.encryption import KeyFileCipher
from oura_pipeline.accounts.errors import AccountsBusy, DatabaseRefused
from oura_pipeline.accounts.fetch_months import Months, alone
from oura_pipeline.accounts.inbox import Receipt
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.schema import fetches, tokens
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import FetchStatus
from oura_pipeline_tests.accounts.homes import AT, at_once, fetch, incoming
from oura_pipeline_tests.accounts.times import migrated, schema_of, upgrade
from oura_pipeline_tests.testing.postgres import new_database, pooler
from oura_pipeline_tests.testing.token_server import token_pair


@pytest.fixture
def url(postgres_server: str) -> str:
    """An empty database."""
    return f"postgresql+psycopg://{new_database(postgres_server)}"


@pytest.fixture
def postgres(emptied_postgres: str, tmp_path: Path) -> Iterator[Accounts]:
    """Ada and Bob in Postgres."""
    with Accounts.open(emptied_postgres, key_path=tmp_path / "token.key") as accounts:
        accounts.people.add(
            "ada", SignIn(refresh_token="refresh-1", scopes=["daily"], oura_id="id-1")
        )
        accounts.people.add("bob", SignIn(refresh_token="r"))
        yield accounts


def _open_and_add(url: str, key_path: Path, number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        return accounts.people.add(f"person{number}", SignIn(refresh_token="r")).username


def test_four_processes_open_a_fresh_database_at_once(url: str, tmp_path: Path) -> None:
    names = at_once(4, _open_and_add, url, tmp_path / "token.key")
    assert names == [f"person{number}" for number in range(4)]


def test_a_new_database_is_what_the_migrations_make(url: str, tmp_path: Path) -> None:
    """Table by table, and both are what the code reads."""
    migrations = schema_of(migrated(url))
    database = Database(url)
    with database.writing() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    database.close()
    Accounts.open(url, key_path=tmp_path / "token.key").close()
    assert schema_of(url) == migrations
    assert migrations["differences"] == []


def test_an_unreachable_server_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused) as refused:
        Accounts.open("postgresql://u:secret@127.0.0.1:1/none", key_path=tmp_path / "token.key")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_failure_of_the_server_shows_no_parameters(postgres: Accounts) -> None:
    failing = text("SELECT 1 / 0 WHERE :name <> ''")
    with (
        postgres._database.reading() as connection,
        pytest.raises(DBAPIError, match="division by zero") as failed,
    ):
        connection.execute(failing, {"name": "Ada"})
    assert "Ada" not in str(failed.value)


def test_requests_are_counted_by_all_that_share_the_accounts(postgres: Accounts) -> None:
    assert postgres.requests(30, 60).take(30) == (0.0, 0.0)
    others = postgres.requests(40, 60)
    assert (others.requests, others.used()[0]) == (40, 1)


def _add_eve(url: str, key_path: Path, number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        return accounts.people.add("eve", SignIn(refresh_token="r")).username


def test_of_several_who_take_a_username_at_once_one_gets_it(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path
) -> None:
    results = sorted(at_once(4, _add_eve, emptied_postgres, tmp_path / "token.key"))
    assert results[-1] == "eve"
    assert {result[:36] for result in results[:3]} == {"PersonRefused('eve is here already; "}


def _record_shuffled(url: str, key_path: Path, number: int) -> int:
    days = [date(2026, 1, 1) + timedelta(day) for day in range(300)]
    rows = [fetch("ada", day=day, status=FetchStatus.FAILED) for day in days]
    random.Random(number).shuffle(rows)
    with Accounts.open(url, key_path=key_path) as accounts:
        for _ in range(3):
            accounts.fetches.record(rows)
    return len(rows)


def test_writers_of_the_same_rows_do_not_block_each_other(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path
) -> None:
    assert at_once(4, _record_shuffled, emptied_postgres, tmp_path / "token.key") == [300] * 4
    assert {row.attempts for row in postgres.fetches.find()} == {12}


def _join(url: str, key_path: Path, keys: list[str], number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        options = {"people_limit": 0, "invite_required": True}
        return accounts.sign_ups.finish(keys[number], f"eve{number}", **options).username


def test_days_of_one_month_that_several_write_at_once_are_all_counted(
    postgres: Accounts, emptied_postgres: str
) -> None:
    """The others wait for the first, so that they see what that has written when they sum up."""
    days = [date(2026, 2, number) for number in (1, 2, 3, 4)]
    refused = fetch("ada", day=days[3], status=FetchStatus.NOT_GRANTED, documents=0)
    postgres.fetches.record([fetch("ada", day=days[2]), refused])
    first = fetch("ada", day=days[0])
    months = Months.of([("sleep", "ada", days[0])])
    database = Database(emptied_postgres)
    with ThreadPoolExecutor(3) as pool:
        with database.writing() as connection:
            alone(database, connection, months.document_types)
            row = vars(first) | {"status": first.status.value}
            connection.execute(fetches.insert(), row)
            corrected = {("ada", days[2]): (FetchStatus.EMPTY, 0, 1)}
            others: list[Future[Any]] = [
                pool.submit(postgres.fetches.record, [fetch("ada", day=days[1])]),
                pool.submit(postgres.fetches.correct, "sleep", corrected),
                pool.submit(postgres.fetches.forget_not_granted, "ada"),
            ]
            assert not wait(others, 0.5, FIRST_COMPLETED).done
            months.sum_up(database, connection)
        assert [other.result(30) for other in others] == [set(), None, 1]
    database.close()
    total = dict(postgres.fetches.sums())["ada", "sleep"]
    assert (total.rows, total.documents) == (3, 4)


def test_of_several_who_use_an_invite_at_once_one_comes_in(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path
) -> None:
    code = postgres.invites.create()
    keys = [
        postgres.sign_ups.begin(SignIn(refresh_token="r", oura_id=f"e{number}"), invite=code)
        for number in range(4)
    ]
    results = at_once(4, _join, emptied_postgres, tmp_path / "token.key", keys)
    assert sum(result.startswith("eve") for result in results) == 1
    assert len(postgres.people.all()) == 3
    assert not postgres.invites.is_valid(code)


class _Pausing(KeyFileCipher):
    """A cipher that has encrypted something, and waits before it says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.encrypted, self.rotated = Event(), Event()

    def encrypt(self, token: str) -> str:
        encrypted = super().encrypt(token)
        self.encrypted.set()
        self.rotated.wait(0.5)  # a rotation that does not wait takes a tenth of this
        return encrypted


@pytest.mark.parametrize(
    "write",
    [
        lambda accounts: accounts.people.add("eve", SignIn(refresh_token="r")),
        lambda accounts: accounts.people.reconnect("ada", SignIn(refresh_token="r")),
        lambda accounts: accounts.tokens.get("ada", lambda *_: token_pair("a", "r")).access_token(),
    ],
    ids=["add", "reconnect", "renew"],
)
def test_a_rotation_waits_for_whoever_has_encrypted_and_not_written_yet(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path, write: Callable[[Accounts], object]
) -> None:
    path = tmp_path / "token.key"
    cipher, database = _Pausing(path), Database(emptied_postgres)
    with Accounts(database, cipher) as accounts, ThreadPoolExecutor(1) as pool:
        written = pool.submit(write, accounts)
        assert cipher.encrypted.wait(30)
        list(postgres.keys.rotate())
        cipher.rotated.set()
        written.result()
        new = Fernet(path.read_text(encoding="utf-8").strip())
        with database.reading() as connection:
            for encrypted in connection.scalars(select(tokens.c.refresh_token)):
                assert new.decrypt(encrypted) in (b"r", b"refresh-1")


def _come_and_go(url: str, key_path: Path, number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        for turn in range(25):
            _once_more(accounts, number, turn)
    return "done"


def _once_more(accounts: Accounts, number: int, turn: int) -> None:
    match number:
        case 0:
            list(accounts.keys.rotate())
        case 1:
            key = accounts.sign_ups.begin(SignIn(refresh_token="r", oura_id="id-cyd"), invite=None)
            accounts.sign_ups.finish(key, "cyd", people_limit=0, invite_required=False)
            accounts.removal.delete("cyd")
        case 2:
            accounts.consents.begin(f"state-{turn}", verifier="v", browser=None)
        case 3:
            accounts.people.reconnect("ada", SignIn(refresh_token="r", access_token="a"))
        case 4:
            pair = replace(token_pair("b", "r"), scopes=frozenset({"daily"}))
            accounts.tokens.get("ada", lambda *_: pair).renew("a")


def test_whoever_comes_and_goes_while_keys_are_rotated_does_not_block_the_others(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path
) -> None:
    assert at_once(5, _come_and_go, emptied_postgres, tmp_path / "token.key") == ["done"] * 5


def test_a_database_of_the_first_schema_keeps_its_rows(url: str, tmp_path: Path) -> None:
    database = Database(url)
    with database.writing() as connection:
        upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO people (username, id, state, connected_since, joined_at, state_since) "
                "VALUES ('ada', 'p-7f3k2m', 'connected', :at, :at, :at)"
            ),
            {"at": AT},
        )
        connection.execute(
            text(
                "INSERT INTO webhook_inbox (body, digest, received_at, next_at, attempts) "
                "VALUES (:body, :digest, now(), now(), 0)"
            ),
            {"body": b"1", "digest": sha256(b"1").hexdigest()},
        )
    database.close()
    with Accounts.open(url, key_path=tmp_path / "token.key") as accounts:
        ada = accounts.people.by_id("p-7f3k2m")
        assert (ada.connected_since, ada.joined_at, ada.state_since) == (AT, AT, AT)
        assert [event.body for event in accounts.inbox.waiting()] == [b"1"]
        accounts.people.add("bob", SignIn(refresh_token="r", oura_id="id-bob"))
        assert accounts.inbox.receive([incoming(b"1", "id-bob")]) == [Receipt.REPEATED]


def test_a_process_has_few_connections_however_many_threads_it_has(
    emptied_postgres: str,
) -> None:
    """Each thread holds a lock of its own; all locks are on one connection."""
    database, everybody = Database(emptied_postgres), Barrier(30)
    # Asleep before it counts, so that whoever may have a connection has one by then.
    sessions = text(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) "
        "FROM pg_sleep(0.1)"
    )

    def counted(number: int) -> int:
        with database.lock(f"work {number}"):
            everybody.wait(30)
            with database.reading() as connection:
                return int(connection.execute(sessions).scalar_one())

    with ThreadPoolExecutor(30) as pool:
        assert max(pool.map(counted, range(30))) == SERVER_CONNECTIONS + 1
    database.close()


def test_whoever_has_closed_holds_no_session(emptied_postgres: str) -> None:
    """And a lock is no transaction, which would keep the server from tidying up."""
    database, other = Database(emptied_postgres), Database(emptied_postgres)
    theirs = text(
        "SELECT state FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def states() -> list[str]:
        with other.reading() as connection:
            return list(connection.scalars(theirs))

    with database.lock("work"):
        assert states() == ["idle"]
    database.close()
    deadline = time.monotonic() + 30
    while states() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert states() == []
    other.close()


def test_a_lock_is_free_once_its_process_is_cut_off(
    postgres: Accounts, emptied_postgres: str, tmp_path: Path
) -> None:
    """As by a server that restarts; whoever was cut off gets locks and rows again by itself."""
    everybody_else = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with Accounts.open(emptied_postgres, key_path=tmp_path / "token.key") as other:
        with postgres.lock("one"):
            with (
                pytest.raises(AccountsBusy, match="was not free for 0 s"),
                other.lock("one", seconds=0),
            ):
                pass
            database = Database(emptied_postgres)
            with database.writing() as connection:
                connection.execute(everybody_else)
            database.close()
            with other.lock("one", seconds=0):
                pass
        with postgres.lock("one", seconds=0), other.lock("two", seconds=0):
            pass
    assert len(postgres.people.all()) == 2


@pytest.mark.parametrize(("mode", "kept"), [("session", True), ("transaction", False)])
def test_a_pooler_that_shares_sessions_is_noticed(
    postgres_server: str, emptied_postgres: str, tmp_path: Path, mode: str, kept: bool
) -> None:
    with pooler(postgres_server, mode) as address:
        url = f"postgresql+psycopg://{address}/{emptied_postgres.rpartition('/')[2]}"
        with Accounts.open(url, key_path=tmp_path / "token.key") as accounts:
            assert accounts.keeps_sessions() is kept
