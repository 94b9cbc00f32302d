"""A person's tokens: handed out while they work, renewed by one at a time, never used unsaved.

What surprises: a refresh token works once. Whoever renews holds a lock that all processes share,
says in the database that a renewal is under way *before* Oura is asked, and saves the new pair
*before* anybody uses it. A crash between Oura's answer and that commit leaves the used-up token
behind: it is tried once more, and when Oura refuses it the person must sign in again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, select, update

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import Store, now, require_known
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import TokenCipher
from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline.days import digest

MARGIN = timedelta(minutes=10)
LONGEST_REASON = 300
_ENCRYPTED = {
    "tokens": ("refresh_token", "access_token"),
    "sign_ups": ("refresh_token", "access_token", "invite"),
    "consents": ("verifier", "browser", "invite"),
}
_REFUSALS = {
    PersonState.DISCONNECTED: "has disconnected; nothing is fetched until they sign in again",
    PersonState.RETIRED: "has left; their data is being deleted and nothing is fetched any more",
}


Renewer = Callable[[str, str | None], TokenPair]
"""Asks Oura for new tokens, given the refresh token and the endpoint that worked before."""


class Tokens(Store):
    """The part that hands out tokens."""

    def get(self, username: str, renewer: Renewer) -> PersonTokens:
        """The tokens of a person.

        Args:
            username: whose.
            renewer: asks Oura; called by one thread of one process at a time.

        Raises:
            UnknownPerson: nobody has this username.
        """
        with self._database.reading() as connection:
            require_known(connection, [username])
        return PersonTokens(self._database, self._cipher, username, renewer)

    def reencrypt(self) -> int:
        """Encrypt all tokens with the first key; how many people that were. All or nothing.

        Raises:
            KeyRefused: no key fits somebody's tokens.
        """
        with self._database.writing() as connection:
            for table in (schema.consents, schema.sign_ups):
                self._rotate(connection, table, needed=False)
            return self._rotate(connection, schema.tokens, needed=True)

    def _rotate(self, connection: Connection, table: Table, *, needed: bool) -> int:
        """Rows that nobody needs and no key opens are deleted."""
        rows = connection.execute(select(table).with_for_update()).mappings().all()
        for row in rows:
            same = [column == row[column.name] for column in table.primary_key]
            secrets = {name: row[name] for name in _ENCRYPTED[table.name] if row[name] is not None}
            try:
                changes = {name: self._cipher.rotate(text) for name, text in secrets.items()}
            except KeyRefused:
                if needed:
                    raise
                connection.execute(delete(table).where(*same))
            else:
                connection.execute(update(table).where(*same).values(changes))
        return len(rows)


class PersonTokens:
    """The tokens of one person; may be shared between threads."""

    def __init__(
        self,
        database: Database,
        cipher: TokenCipher,
        username: str,
        renewer: Renewer,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._username = username
        self._renewer = renewer

    def access_token(self) -> str:
        """An access token that works for some minutes more; renewed when there is none.

        Raises:
            SignInRequired: the person must sign in again, or is gone.
            AccountsBusy: another process never came back from renewing.
        """
        return self._stored().working(None) or self._renewed(None)

    def renew(self, refused: str) -> str:
        """An access token that is not the one that was refused.

        Raises:
            SignInRequired: the person must sign in again, or is gone.
            AccountsBusy: another process never came back from renewing.
        """
        return self._stored().working(refused) or self._renewed(refused)

    def _renewed(self, bad: str | None) -> str:
        """Renew, unless somebody else has done so before the lock was ours."""
        with self._lock():
            while True:
                stored = self._stored()
                if token := stored.working(bad):
                    return token
                if token := self._ask(stored):
                    self._stored()  # refuses, where they disconnected meanwhile
                    return token

    def _lock(self) -> AbstractContextManager[None]:
        # The file of a lock stays, so its name does not tell who it was for.
        whose = digest(self._username)[:16]
        return self._database.lock(f"renewal-{whose}")

    def _ask(self, stored: StoredTokens) -> str | None:
        """Ask Oura once; None: the person signed in again meanwhile, look at the new tokens."""
        if not self._announced(stored):
            return None
        try:
            answer = self._renewer(stored.refresh_token, stored.token_url)
        except SignInRequired as error:
            reason = stored.reason(error)
            if self._saved_refusal(stored, reason):
                # `from None`: what the other exception says may be less careful about tokens.
                raise self._sign_in(reason) from None
            return None
        return self._saved(stored, answer)

    def _announced(self, stored: StoredTokens) -> bool:
        """Say that a renewal is under way; also proves that the answer can be saved.

        False: these are not the tokens in the database any more.
        """
        table = schema.tokens.c
        same = (
            table.username == self._username,
            table.refresh_token == stored.encrypted,  # differs each time that one is encrypted
        )
        begun = {"renewal_started_at": now(), "renewal_fingerprint": stored.fingerprint}
        with self._database.writing() as connection:
            done = connection.execute(update(schema.tokens).where(*same).values(begun))
        return done.rowcount == 1

    def _saved(self, stored: StoredTokens, answer: TokenPair) -> str | None:
        changes: dict[str, Any] = {
            "access_token": self._cipher.encrypt(answer.access_token),
            "refresh_token": self._cipher.encrypt(answer.refresh_token),
            "expires_at": answer.expires_at,
            "renewed_at": now(),
            "token_url": answer.token_url,
        }
        with self._database.writing() as connection:
            if not self._finished(connection, stored, changes):
                return None
            if answer.scopes is not None:
                self._update_person(connection, {"scopes": " ".join(sorted(answer.scopes))})
        return answer.access_token

    def _saved_refusal(self, stored: StoredTokens, reason: str) -> bool:
        with self._database.writing() as connection:
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
        table = schema.tokens.c
        announced = (
            table.username == self._username,
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
        """The tokens of somebody who is connected; raises `SignInRequired` for anybody else."""
        row = self._row()
        if row is not None and (said := _REFUSALS.get(row.state)):
            raise SignInRequired(said)
        if row is None or row.refresh_token is None:
            raise SignInRequired("has left; there are no tokens any more")
        if row.state != PersonState.CONNECTED:
            raise self._sign_in(row.error)
        return self._decrypted(row)

    def _row(self) -> Row[Any] | None:
        theirs = schema.people.c.username == self._username
        query = select(schema.people.c.state, schema.people.c.error, schema.tokens)
        with self._database.reading() as connection:
            return connection.execute(
                query.join_from(schema.people, schema.tokens, isouter=True).where(theirs)
            ).one_or_none()

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
        )

    def _sign_in(self, reason: str | None) -> SignInRequired:
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

    @property
    def fingerprint(self) -> str:
        """Tells refresh tokens apart without being one."""
        return digest(self.refresh_token)[:16]

    def working(self, bad: str | None) -> str | None:
        """The access token, unless it is the bad one or about to expire.

        The margin shrinks for tokens that live shorter than 40 minutes: one that is about to
        expire from its first second would be renewed by everybody in turn.
        """
        if self.access_token is None or self.access_token == bad:
            return None
        if self.expires_at is None:
            return self.access_token
        margin = MARGIN
        if self.renewed_at is not None:
            margin = min(MARGIN, (self.expires_at - self.renewed_at) / 4)
        return self.access_token if now() < self.expires_at - margin else None

    def reason(self, error: Exception) -> str:
        """Why the renewal was refused, in one line without tokens."""
        said = (str(error).splitlines() or ["no reason given"])[0]
        for secret in (self.refresh_token, self.access_token):
            said = said.replace(secret, "…") if secret else said
        said = said[:LONGEST_REASON]
        if self.renewal_fingerprint != self.fingerprint or not self.renewal_started_at:
            return f"Oura refused to renew their tokens: {said}"
        return (
            f"a renewal of {self.renewal_started_at:%Y-%m-%d %H:%M} UTC was interrupted "
            f"and Oura refused to repeat it: {said}"
        )
