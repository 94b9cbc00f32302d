"""`Accounts`: everything that is remembered about people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from oura_pipeline.accounts.consents import Consents
from oura_pipeline.accounts.database import LOCK_SECONDS, Database
from oura_pipeline.accounts.encryption import TokenCipher, load_cipher
from oura_pipeline.accounts.errors import DatabaseRefused, KeyRefused
from oura_pipeline.accounts.fetches import Fetches
from oura_pipeline.accounts.go_replicator import GoReplicator
from oura_pipeline.accounts.inbox import Inbox
from oura_pipeline.accounts.invites import Invites
from oura_pipeline.accounts.keys import KEYS_LOCK, Keys
from oura_pipeline.accounts.migrate import prepare
from oura_pipeline.accounts.overview import Overview
from oura_pipeline.accounts.people import People
from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.accounts.removal import Removal
from oura_pipeline.accounts.request_leases import RequestLeases
from oura_pipeline.accounts.schema import tokens
from oura_pipeline.accounts.sessions import Sessions
from oura_pipeline.accounts.sign_ups import SignUps
from oura_pipeline.accounts.studies import Studies
from oura_pipeline.accounts.subscriptions import Subscriptions
from oura_pipeline.accounts.tokens import Tokens
from oura_pipeline.accounts.waiting import WaitingPushes
from oura_pipeline.days import digest


class Accounts:
    """People, their tokens, subscriptions, the webhook inbox and the ledgers.

    May be shared between threads; a child process opens its own. Also a context manager.
    """

    def __init__(self, database: Database, cipher: TokenCipher) -> None:
        self._database = database
        self.people = People(database, cipher)
        self.tokens = Tokens(database, cipher)
        self.keys = Keys(database, cipher)
        self.consents = Consents(database, cipher)
        self.sign_ups = SignUps(database, cipher, self.people)
        self.invites = Invites(database)
        self.sessions = Sessions(database)
        self.removal = Removal(database, cipher)
        self.studies = Studies(database)
        self.fetches = Fetches(database)
        self.overview = Overview(database)
        self.pushes = Pushes(database)
        self.waiting = WaitingPushes(database)
        self.inbox = Inbox(database)
        self.subscriptions = Subscriptions(database)
        self.go_replicator = GoReplicator(database, cipher)

    @classmethod
    def open(cls, url: str, *, keys: Sequence[str] = (), key_path: Path) -> Self:
        """Open the accounts; create or upgrade the database, and create a missing key file.

        Any number of processes may do so at once.

        Args:
            url: SQLAlchemy's address of the database, a SQLite file or Postgres.
            keys: Fernet keys, the newest first.
            key_path: the file of the keys where `keys` is empty; created where it is missing.

        Raises:
            DatabaseRefused: the address or the database cannot be used.
            KeyRefused: no key fits, or the key file is open to others; nothing was changed.
            AccountsBusy: another process never came back from preparing the database.
        """
        database = Database(url)
        try:
            prepare(database)
            return cls(database, _cipher(database, keys, key_path))
        except SQLAlchemyError as error:
            database.close()
            raise DatabaseRefused(_one_line(database, error)) from error
        except BaseException:
            database.close()
            raise

    @contextmanager
    def lock(self, name: str, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Hold a lock that one thread of one process has at a time; a dead process releases it.

        Args:
            name: of the work.
            seconds: how long to wait for it; 0: not at all.

        Raises:
            AccountsBusy: it was not free for so long.
        """
        # The file of a lock stays, so its name does not tell what or whom it was for.
        with self._database.lock(f"work-{digest(name)[:16]}", seconds=seconds):
            yield

    def requests(self, requests: int, seconds: int) -> RequestLeases:
        """Return the count of the requests to Oura, so many in so many seconds, on Postgres."""
        return RequestLeases(self._database, requests=requests, seconds=seconds)

    def keeps_sessions(self) -> bool:
        """Return whether locks can be relied on: not behind a pooler in transaction mode."""
        return self._database.keeps_sessions()

    def check_key(self, *, keys: Sequence[str] = (), key_path: Path) -> None:
        """Raise `KeyRefused` where `open` with the same arguments would find no key that fits."""
        cipher = load_cipher(keys, key_path, may_create=False)
        cipher.require_one_of(_refresh_tokens(self._database))

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _cipher(database: Database, keys: Sequence[str], key_path: Path) -> TokenCipher:
    try:
        return _fitting_cipher(database, keys, key_path)
    except KeyRefused:
        # Whoever changes the keys may have done so between our two looks: once more without them.
        with database.lock(KEYS_LOCK):
            return _fitting_cipher(database, keys, key_path)


def _fitting_cipher(database: Database, keys: Sequence[str], key_path: Path) -> TokenCipher:
    encrypted = _refresh_tokens(database)
    cipher = load_cipher(keys, key_path, may_create=not encrypted)
    cipher.require_one_of(encrypted)
    return cipher


def _refresh_tokens(database: Database) -> Sequence[str]:
    # Only people's tokens need a key that fits: consents and sign-ups are over within the hour.
    with database.reading() as connection:
        return connection.scalars(select(tokens.c.refresh_token)).all()


def _one_line(database: Database, error: SQLAlchemyError) -> str:
    where = database.url.render_as_string(hide_password=True)
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return f"the accounts database {where} cannot be opened: {reason}"
