"""What the stores of the accounts share: the database, the cipher and checks of usernames."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, Connection, Table, bindparam, literal, select

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.encryption import TokenCipher
from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.names import among
from oura_pipeline.accounts.schema import people
from oura_pipeline.ledger import Fetch, Push, Withdrawn


class Store:
    """Some tables of the database, and what is done with them."""

    def __init__(self, database: Database) -> None:
        self._database = database


class EncryptedStore(Store):
    """A store with secrets in its tables."""

    def __init__(self, database: Database, cipher: TokenCipher) -> None:
        super().__init__(database)
        self._cipher = cipher


RETIRED = "retired"
"""The state of somebody who has left: nothing is written of them any more."""

GONE = "gone"
"""The state of a row that has nothing but the tokens of somebody who was deleted, until these are
revoked. Its username is their id; `Removal` alone sees it."""

UNAMBIGUOUS = "abcdefghjkmnpqrstuvwxyz23456789"  # none is read, or heard, as another one


def random_text(length: int) -> str:
    """Return unpredictable letters and digits, 4.95 bits each, that are easy to type."""
    return "".join(secrets.choice(UNAMBIGUOUS) for _ in range(length))


def now() -> datetime:
    """Return this instant, UTC."""
    return datetime.now(UTC)


def require_known(connection: Connection, username: str) -> None:
    """Raise `UnknownPerson` unless that person is in the database."""
    # A foreign key would refuse the rows as well, but not say who is unknown and who is there.
    if not connection.scalar(_KNOWN, {"who": username}):
        raise UnknownPerson([username], some_of(connection, people.c.username))


def who_left(connection: Connection, usernames: Iterable[str]) -> set[str]:
    """Return who of them is in the database no longer, or is about to be deleted."""
    names = set(usernames)
    theirs = (among(people.c.username, names), people.c.state.not_in([RETIRED, GONE]))
    return names - set(connection.scalars(select(people.c.username).where(*theirs)))


def known_usernames(connection: Connection, usernames: Iterable[str]) -> set[str]:
    """Return who of them is in the database."""
    query = select(people.c.username).where(not_gone(), among(people.c.username, usernames))
    return set(connection.scalars(query))


def some_of(connection: Connection, column: ColumnElement[str]) -> list[str]:
    """Return the usernames or ids of the first people, one more than an error names."""
    query = select(column).where(not_gone()).order_by(column).limit(UnknownPerson.NAMED + 1)
    return list(connection.scalars(query))


def in_shards(username: ColumnElement[str], shards: range) -> ColumnElement[bool]:
    """Return the condition that somebody is of one of these shards, which follow each other."""
    theirs = people.c.shard.between(shards.start, shards.stop - 1)
    return username.in_(select(people.c.username).where(theirs))


def not_gone() -> ColumnElement[bool]:
    """Return the condition that a row of `people` is somebody."""
    return people.c.state != GONE


# Built once: it is asked for each person and document type of a run.
_KNOWN = select(literal(1)).where(people.c.username == bindparam("who"), not_gone())


def ledger_key(row: Fetch | Push | Withdrawn) -> tuple[str, str, date]:
    """Return what rows are sorted by before they are written."""
    # Two transactions that lock the same rows in different orders deadlock on Postgres.
    return row.document_type, row.username, row.day


def matching(
    table: Table,
    *,
    document_type: str | None,
    usernames: Iterable[str] | None,
    first_day: date | None,
    last_day: date | None,
) -> list[ColumnElement[bool]]:
    """Return the conditions on a row; None matches every row, an empty iterable none."""
    conditions: list[ColumnElement[bool]] = []
    if document_type is not None:
        conditions.append(table.c.document_type == document_type)
    if usernames is not None:
        conditions.append(among(table.c.username, usernames))
    if first_day is not None:
        conditions.append(table.c.day >= first_day)
    if last_day is not None:
        conditions.append(table.c.day <= last_day)
    return conditions
