"""Sign-ups: people who are back from Oura with tokens and have yet to choose a username."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import GONE, EncryptedStore, now
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import TokenCipher
from oura_pipeline.accounts.errors import KeyRefused, PersonRefused
from oura_pipeline.accounts.gone import forget_gone, keep_tokens
from oura_pipeline.accounts.invites import use_invite
from oura_pipeline.accounts.people import (
    People,
    Person,
    PersonState,
    SignIn,
    insert_person,
    scopes_in,
    stored_scopes,
    unused_id,
)
from oura_pipeline.accounts.usernames import username_problem
from oura_pipeline.days import digest

SIGN_UP_LASTS = timedelta(hours=1)
# In the order in which everybody locks: see `Keys`.
_LOCKED = (schema.people, schema.consents, schema.tokens, schema.sign_ups)
_TOKENS = ("refresh_token", "access_token", "expires_at", "renewed_at", "token_url")


@dataclass(frozen=True, kw_only=True)
class WaitingSignUp:
    """Somebody who has yet to choose a username.

    Attributes:
        oura_id: Oura's id of them; None: not known.
        scopes: what they granted; None: not known.
        invite: the code they came with.
        begun_at: when they came back from Oura, UTC.
    """

    oura_id: str | None
    scopes: frozenset[str] | None
    invite: str | None = field(repr=False)
    begun_at: datetime


class SignUps(EncryptedStore):
    """Everybody who is about to join."""

    def __init__(self, database: Database, cipher: TokenCipher, people: People) -> None:
        super().__init__(database, cipher)
        self._people = people

    def begin(self, sign_in: SignIn, *, invite: str | None) -> str:
        """Keep what somebody brought from Oura for an hour; return the key to go on with.

        Replaces an earlier sign-up of the same Oura account, and ends those that are over.
        """
        key, table = secrets.token_urlsafe(32), schema.sign_ups
        row = {"digest": digest(key), "begun_at": now()}
        with self._database.writing(*_LOCKED) as connection:
            _end(connection, table.c.begun_at < now() - SIGN_UP_LASTS)
            # The newest sign-up of an Oura account is the only one: its tokens are those that work.
            if sign_in.oura_id is not None:
                connection.execute(delete(table).where(table.c.oura_id == sign_in.oura_id))
            forget_gone(connection, sign_in.oura_id)
            connection.execute(insert(table).values(row | self._columns(sign_in, invite)))
        return key

    def get(self, key: str) -> WaitingSignUp | None:
        """Return the sign-up with this key; None: there is none, or it is older than an hour."""
        with self._database.reading() as connection:
            row = _waiting(connection, key)
        try:
            return row and WaitingSignUp(
                oura_id=row.oura_id,
                scopes=scopes_in(row.scopes),
                invite=self._cipher.decrypt_if(row.invite),
                begun_at=row.begun_at,
            )
        except KeyRefused:  # encrypted with a key that was removed since
            return None

    def finish(
        self, key: str, username: str, *, people_limit: int, invite_required: bool
    ) -> Person:
        """Add the person, with the username that they chose.

        Args:
            key: of the sign-up.
            username: their choice.
            people_limit: how many people there may be who have not left; 0: any number.
            invite_required: whether nobody comes in without an invite that works.

        Raises:
            PersonRefused: that cannot be; the message is for them, and the sign-up goes on.
        """
        if problem := username_problem(username):
            raise PersonRefused(problem)
        with self._database.writing(schema.people, schema.tokens) as connection:
            # What is refused below rolls back: the sign-up stays, and another choice can be tried.
            row = _waiting(connection, key)
            sign_in, invite = self._brought(row)
            _require_room(connection, people_limit)
            _require_free(connection, username, sign_in.oura_id)
            insert_person(connection, self._cipher, username, sign_in)
            used = invite is not None and use_invite(connection, invite, username)
            if invite_required and not used:
                raise PersonRefused(_NO_INVITE if invite is None else _BAD_INVITE)
            self._forget(connection, key)
        return self._people.get(username)

    def reconnect(self, key: str) -> Person:
        """Give somebody who is here already the tokens of a sign-up, which is over then.

        Raises:
            PersonRefused: they are not here, or are leaving.
        """
        people = schema.people.c
        with self._database.writing(schema.people, schema.tokens) as connection:
            sign_in, _ = self._brought(_waiting(connection, key))
            theirs = select(people.username).where(people.oura_id == sign_in.oura_id)
            username = connection.scalar(theirs)
            if username is None:
                raise PersonRefused(_OVER)
            self._people.replace_tokens(connection, username, sign_in)
            self._forget(connection, key)
        return self._people.get(username)

    def cancel(self, key: str) -> list[str]:
        """End a sign-up; return under which ids there are tokens now that are to be revoked."""
        with self._database.writing(*_LOCKED) as connection:
            return _end(connection, schema.sign_ups.c.digest == digest(key))

    def end_expired(self) -> list[str]:
        """End the sign-ups that nobody finished in time; return the ids as `cancel` does."""
        over = schema.sign_ups.c.begun_at < now() - SIGN_UP_LASTS
        with self._database.reading() as connection:
            if connection.execute(select(schema.sign_ups.c.digest).where(over)).first() is None:
                return []  # who asks every minute holds up nobody
        with self._database.writing(*_LOCKED) as connection:
            return _end(connection, over)

    def _forget(self, connection: Connection, key: str) -> None:
        connection.execute(delete(schema.sign_ups).where(schema.sign_ups.c.digest == digest(key)))

    def _columns(self, sign_in: SignIn, invite: str | None) -> dict[str, Any]:
        return {
            "oura_id": sign_in.oura_id,
            "name": sign_in.name,
            "scopes": stored_scopes(sign_in.scopes),
            "refresh_token": self._cipher.encrypt(sign_in.refresh_token),
            "access_token": self._cipher.encrypt_if(sign_in.access_token),
            "expires_at": sign_in.expires_at,
            "renewed_at": sign_in.renewed_at or now(),
            "token_url": sign_in.token_url,
            "invite": self._cipher.encrypt_if(invite),
        }

    def _brought(self, row: Row[Any] | None) -> tuple[SignIn, str | None]:
        """Return what they brought from Oura, and the invite that they came with."""
        if row is None:
            raise PersonRefused(_OVER)
        try:
            sign_in = SignIn(
                refresh_token=self._cipher.decrypt(row.refresh_token),
                access_token=self._cipher.decrypt_if(row.access_token),
                expires_at=row.expires_at,
                renewed_at=row.renewed_at,
                token_url=row.token_url,
                scopes=scopes_in(row.scopes),
                oura_id=row.oura_id,
                name=row.name,
            )
            return sign_in, self._cipher.decrypt_if(row.invite)
        except KeyRefused:
            raise PersonRefused(_OVER) from None


_OVER = "this sign-up has expired or is finished already; sign in with Oura again"
_NO_INVITE = "sign-up is by invite only; ask the operator for one"
_BAD_INVITE = "this invite was used or has expired; ask the operator for a new one"


def _waiting(connection: Connection, key: str) -> Row[Any] | None:
    table = schema.sign_ups
    fresh = (table.c.digest == digest(key), table.c.begun_at >= now() - SIGN_UP_LASTS)
    return connection.execute(select(table).where(*fresh)).one_or_none()


def _require_room(connection: Connection, people_limit: int) -> None:
    here = schema.people.c.state.not_in([PersonState.RETIRED.value, GONE])
    count = connection.scalar(select(func.count()).select_from(schema.people).where(here)) or 0
    if people_limit and count >= people_limit:
        raise PersonRefused(
            f"all {people_limit} places that Oura allows are taken; ask the operator"
        )


def _require_free(connection: Connection, username: str, oura_id: str | None) -> None:
    # These messages are for whoever signs up, so they name nobody else.
    people = schema.people.c
    owner = select(people.state).where(people.oura_id == oura_id)
    state = connection.scalar(owner) if oura_id else None
    if state == PersonState.RETIRED:
        raise PersonRefused(
            "the data of this Oura account is being deleted; sign in with Oura again in an hour"
        )
    if state is not None:
        raise PersonRefused(
            "this Oura account is connected already; sign in with Oura to come to your page"
        )
    taken = select(people.username).where(people.username == username)
    if connection.scalar(taken) is not None:
        raise PersonRefused(f"the username {username} is taken; choose another one")


def _end(connection: Connection, over: ColumnElement[bool]) -> list[str]:
    """Delete sign-ups; return under which ids their tokens are kept until they are revoked."""
    ended = connection.execute(delete(schema.sign_ups).where(over).returning(schema.sign_ups))
    kept = []
    for row in ended.all():
        same = select(schema.people.c.id).where(schema.people.c.oura_id == row.oura_id)
        # The consent of who is here already may be the same one, and has to work on.
        if row.oura_id is None or connection.scalar(same) is not None:
            continue
        kept.append(unused_id(connection))
        tokens = {name: getattr(row, name) for name in _TOKENS}
        reason = "their sign-up was not finished"
        keep_tokens(connection, tokens, person_id=kept[-1], oura_id=row.oura_id, reason=reason)
    return kept
