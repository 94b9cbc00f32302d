"""A person's tokens: handed out while they work, renewed by one at a time, saved before use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, or_, select, update

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import GONE, EncryptedStore, now, require_known
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import TokenCipher
from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.accounts.keys import KEYS_LOCK
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline.days import digest

MARGIN = timedelta(minutes=10)
IN_VAIN = timedelta(hours=1)  # so long no other renewal is tried after one that did not help
LONGEST_REASON = 300  # characters
_NOT_CONNECTED = {
    PersonState.DISCONNECTED: "has disconnected; nothing is fetched until they sign in again",
    PersonState.RETIRED: "has left; their data is being deleted and nothing is fetched any more",
}

# Who shares one with somebody else by chance may wait for one answer to them.
_TRIALS = tuple(Lock() for _ in range(256))

# Built once: it is asked for each request to Oura.
_STORED = (
    select(schema.people.c.state, schema.people.c.error, schema.tokens)
    .join_from(schema.people, schema.tokens, isouter=True)
    .where(schema.people.c.username == bindparam("who"))
)

Renewer = Callable[[str, str | None], TokenPair]
"""Asks Oura for new tokens, given the refresh token and the endpoint that worked before.

Raises `SignInRequired` when Oura refuses the refresh token, and for nothing else.
"""


class Tokens(EncryptedStore):
    """Everybody's tokens."""

    def get(self, username: str, renewer: Renewer, *, known: bool = False) -> PersonTokens:
        """Return the tokens of a person.

        Args:
            username: whose.
            renewer: asks Oura; called by one thread of one process at a time.
            known: whether they were there a moment ago, so that nobody looks for them.

        Raises:
            UnknownPerson: nobody has this username.
        """
        if not known:
            with self._database.reading() as connection:
                require_known(connection, username)
        return PersonTokens(self._database, self._cipher, username, renewer)


class PersonTokens:
    """The tokens of one person; may be shared between threads."""

    def __init__(
        self, database: Database, cipher: TokenCipher, username: str, renewer: Renewer
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._username = username
        self._renewer = renewer

    def access_token(self) -> str:
        """Return an access token that works for some minutes more; renewed when there is none.

        Raises:
            SignInRequired: the person must sign in again, or is gone.
            AccountsBusy: another process never came back from renewing.
        """
        return self._stored().working(None) or self._renewed(None)

    def renew(self, refused: str) -> str:
        """Return an access token after one was refused; the same where a renewal did not help.

        Raises:
            SignInRequired: the person must sign in again, or is gone.
            AccountsBusy: another process never came back from renewing.
        """
        stored = self._stored()
        if stored.access_token == refused and stored.renewed_in_vain:
            return refused
        return stored.working(refused) or self._renewed(refused)

    def trial(self) -> AbstractContextManager[object]:
        """Hold a lock of this process, under which a token is renewed and tried.

        Otherwise whoever is refused with it meanwhile would renew it once more.
        """
        return _TRIALS[hash(self._username) % len(_TRIALS)]

    def renewed_in_vain(self, token: str) -> None:
        """Save that Oura refuses an access token that was just renewed, for all processes."""
        stored = self._stored()
        if stored.access_token == token:
            table = schema.tokens.c
            same = (table.username == self._username, table.refresh_token == stored.encrypted)
            with self._database.writing() as connection:
                connection.execute(update(schema.tokens).where(*same).values(in_vain_at=now()))

    def _renewed(self, bad: str | None) -> str:
        # A refresh token works once, so whoever renews holds a lock that all processes share.
        with self._lock():
            while True:
                stored = self._stored()
                if token := stored.working(bad):
                    return token  # somebody else renewed before the lock was ours
                if token := self._ask(stored):
                    self._stored()  # refuses, where they disconnected meanwhile
                    return token

    def _lock(self) -> AbstractContextManager[None]:
        # The file of a lock stays, so its name does not tell who it was for.
        return self._database.lock(f"renewal-{digest(self._username)[:16]}")

    def _ask(self, stored: StoredTokens) -> str | None:
        """Ask Oura once; None: the person signed in again meanwhile, look at the new tokens."""
        # Before Oura is asked: a crash between Oura's answer and the commit leaves the used-up
        # token behind. It is tried once more; when Oura refuses it, the announcement tells why.
        if not self._announced(stored):
            return None
        try:
            pair = self._renewer(stored.refresh_token, stored.token_url)
        except SignInRequired as error:
            reason = stored.reason(error)
            if self._saved_refusal(stored, reason):
                # `from None`: what the other exception says may be less careful about tokens.
                raise _sign_in(reason) from None
            return None
        # Before anybody uses it: a token that works and is not saved would be lost in a crash.
        return self._saved(stored, pair)

    def _announced(self, stored: StoredTokens) -> bool:
        """Save that a renewal is under way; False: these are not the tokens in the database."""
        # This also proves that the database can be written: the answer is not to be lost.
        table = schema.tokens.c
        same = (
            table.username == self._username,
            table.refresh_token == stored.encrypted,  # differs each time that one is encrypted
        )
        announcement = {"renewal_started_at": now(), "renewal_fingerprint": stored.fingerprint}
        with self._database.writing() as connection:
            done = connection.execute(update(schema.tokens).where(*same).values(announcement))
        return done.rowcount == 1

    def _saved(self, stored: StoredTokens, pair: TokenPair) -> str | None:
        with self._database.writing(schema.people, schema.tokens) as connection:
            # Encrypted while the table is locked: see `Keys.reencrypt`.
            changes: dict[str, Any] = {
                "access_token": self._cipher.encrypt(pair.access_token),
                "refresh_token": self._cipher.encrypt(pair.refresh_token),
                "expires_at": pair.expires_at,
                "renewed_at": now(),
                "token_url": pair.token_url,
                "in_vain_at": None,
            }
            if not self._finished(connection, stored, changes):
                return None
            # A renewal grants what was granted; an empty list is no news.
            if pair.scopes:
                self._update_person(connection, {"scopes": " ".join(sorted(pair.scopes))})
        return pair.access_token

    def _saved_refusal(self, stored: StoredTokens, reason: str) -> bool:
        with self._database.writing(schema.people) as connection:
            if not self._finished(connection, stored, {}):
                return False
            state = PersonState.SIGN_IN_REQUIRED.value
            changes = {"state": state, "state_since": now(), "error": reason}
            # Whoever disconnects or leaves meanwhile stays so.
            return self._update_person(connection, changes, _still_connected())

    def _finished(
        self, connection: Connection, stored: StoredTokens, changes: dict[str, Any]
    ) -> bool:
        """End the renewal that was announced; False: a new sign-in or a removal has ended it."""
        # By the fingerprint, not by the ciphertext: that changes when the key is rotated.
        table = schema.tokens.c
        # Theirs, or what was kept of them if they were deleted meanwhile.
        gone = select(schema.people.c.username).where(schema.people.c.state == GONE)
        announced = (
            or_(table.username == self._username, table.username.in_(gone)),
            table.renewal_fingerprint == stored.fingerprint,
        )
        changes |= {"renewal_started_at": None, "renewal_fingerprint": None}
        done = connection.execute(update(schema.tokens).where(*announced).values(changes))
        return done.rowcount == 1

    def _update_person(
        self, connection: Connection, changes: dict[str, Any], *also: ColumnElement[bool]
    ) -> bool:
        theirs = (schema.people.c.username == self._username, *also)
        done = connection.execute(update(schema.people).where(*theirs).values(changes))
        return done.rowcount == 1

    def _stored(self) -> StoredTokens:
        """Return the tokens of somebody who is connected; raise `SignInRequired` otherwise."""
        try:
            return self._read()
        except KeyRefused:
            # Whoever changes the keys may have done so twice since the row was read.
            with self._database.lock(KEYS_LOCK):
                return self._read()

    def _read(self) -> StoredTokens:
        row = self._row()
        if row is not None and (reason := _NOT_CONNECTED.get(row.state)):
            raise SignInRequired(reason)
        if row is None or row.refresh_token is None:
            raise SignInRequired("has left; there are no tokens any more")
        if row.state != PersonState.CONNECTED:
            raise _sign_in(row.error)
        return self._decrypted(row)

    def _row(self) -> Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(_STORED, {"who": self._username}).one_or_none()

    def _decrypted(self, row: Row[Any]) -> StoredTokens:
        access_token = row.access_token and self._cipher.decrypt(row.access_token)
        return StoredTokens(
            access_token=access_token,
            refresh_token=self._cipher.decrypt(row.refresh_token),
            encrypted=row.refresh_token,
            expires_at=row.expires_at,
            renewed_at=row.renewed_at,
            token_url=row.token_url,
            renewal_started_at=row.renewal_started_at,
            renewal_fingerprint=row.renewal_fingerprint,
            in_vain_at=row.in_vain_at,
        )


def _sign_in(reason: str | None) -> SignInRequired:
    return SignInRequired(f"must sign in again: {reason}")


def _still_connected() -> ColumnElement[bool]:
    return schema.people.c.state == PersonState.CONNECTED.value


@dataclass(frozen=True, kw_only=True, repr=False)
class StoredTokens:
    """What the database holds of a person's tokens, decrypted; its repr shows nothing."""

    access_token: str | None
    refresh_token: str
    encrypted: str
    expires_at: datetime | None
    renewed_at: datetime | None
    token_url: str | None
    renewal_started_at: datetime | None
    renewal_fingerprint: str | None
    in_vain_at: datetime | None

    @property
    def renewed_in_vain(self) -> bool:
        """Whether the access token was refused right after its renewal, a short while ago."""
        return self.in_vain_at is not None and now() < self.in_vain_at + IN_VAIN

    @property
    def fingerprint(self) -> str:
        """What tells refresh tokens apart without being one."""
        return digest(self.refresh_token)[:16]

    def working(self, bad: str | None) -> str | None:
        """Return the access token, unless it is the bad one or about to expire."""
        if self.access_token is None or self.access_token == bad:
            return None
        if self.expires_at is None:
            return self.access_token
        margin = MARGIN
        # Smaller for tokens that live less than 40 minutes: one that is about to expire from its
        # first second would be renewed by everybody in turn.
        if self.renewed_at is not None:
            margin = min(MARGIN, (self.expires_at - self.renewed_at) / 4)
        return self.access_token if now() < self.expires_at - margin else None

    def reason(self, error: Exception) -> str:
        """Return why the renewal was refused, in one line without tokens."""
        text = (str(error).splitlines() or ["no reason given"])[0]
        for secret in (self.refresh_token, self.access_token):
            text = text.replace(secret, "…") if secret else text
        text = text[:LONGEST_REASON]
        if self.renewal_fingerprint != self.fingerprint or not self.renewal_started_at:
            return f"Oura refused to renew their tokens: {text}"
        return (
            f"a renewal of {self.renewal_started_at:%Y-%m-%d %H:%M} UTC was interrupted "
            f"and Oura refused to repeat it: {text}"
        )
