"""Invites: codes that let one person in each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from oura_pipeline.accounts.base import Store, now, random_text
from oura_pipeline.accounts.schema import invites
from oura_pipeline.days import digest

_GROUPS, _LETTERS = 3, 5  # 74 bits


@dataclass(frozen=True, kw_only=True)
class Invite:
    """One invite; its code is not known any more.

    Attributes:
        created_at: when it was created, UTC.
        expires_at: until when it works, UTC.
        used_at: when somebody came in with it, UTC; None: nobody did.
        username: who that was; None as well after they were removed.
    """

    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    username: str | None


class Invites(Store):
    """All invites."""

    def create(self, valid_for: timedelta = timedelta(days=7)) -> str:
        """Return a new code, in lower case with dashes."""
        # Only its digest is kept: who reads the database cannot come in with it.
        code = "-".join(random_text(_LETTERS) for _ in range(_GROUPS))
        at = now()
        row = {"digest": _digest(code), "created_at": at, "expires_at": at + valid_for}
        with self._database.writing() as connection:
            connection.execute(insert(invites).values(row))
        return code

    def all(self) -> list[Invite]:
        """Return all invites, the newest first."""
        columns = [invites.c[name] for name in Invite.__dataclass_fields__]
        query = select(*columns).order_by(invites.c.created_at.desc(), invites.c.digest)
        with self._database.reading() as connection:
            return [Invite(**row._mapping) for row in connection.execute(query)]

    def is_valid(self, code: str) -> bool:
        """Return whether somebody can come in with a code now, however it was typed."""
        with self._database.reading() as connection:
            return connection.scalar(select(invites.c.digest).where(_works(code))) is not None


def use_invite(connection: Connection, code: str, username: str) -> bool:
    """Use an invite up for somebody who is there; return whether it worked."""
    used = update(invites).where(_works(code)).values(used_at=now(), username=username)
    return connection.execute(used).rowcount == 1


def _works(code: str) -> ColumnElement[bool]:
    same = invites.c.digest == _digest(code)
    return and_(same, invites.c.used_at.is_(None), invites.c.expires_at > now())


def _digest(code: str) -> str:
    return digest("".join(code.lower().replace("-", " ").split()))
