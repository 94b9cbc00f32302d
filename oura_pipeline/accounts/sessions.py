"""Sessions: browsers in which somebody, or the operator, has signed in at the site."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from oura_pipeline.accounts.base import Store, now
from oura_pipeline.accounts.schema import sessions
from oura_pipeline.days import digest


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session that has not ended; its id is not known any more.

    Attributes:
        username: whose; None: the operator's.
        password: a hash of the password that the operator signed in with; None: a person's.
        signed_in_at: when they signed in, with Oura or with that password, UTC.
    """

    username: str | None
    password: str | None = field(repr=False)
    signed_in_at: datetime


class Sessions(Store):
    """All sessions of all browsers."""

    def begin(
        self,
        lasts: timedelta,
        *,
        username: str | None = None,
        password: str | None = None,
        signed_in_at: datetime | None = None,
    ) -> str:
        """Return the id of a new session; forget those that are over.

        Args:
            lasts: how long it lasts, unless it is ended before.
            username: whose it is; None: the operator's.
            password: a hash of the operator's password; None: a person's.
            signed_in_at: when they signed in; None: now.
        """
        # Only its digest is kept: who reads the database cannot come in with it.
        session_id, at = secrets.token_urlsafe(32), now()
        row = {
            "digest": digest(session_id),
            "username": username,
            "password": password,
            "signed_in_at": signed_in_at or at,
            "ends_at": at + lasts,
        }
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.ends_at <= at))
            connection.execute(insert(sessions).values(row))
        return session_id

    def get(self, session_id: str) -> Session | None:
        """Return the session with this id; None: there is none, or it has ended."""
        columns = [sessions.c[name] for name in Session.__dataclass_fields__]
        own = (sessions.c.digest == digest(session_id), sessions.c.ends_at > now())
        with self._database.reading() as connection:
            row = connection.execute(select(*columns).where(*own)).one_or_none()
        return Session(**row._mapping) if row else None

    def end(self, session_id: str) -> None:
        """End a session, if it has not ended."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest(session_id)))

    def end_all_of(self, username: str | None) -> int:
        """End all sessions of a person, or the operator's (None); return how many there were."""
        with self._database.writing() as connection:
            return end_sessions(connection, username)

    def end_all(self) -> int:
        """End everybody's sessions, the operator's too; return how many there were."""
        with self._database.writing() as connection:
            return connection.execute(delete(sessions)).rowcount


def end_sessions(connection: Connection, username: str | None) -> int:
    """End all sessions of a person, or the operator's (None); return how many there were."""
    theirs = sessions.c.username.is_(None) if username is None else sessions.c.username == username
    return connection.execute(delete(sessions).where(theirs)).rowcount
