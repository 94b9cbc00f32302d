"""The same accounts on Postgres, where a driver and a server are installed."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, text

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import KeyFileCipher
from oura_pipeline.accounts.errors import DatabaseRefused, PersonRefused
from oura_pipeline.accounts.inbox import Receipt
from oura_pipeline.accounts.overview import TypeOverview
from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.schema import tokens
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.ledger import FetchStatus, Push, PushState, Withdrawn
from oura_pipeline_tests.accounts.homes import AT, at_once, fetch, incoming
from oura_pipeline_tests.accounts.times import migrated, schema_of, upgrade
from oura_pipeline_tests.testing.requirements import require_program
from oura_pipeline_tests.testing.token_server import TokenServer, renewer, token_pair

OWNER = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Postgres of our own, without a database's name."""
    # Debian keeps the server's programs off the PATH.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    program = shutil.which("pg_ctl") or str(found[-1] if found else "pg_ctl")
    require_program(Path(program), "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="accounts-"))
    if OWNER:
        shutil.chown(folder, OWNER)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    data, log = folder / "data", folder / "log"
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"

    def control(*arguments: str) -> None:
        command = [program, "-D", str(data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=OWNER)

    control("init", "-o", "-U tester -A trust -N")
    control("start", "-w", "-t", "30", "-l", str(log), "-o", options)
    try:
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}"
    finally:
        control("stop", "-m", "immediate")
        shutil.rmtree(folder)


@pytest.fixture
def url(cluster: str) -> str:
    """An empty database."""
    import psycopg

    name = f"test_{uuid4().hex}"
    server = cluster.replace("+psycopg", "")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{cluster}/{name}"


@pytest.fixture
def postgres(url: str, tmp_path: Path) -> Iterator[Accounts]:
    """Ada and Bob in Postgres."""
    with Accounts.open(url, key_path=tmp_path / "token.key") as accounts:
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


def test_people_come_and_go(postgres: Accounts) -> None:
    ada, _ = postgres.people.all()
    assert (ada.scopes, ada.state) == (frozenset({"daily"}), PersonState.CONNECTED)
    assert abs(ada.connected_since - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(PersonRefused):
        postgres.people.add("ada", SignIn(refresh_token="r"))
    with pytest.raises(PersonRefused):
        postgres.people.reconnect("bob", SignIn(refresh_token="r", oura_id="id-1"))
    postgres.removal.disconnect("bob")
    left = postgres.people.get("bob")
    postgres.removal.retire("bob")
    assert left.joined_at < left.state_since < postgres.people.get("bob").state_since
    assert (postgres.keys.reencrypt(), postgres.removal.to_revoke()) == (2, ["bob"])
    assert (postgres.removal.delete("bob"), postgres.removal.delete("bob")) == (True, False)
    assert postgres.removal.scrub()
    assert postgres.people.all() == [ada]


def _add_eve(url: str, key_path: Path, number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        return accounts.people.add("eve", SignIn(refresh_token="r")).username


def test_of_several_who_take_a_username_at_once_one_gets_it(
    postgres: Accounts, url: str, tmp_path: Path
) -> None:
    results = sorted(at_once(4, _add_eve, url, tmp_path / "token.key"))
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
    postgres: Accounts, url: str, tmp_path: Path
) -> None:
    assert at_once(4, _record_shuffled, url, tmp_path / "token.key") == [300] * 4
    assert {row.attempts for row in postgres.fetches.find()} == {12}


def test_the_ledgers_remember(postgres: Accounts) -> None:
    failed = fetch("ada", status=FetchStatus.FAILED)
    rows = [fetch("bob", day=date(2026, 1, 1) + timedelta(day)) for day in range(200)]
    postgres.fetches.record([failed, *rows])
    postgres.fetches.record([failed, *rows])
    assert postgres.fetches.find("sleep") == [replace(failed, attempts=2), *rows]
    assert postgres.fetches.record([fetch("eve")]) == {"eve"}
    key = {"username": "ada", "document_type": "sleep", "day": date(2026, 1, 1), "at": AT}
    push = Push(**key, points=1, digest="d", state=PushState.SENT, index=b"\x00\xff")
    postgres.pushes.record([push])
    assert postgres.pushes.find("sleep", states=[PushState.SENT]) == [push]
    for times in ((1,), (2,)):
        postgres.pushes.record_withdrawn(
            [Withdrawn(**key, metric="bio.ada.sleep.score", times=times)]
        )
    assert [row.times for row in postgres.pushes.withdrawn()] == [(1, 2)]
    receipts = postgres.inbox.receive([incoming(b"\xff", "id-1")] * 2)
    assert receipts == [Receipt.KEPT, Receipt.REPEATED]
    assert [waiting.body for waiting in postgres.inbox.waiting()] == [b"\xff"]


def test_a_ledger_is_summed_up(postgres: Accounts) -> None:
    days = [date(2026, 1, 1) + timedelta(day) for day in range(3)]
    statuses = (FetchStatus.LANDED, FetchStatus.NOT_GRANTED, FetchStatus.FAILED)
    for day, status, documents in zip(days, statuses, (2, 0, 0), strict=True):
        row = fetch(day=day, status=status, documents=documents, error=status.value)
        postgres.fetches.record([row])
    common = {"document_type": "sleep", "last_asked_at": AT, "first_day": days[0]}
    counts = {"documents": 2, "landed": 1, "empty": 0, "not_granted": 1, "failed": 1}
    expected = TypeOverview(**common | counts | {"latest_day": days[0], "error": "failed"})
    assert postgres.overview.document_types("ada") == [expected]
    assert postgres.overview.last_asked() == {"ada": AT}
    assert postgres.overview.failed_days() == {"ada": 1}
    assert postgres.overview.first_asked() == {("ada", "sleep"): days[0]}
    assert postgres.fetches.forget_not_granted("ada") == 1


def _receive(url: str, key_path: Path, number: int) -> list[Receipt]:
    bodies = [b"%d" % turn for turn in range(100)]
    random.Random(number).shuffle(bodies)
    with Accounts.open(url, key_path=key_path) as accounts:
        return [
            receipt
            for first in range(0, 100, 20)
            for receipt in accounts.inbox.receive(
                [incoming(body, "id-1") for body in bodies[first : first + 20]]
            )
        ]


def test_the_ledgers_are_read_in_bulk(postgres: Accounts) -> None:
    """Instants are cut to whole seconds as on SQLite, not rounded."""
    postgres.fetches.record([fetch("ada"), fetch("bob", at=AT + timedelta(hours=1))])
    seconds = int(AT.timestamp())
    assert postgres.fetches.sums() == {
        ("ada", "sleep"): (1, AT, seconds, 2, 2),
        ("bob", "sleep"): (1, AT + timedelta(hours=1), seconds + 3600, 2, 2),
    }
    row = ("sleep", date(2026, 1, 1), "landed", 2, None)
    assert postgres.fetches.published(pairs=[("ada", "sleep")]) == [("ada", *row, AT)]
    later = [("bob", *row, AT + timedelta(hours=1))]
    assert postgres.fetches.published(after=AT) == later
    postgres.removal.retire("ada")
    assert postgres.fetches.published() == later


def test_of_several_receivers_of_the_same_events_one_keeps_each(
    postgres: Accounts, url: str, tmp_path: Path
) -> None:
    """In any order; nobody blocks another one for ever."""
    answers = at_once(4, _receive, url, tmp_path / "token.key")
    assert sum(of_one.count(Receipt.KEPT) for of_one in answers) == 100
    assert postgres.inbox.backlog().waiting == 100
    assert {row.receipt: row.count for row in postgres.inbox.counts()} == {
        Receipt.KEPT: 100,
        Receipt.REPEATED: 300,
    }
    (first,) = postgres.inbox.waiting(1)
    postgres.inbox.postpone([first.id], first.next_at + timedelta(days=1))
    assert len(postgres.inbox.waiting(due=datetime.now(UTC))) == 99


def _join(url: str, key_path: Path, keys: list[str], number: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        options = {"people_limit": 0, "invite_required": True}
        return accounts.sign_ups.finish(keys[number], f"eve{number}", **options).username


def test_of_several_who_use_an_invite_at_once_one_comes_in(
    postgres: Accounts, url: str, tmp_path: Path
) -> None:
    code = postgres.invites.create()
    keys = [
        postgres.sign_ups.begin(SignIn(refresh_token="r", oura_id=f"e{number}"), invite=code)
        for number in range(4)
    ]
    results = at_once(4, _join, url, tmp_path / "token.key", keys)
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
    postgres: Accounts, url: str, tmp_path: Path, write: Callable[[Accounts], object]
) -> None:
    path = tmp_path / "token.key"
    cipher, database = _Pausing(path), Database(url)
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
    postgres: Accounts, url: str, tmp_path: Path
) -> None:
    assert at_once(5, _come_and_go, url, tmp_path / "token.key") == ["done"] * 5


def test_a_consent_is_taken_once(postgres: Accounts) -> None:
    postgres.consents.begin("s", verifier="v", browser="b", username="ada", invite="i")
    consent = postgres.consents.take("s")
    assert consent is not None
    assert (consent.verifier, consent.username, consent.invite) == ("v", "ada", "i")
    assert postgres.consents.take("s") is None


def test_a_consent_is_given_back(postgres: Accounts, server: TokenServer) -> None:
    told: list[tuple[Any, ...]] = []
    postgres.removal.disconnect("ada")
    postgres.removal.revoke("ada", renewer(server.url), lambda *all_of_it: told.append(all_of_it))
    expected = [("access-2", "refresh-2", server.url)]
    assert (told, postgres.removal.to_revoke()) == (expected, [])


def test_a_consent_is_given_back_after_the_person_was_deleted(
    postgres: Accounts, server: TokenServer
) -> None:
    told: list[tuple[Any, ...]] = []
    postgres.removal.retire("ada")
    postgres.removal.delete("ada")
    [gone] = postgres.removal.unrevoked()
    postgres.removal.revoke_gone(
        gone.id, renewer(server.url), lambda *all_of_it: told.append(all_of_it)
    )
    expected = [("access-2", "refresh-2", server.url)]
    assert (told, postgres.removal.unrevoked()) == (expected, [])


def test_who_must_sign_in_again_is_notified_once(postgres: Accounts, server: TokenServer) -> None:
    server.current = 7
    with pytest.raises(SignInRequired):
        postgres.tokens.get("ada", renewer(server.url)).access_token()
    assert [person.username for person in postgres.people.to_notify()] == ["ada"]
    postgres.people.mark_notified(["ada"])
    assert postgres.people.to_notify() == []
    assert (postgres.people.request_sync("ada", AT), postgres.people.request_sync("ada", AT)) == (
        True,
        False,
    )


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


def _access_token(url: str, key_path: Path, server_url: str, _: int) -> str:
    with Accounts.open(url, key_path=key_path) as accounts:
        return accounts.tokens.get("ada", renewer(server_url)).access_token()


def test_processes_and_threads_that_need_a_token_at_once_ask_once(
    postgres: Accounts, url: str, tmp_path: Path, server: TokenServer
) -> None:
    got = at_once(4, _access_token, url, tmp_path / "token.key", server.url)
    assert got == ["access-2"] * 4
    tokens = postgres.tokens.get("ada", renewer(server.url))
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: tokens.renew("access-2"), range(16))) == ["access-3"] * 16
    assert server.requests == ["refresh-1", "refresh-2"]


def test_a_refused_renewal_means_signing_in_again(postgres: Accounts, server: TokenServer) -> None:
    server.current = 7
    with pytest.raises(SignInRequired, match="must sign in again"):
        postgres.tokens.get("ada", renewer(server.url)).access_token()
    assert postgres.people.get("ada").state is PersonState.SIGN_IN_REQUIRED
