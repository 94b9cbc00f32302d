"""The ledger of fetches by months: what each month's rows come to.

Whoever asks for everybody reads these rows and not the ledger's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    cast,
    delete,
    extract,
    func,
    select,
)

from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.names import among
from oura_pipeline.accounts.schema import fetch_months, fetches
from oura_pipeline.ledger import FetchStatus

_KEY = ("document_type", "username", "month")
_SUMS = (
    *("days", "first_day", "last_day", "newest", "seconds", "documents", "placed"),
    *(status.value for status in FetchStatus),
    "last_landed",
)


@dataclass(frozen=True, kw_only=True)
class Months:
    """Months of some people and document types.

    Attributes:
        document_types: of these.
        usernames: of these people.
        first_day: the first day of the first month.
        last_day: the last day of the last month.
    """

    document_types: frozenset[str]
    usernames: frozenset[str]
    first_day: date
    last_day: date

    @classmethod
    def of(cls, days: Iterable[tuple[str, str, date]]) -> Self:
        """Return the months in which days are, of a document type and a person each."""
        types, names, dates = zip(*days, strict=True)
        after = max(dates).replace(day=28) + timedelta(days=4)  # in the next month
        return cls(
            document_types=frozenset(types),
            usernames=frozenset(names),
            first_day=min(dates).replace(day=1),
            last_day=after - timedelta(days=after.day),
        )

    def sum_up(self, database: Database, connection: Connection) -> None:
        """Write what the rows of these months come to, of which each has some."""
        of_month = (*(fetches.c[name] for name in _KEY[:2]), _month())
        theirs = (*self._are(fetches), fetches.c.day.between(self.first_day, self.last_day))
        sums = select(*of_month, *_sums(database)).where(*theirs).group_by(*of_month)
        insert = database.insert(fetch_months, _SUMS)
        connection.execute(insert.from_select([*_KEY, *_SUMS], sums))

    def sum_up_fewer(self, database: Database, connection: Connection) -> None:
        """Do the same where rows were deleted: months that have none any more go."""
        connection.execute(delete(fetch_months).where(*self._are(fetch_months), ~_has_rows()))
        self.sum_up(database, connection)

    def _are(self, table: Any) -> Sequence[ColumnElement[bool]]:
        types = table.c.document_type.in_(sorted(self.document_types))
        return types, among(table.c.username, self.usernames)


def alone(database: Database, connection: Connection, document_types: Iterable[str]) -> None:
    """Let nobody else write to the ledger of these document types until the transaction ends.

    Otherwise two that write days of the same month would each sum up without the other's.
    """
    database.take_turns(connection, [f"fetches {name}" for name in document_types])


def in_month() -> ColumnElement[bool]:
    """Return the condition that a row of the ledger is of a month."""
    return and_(
        fetches.c.document_type == fetch_months.c.document_type,
        fetches.c.username == fetch_months.c.username,
        fetches.c.day.between(fetch_months.c.first_day, fetch_months.c.last_day),
    )


def _has_rows() -> ColumnElement[bool]:
    return select(fetches.c.day).where(in_month()).exists()


def _month() -> ColumnElement[int]:
    return extract("year", fetches.c.day) * 12 + extract("month", fetches.c.day)


def _sums(database: Database) -> Sequence[ColumnElement[Any]]:
    columns = fetches.c
    day_of_year = extract("doy", columns.day)
    return (
        func.count(),
        func.min(columns.day),
        func.max(columns.day),
        func.max(columns.at),
        func.sum(_whole_seconds(database)),
        func.sum(columns.documents),
        func.sum(columns.documents * day_of_year * day_of_year),
        *(days_with(status) for status in FetchStatus),
        func.max(case((columns.documents > 0, columns.day))),
    )


def days_with(status: FetchStatus) -> ColumnElement[int]:
    """Return the number of rows of the ledger that have this status."""
    return func.sum(case((fetches.c.status == status.value, 1), else_=0))


def _whole_seconds(database: Database) -> ColumnElement[int]:
    """Return `at` in whole seconds since 1970."""
    # SQLite cuts the fraction off by itself, and may have been built without `floor`.
    seconds = extract("epoch", fetches.c.at)
    return seconds if database.path else cast(func.floor(seconds), BigInteger)
