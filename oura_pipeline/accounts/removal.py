"""People who disconnect or leave: their tokens are revoked at Oura, and their rows deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import GONE, EncryptedStore, now, require_known
from oura_pipeline.accounts.gone import keep_tokens
from oura_pipeline.accounts.people import (
    LEAVING,
    PersonState,
    enter_state,
    require_staying,
)
from oura_pipeline.accounts.sessions import end_sessions
from oura_pipeline.accounts.tokens import PersonTokens, Renewer, StoredTokens
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.days import digest

Revoker = Callable[[str, str, str | None], None]
"""Revokes a consent at Oura, given the access token, the refresh token and where they are from.

Raises `SignInRequired` when Oura does not know them, which a renewal decides.
"""


@dataclass(frozen=True, kw_only=True)
class Unrevoked:
    """Somebody who has disconnected or left, and whose consent Oura has not taken back yet.

    Attributes:
        id: theirs; all that is left of somebody who was deleted.
        username: None: they were deleted.
        state_since: when they disconnected, left or were deleted, UTC.
        reason: why the last try failed; None: there was none yet.
    """

    id: str
    username: str | None
    state_since: datetime
    reason: str | None


class Removal(EncryptedStore):
    """The end of a sign-in, and of everything about a person."""

    def disconnect(self, username: str) -> None:
        """Fetch nothing of a person, keep their data and end their sessions; `revoke` comes next.

        Raises:
            UnknownPerson: nobody has this username.
            PersonRefused: they have left, which is more.
        """
        # Every step may be the last one before a crash. The state comes first, so that nothing is
        # fetched any more; the tokens stay until Oura has revoked them.
        with self._database.writing(schema.people) as connection:
            require_known(connection, username)
            require_staying(connection, username)
            enter_state(connection, username, PersonState.DISCONNECTED)
            end_sessions(connection, username)

    def retire(self, username: str) -> None:
        """Mark a person whose data is to be deleted and end their sessions; `revoke` comes next.

        Raises:
            UnknownPerson: nobody has this username.
        """
        with self._database.writing(schema.people) as connection:
            require_known(connection, username)
            enter_state(connection, username, PersonState.RETIRED, notified_at=None)
            end_sessions(connection, username)

    def to_revoke(self) -> list[str]:
        """Return who has disconnected or left and still has tokens, by username."""
        return [row.username for row in self.unrevoked() if row.username is not None]

    def unrevoked(self) -> list[Unrevoked]:
        """Return whose tokens are to be revoked: by username, then those who were deleted."""
        people = schema.people.c
        columns = (people.id, people.username, people.state, people.state_since, people.error)
        query = select(*columns).join_from(schema.people, schema.tokens)
        left = query.where(people.state.in_(_LEFT)).order_by(people.state == GONE, people.username)
        with self._database.reading() as connection:
            return [
                Unrevoked(
                    id=row.id,
                    username=None if row.state == GONE else row.username,
                    state_since=row.state_since,
                    reason=row.error,
                )
                for row in connection.execute(left)
            ]

    def not_revoked(self, person_id: str, reason: str) -> None:
        """Save why the consent of somebody could not be revoked; nothing, where they are back."""
        theirs = (schema.people.c.id == person_id, schema.people.c.state.in_(_LEFT))
        with self._database.writing() as connection:
            connection.execute(update(schema.people).where(*theirs).values(error=reason))

    def revoke(self, username: str, renewer: Renewer, revoker: Revoker) -> None:
        """Revoke the consent of somebody who has disconnected or left, and forget their tokens.

        Nothing happens where somebody is connected, or has no tokens any more. Whatever else the
        renewer or the revoker raises passes through, and the tokens stay for the next time.

        Args:
            username: whose.
            renewer: asks Oura for new tokens, where the access token has expired.
            revoker: revokes them at Oura; may be called with the same ones again after a crash.

        Raises:
            UnknownPerson: nobody has this username.
            AccountsBusy: another process never came back from renewing.
        """
        with self._database.reading() as connection:
            require_known(connection, username)
        _LastTokens(self._database, self._cipher, username, renewer).revoke(revoker)

    def revoke_gone(self, person_id: str, renewer: Renewer, revoker: Revoker) -> None:
        """Revoke what is left of somebody who was deleted, and then delete that as well.

        Raises:
            Exception: as for `revoke`.
        """
        _LastTokens(self._database, self._cipher, person_id, renewer).revoke(revoker)
        theirs = (schema.people.c.id == person_id, schema.people.c.state == GONE)
        with self._database.writing() as connection:
            connection.execute(delete(schema.people).where(*theirs))
        self._database.scrub()

    def delete(self, username: str, *, reserve: bool = False) -> bool:
        """Delete a person and every row about them; return whether there was one.

        Tokens that are not revoked yet stay, encrypted, under the person's id alone, for
        `revoke_gone`.

        Others may have a SQLite file open; where one of them reads or writes for longer than 30 s,
        what the rows held stays in the file or its log until the next `delete` or `scrub`.

        Args:
            username: theirs.
            reserve: whether nobody may take the username before `release`.
        """
        people, inbox, sign_ups = schema.people, schema.webhook_inbox, schema.sign_ups
        consents = schema.consents
        theirs = people.c.username == username
        # In the order in which everybody locks: see `Keys`.
        tables = (people, consents, schema.tokens, sign_ups, inbox)
        with self._database.writing(*tables) as connection:
            oura_id = connection.scalar(select(people.c.oura_id).where(theirs))
            tokens = _tokens(connection, username)
            connection.execute(delete(consents).where(consents.c.username == username))
            there_was = connection.execute(delete(people).where(theirs)).rowcount > 0
            if tokens is not None:
                columns = dict(tokens._mapping)
                theirs_alone = {"person_id": columns.pop("id"), "reason": columns.pop("error")}
                keep_tokens(connection, columns, oura_id=oura_id, **theirs_alone)
            if reserve and there_was:
                self._reserve(connection, username)
            if oura_id is not None:
                connection.execute(delete(inbox).where(inbox.c.oura_id == oura_id))
                connection.execute(delete(sign_ups).where(sign_ups.c.oura_id == oura_id))
        # SQLite leaves copies behind when it moves rows between pages, so zeros in place of the
        # rows are not enough. Also where there was nobody: a removal may have been cut short.
        self.scrub()
        return there_was

    def _reserve(self, connection: Connection, username: str) -> None:
        former = schema.former_usernames
        values = {"digest": digest(username), "left_at": now(), "scrubbed": False}
        connection.execute(self._database.insert(former, ("left_at", "scrubbed")), values)

    def release(self, holding: Iterable[str]) -> int:
        """Free the usernames of people who left, but of whom Graphite still holds metrics.

        Args:
            holding: all names under which Graphite holds metrics.

        Returns:
            How many were freed.
        """
        former = schema.former_usernames
        held = sorted(map(digest, holding))
        with self._database.writing() as connection:
            return connection.execute(delete(former).where(former.c.digest.not_in(held))).rowcount

    def unscrubbed_since(self) -> datetime | None:
        """Return when the first person left whose rows may still be in the file of the database."""
        former = schema.former_usernames.c
        with self._database.reading() as connection:
            query = select(func.min(former.left_at)).where(former.scrubbed.is_(False))
            since: datetime | None = connection.scalar(query)
        return since

    def scrub(self) -> bool:
        """Rewrite the SQLite file without what was deleted; do nothing on Postgres.

        Takes as long as copying the file, and as much room; nobody else can write meanwhile.

        Returns:
            False where somebody else was reading or writing for too long; see `delete`.
        """
        former = schema.former_usernames
        before = now()
        if not self._database.scrub():
            return False
        with self._database.writing() as connection:
            left = (former.c.left_at <= before, former.c.scrubbed.is_(False))
            connection.execute(update(former).where(*left).values(scrubbed=True))
        return True


_LEFT = [*(state.value for state in LEAVING), GONE]


def _tokens(connection: Connection, username: str) -> Row[Any] | None:
    """Return somebody's tokens and what is to be known for revoking them."""
    people = schema.people.c
    query = select(people.id, people.error, schema.tokens).join_from(schema.people, schema.tokens)
    return connection.execute(query.where(people.username == username)).one_or_none()


class _LastTokens(PersonTokens):
    """The tokens of somebody who has disconnected or left, only to be revoked."""

    def revoke(self, revoker: Revoker) -> None:
        """Revoke them, unless that was done already."""
        unknown = None  # the access token of which Oura said so
        with self._lock():
            while stored := self._last():
                token = stored.working(unknown) or self._ask(stored)
                if token is None:
                    continue  # they were refused and are gone, or are others now
                saved = self._last()  # what is to be forgotten is what a renewal has saved
                if saved is None:
                    return
                try:
                    revoker(token, saved.refresh_token, saved.token_url)
                except SignInRequired:
                    # Perhaps the consent is gone already, perhaps only this token has expired, or
                    # Oura means our client. A renewal tells; one that works says: not revoked.
                    if unknown is not None:
                        raise
                    unknown = token
                    continue
                self._forget(schema.tokens.c.refresh_token == saved.encrypted)
                return

    def _last(self) -> StoredTokens | None:
        row = self._row()
        if row is None or row.refresh_token is None or row.state not in _LEFT:
            return None
        return self._decrypted(row)

    def _saved_refusal(self, stored: StoredTokens, reason: str) -> bool:
        # Oura takes the tokens no longer, so there is nothing left to revoke.
        self._forget(schema.tokens.c.renewal_fingerprint == stored.fingerprint)
        return False

    def _forget(self, which: ColumnElement[bool]) -> None:
        # Whoever signs in again meanwhile has other tokens, and keeps them.
        theirs = (schema.tokens.c.username == self._username, which)
        with self._database.writing(schema.people, schema.tokens) as connection:
            if connection.execute(delete(schema.tokens).where(*theirs)).rowcount:
                self._update_person(connection, {"error": None})
