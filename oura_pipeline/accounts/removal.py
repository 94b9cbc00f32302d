"""People who disconnect or leave: their tokens are revoked at Oura, and their rows deleted."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, delete, select

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import EncryptedStore, require_known
from oura_pipeline.accounts.people import LEAVING, PersonState, enter_state, require_staying
from oura_pipeline.accounts.tokens import PersonTokens, Renewer, StoredTokens

Revoker = Callable[[str, str], None]
"""Revokes a consent at Oura, given the access token and the refresh token."""


class Removal(EncryptedStore):
    """The end of a sign-in, and of everything about a person."""

    def disconnect(self, username: str) -> None:
        """Fetch nothing of a person any more, and keep their data; `revoke` comes next.

        Raises:
            UnknownPerson: nobody has this username.
            PersonRefused: they have left, which is more.
        """
        # Every step may be the last one before a crash. The state comes first, so that nothing is
        # fetched any more; the tokens stay until Oura has revoked them.
        with self._database.writing(schema.people) as connection:
            require_known(connection, [username])
            require_staying(connection, username)
            enter_state(connection, username, PersonState.DISCONNECTED)

    def retire(self, username: str) -> None:
        """Mark a person whose data is to be deleted; `revoke` and `delete` come next.

        Raises:
            UnknownPerson: nobody has this username.
        """
        with self._database.writing(schema.people) as connection:
            require_known(connection, [username])
            enter_state(connection, username, PersonState.RETIRED)

    def to_revoke(self) -> list[str]:
        """Return who has disconnected or left and still has tokens, by username."""
        people = schema.people.c
        left = people.state.in_([state.value for state in LEAVING])
        query = select(people.username).join_from(schema.people, schema.tokens).where(left)
        with self._database.reading() as connection:
            return list(connection.scalars(query.order_by(people.username)))

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
            require_known(connection, [username])
        _LastTokens(self._database, self._cipher, username, renewer).revoke(revoker)

    def delete(self, username: str) -> bool:
        """Delete a person and every row about them; return whether there was one.

        Others may have a SQLite file open; where one of them reads or writes for longer than 30 s,
        what the rows held stays in the file or its log until the next `delete` or `scrub`.
        """
        people, inbox, sign_ups = schema.people, schema.webhook_inbox, schema.sign_ups
        consents = schema.consents
        theirs = people.c.username == username
        with self._database.writing(inbox) as connection:
            oura_id = connection.scalar(select(people.c.oura_id).where(theirs))
            connection.execute(delete(consents).where(consents.c.username == username))
            there_was = connection.execute(delete(people).where(theirs)).rowcount > 0
            if oura_id is not None:
                connection.execute(delete(inbox).where(inbox.c.oura_id == oura_id))
                connection.execute(delete(sign_ups).where(sign_ups.c.oura_id == oura_id))
        # SQLite leaves copies behind when it moves rows between pages, so zeros in place of the
        # rows are not enough. Also where there was nobody: a removal may have been cut short.
        self._database.scrub()
        return there_was

    def scrub(self) -> bool:
        """Rewrite the SQLite file without what was deleted; do nothing on Postgres.

        Takes as long as copying the file, and as much room; nobody else can write meanwhile.

        Returns:
            False where somebody else was reading or writing for too long; see `delete`.
        """
        return self._database.scrub()


class _LastTokens(PersonTokens):
    """The tokens of somebody who has disconnected or left, only to be revoked."""

    def revoke(self, revoker: Revoker) -> None:
        """Revoke them, unless that was done already."""
        with self._lock():
            while stored := self._last():
                token = stored.working(None) or self._ask(stored)
                if token is None:
                    continue  # they were refused and are gone, or are others now
                if saved := self._last():  # what is to be forgotten is what a renewal has saved
                    revoker(token, saved.refresh_token)
                    self._forget(schema.tokens.c.refresh_token == saved.encrypted)
                return

    def _last(self) -> StoredTokens | None:
        row = self._row()
        if row is None or row.refresh_token is None or row.state not in LEAVING:
            return None
        return self._decrypted(row)

    def _saved_refusal(self, stored: StoredTokens, reason: str) -> bool:
        # Oura takes the tokens no longer, so there is nothing left to revoke.
        self._forget(schema.tokens.c.renewal_fingerprint == stored.fingerprint)
        return False

    def _forget(self, which: ColumnElement[bool]) -> None:
        # Whoever signs in again meanwhile has other tokens, and keeps them.
        theirs = (schema.tokens.c.username == self._username, which)
        with self._database.writing() as connection:
            connection.execute(delete(schema.tokens).where(*theirs))
