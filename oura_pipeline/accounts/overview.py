"""Sums of the ledger of fetches, for people's pages and the operator's list.

What was never fetched is absent; it is not a zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, or_, select

from oura_pipeline.accounts.base import Store, matching
from oura_pipeline.accounts.fetch_months import days_with
from oura_pipeline.accounts.fetches import WITHOUT_DAYS
from oura_pipeline.accounts.names import among
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.schema import IS_FAILED, IS_LOST, fetch_months, fetches, people
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.ledger import MEMBERSHIP_LAPSED, FetchStatus

_UNANSWERED = (FetchStatus.FAILED.value, FetchStatus.NOT_GRANTED.value)


@dataclass(frozen=True, kw_only=True)
class TypeOverview:
    """What is known of one document type of a person.

    Attributes:
        document_type: its name.
        last_asked_at: when it was last fetched, UTC.
        first_day: the first day that was fetched.
        latest_day: the newest day with documents; None: there are none.
        documents: how many there are.
        landed: days with documents or with a removal of theirs.
        empty: days without any.
        not_granted: days that the person did not let us see.
        failed: days that are to be fetched again.
        error: why the newest of those that failed or were not granted did; None: none did.
    """

    document_type: str
    last_asked_at: datetime
    first_day: date
    latest_day: date | None
    documents: int
    landed: int
    empty: int
    not_granted: int
    failed: int
    error: str | None


@dataclass(frozen=True, kw_only=True)
class DayOverview:
    """How many document types of a person had which answer on a day.

    Attributes:
        landed: had documents, or a removal of theirs.
        empty: had none.
        not_granted: may not be seen.
        failed: are to be fetched again.
    """

    landed: int
    empty: int
    not_granted: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class DaysToFetchAgain:
    """Days of a person that failed for one reason, or suddenly lost documents.

    Attributes:
        username: whose.
        document_types: their names, in alphabetical order.
        first_day: the first day of any of them.
        last_day: the last one.
        reason: why.
    """

    username: str
    document_types: tuple[str, ...]
    first_day: date
    last_day: date
    reason: str


class Overview(Store):
    """Sums of the ledger of fetches."""

    def document_types(self, username: str) -> list[TypeOverview]:
        """Return what is known of each document type that was fetched, in the catalog's order."""
        with self._database.reading() as connection:
            errors = {row.document_type: row.error for row in connection.execute(_errors(username))}
            sums = {row.document_type: row for row in connection.execute(_sums(username))}
        return [
            TypeOverview(**sums[document_type.name]._mapping, error=errors.get(document_type.name))
            for document_type in DOCUMENT_TYPES
            if document_type.name in sums
        ]

    def days(
        self, username: str, document_types: Iterable[str], *, first_day: date, last_day: date
    ) -> dict[date, DayOverview]:
        """Return the answers of each day that was fetched, of these document types together."""
        conditions = matching(
            fetches,
            document_type=None,
            usernames=[username],
            first_day=first_day,
            last_day=last_day,
        )
        counts = (days_with(status).label(status.value) for status in FetchStatus)
        query = (
            select(fetches.c.day, *counts)
            .where(*conditions, fetches.c.document_type.in_(sorted(document_types)))
            .group_by(fetches.c.day)
        )
        with self._database.reading() as connection:
            return {
                row.day: DayOverview(
                    **{status.value: row._mapping[status.value] for status in FetchStatus}
                )
                for row in connection.execute(query)
            }

    def last_asked(self) -> dict[str, datetime]:
        """Return when something was last fetched of each person, UTC, by username."""
        months = fetch_months.c
        query = select(months.username, func.max(months.newest)).group_by(months.username)
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def first_due(self) -> datetime | None:
        """Return when the connected person was last asked for who waits longest; None: none was."""
        last = func.max(fetch_months.c.newest).label("last")
        connected = people.c.state == PersonState.CONNECTED.value
        each = select(last).join(people).where(connected).group_by(people.c.username).subquery()
        with self._database.reading() as connection:
            first: datetime | None = connection.scalar(select(func.min(each.c.last)))
        return first

    def is_anybody_unasked(self, since: datetime) -> bool:
        """Return whether somebody who is connected since before has not been asked for since."""
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        months = fetch_months.c
        theirs = (months.document_type.in_(names), months.username == people.c.username)
        asked = exists().where(*theirs, months.newest >= since)
        waiting = (people.c.state == PersonState.CONNECTED.value, people.c.connected_since < since)
        with self._database.reading() as connection:
            return bool(connection.scalar(select(exists().where(*waiting, ~asked))))

    def fetched_since(self, username: str, since: datetime) -> dict[str, int]:
        """Return how many documents changed in fetches of a person since then, by document type."""
        query = (
            select(fetches.c.document_type, func.sum(fetches.c.changed))
            .where(_rows_of(username), fetches.c.at > since)
            .group_by(fetches.c.document_type)
        )
        with self._database.reading() as connection:
            return {name: changed or 0 for name, changed in connection.execute(query)}

    def latest_days(self) -> dict[str, date]:
        """Return the newest day that has documents, by username; who is absent has none."""
        # Of the types that come every day: a ring's or a profile's day is that of the sync.
        months = fetch_months.c
        days = (months.document_type.not_in(WITHOUT_DAYS), months.last_landed.is_not(None))
        query = select(months.username, func.max(months.last_landed)).where(*days)
        with self._database.reading() as connection:
            return dict(connection.execute(query.group_by(months.username)).all())

    def failed_days(self) -> dict[str, int]:
        """Return on how many days something failed, by username; who is absent has none."""
        days = func.count(fetches.c.day.distinct())
        query = select(fetches.c.username, days).where(IS_FAILED).group_by(fetches.c.username)
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def to_fetch_again(self) -> list[DaysToFetchAgain]:
        """Return what failed or was suddenly lost, of connected people who have a membership."""
        return [*self._failures(), *self.losses()]

    def losses(self, document_type: str | None = None) -> list[DaysToFetchAgain]:
        """Return what was suddenly lost, of one document type or all, of connected people."""
        columns = fetches.c
        query = (
            select(
                columns.username,
                columns.document_type,
                func.min(columns.day),
                func.max(columns.day),
                func.sum(columns.lost_from - columns.documents),
                func.sum(columns.lost_from),
            )
            .join(people, people.c.username == columns.username)
            .where(
                IS_LOST,
                people.c.state == PersonState.CONNECTED.value,
                or_(columns.document_type.not_in(WITHOUT_DAYS), columns.day == _newest_day()),
            )
            .group_by(columns.username, columns.document_type)
            .order_by(columns.username, columns.document_type)
        )
        if document_type is not None:
            query = query.where(columns.document_type == document_type)
        with self._database.reading() as connection:
            return [
                DaysToFetchAgain(
                    username=username,
                    document_types=(name,),
                    first_day=first,
                    last_day=last,
                    reason=f"Oura's answer has {gone} of {before} documents no longer; it is asked "
                    "again the next day",
                )
                for username, name, first, last, gone, before in connection.execute(query)
            ]

    def _failures(self) -> list[DaysToFetchAgain]:
        lapsed = fetches.c.error.startswith(MEMBERSHIP_LAPSED, autoescape=True)
        connected = people.c.state == PersonState.CONNECTED.value
        reason = (fetches.c.username, fetches.c.error)
        days = (func.min(fetches.c.day), func.max(fetches.c.day))
        query = (
            select(*reason, fetches.c.document_type, *days)
            .join(people, people.c.username == fetches.c.username)
            .where(IS_FAILED, ~lapsed, connected)
            .group_by(*reason, fetches.c.document_type)
            .order_by(*reason, fetches.c.document_type)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        # One fault of Oura often hits several types.
        return [
            DaysToFetchAgain(
                username=username,
                document_types=tuple(name for _, _, name, _, _ in failed),
                first_day=min(first for *_, first, _ in failed),
                last_day=max(last for *_, last in failed),
                reason=error,
            )
            for (username, error), group in groupby(rows, key=lambda row: (row[0], row[1]))
            for failed in [list(group)]
        ]

    def lapsed(self) -> dict[str, str]:
        """Return what Oura said of whose membership has lapsed, by username."""
        lapsed = fetches.c.error.startswith(MEMBERSHIP_LAPSED, autoescape=True)
        query = select(fetches.c.username, func.max(fetches.c.error)).where(IS_FAILED, lapsed)
        with self._database.reading() as connection:
            return dict(connection.execute(query.group_by(fetches.c.username)).all())

    def statuses(self) -> dict[FetchStatus, int]:
        """Return how many rows there are of each status."""
        query = select(*(func.sum(fetch_months.c[status]) for status in FetchStatus))
        with self._database.reading() as connection:
            counts = connection.execute(query).one()
        # Without any month the sums are null.
        return {status: int(count or 0) for status, count in zip(FetchStatus, counts, strict=True)}

    def first_landed(self, username: str) -> date | None:
        """Return the first day of which a person has documents; None: there are none."""
        landed = (_rows_of(username), fetches.c.documents > 0)
        with self._database.reading() as connection:
            first: date | None = connection.scalar(select(func.min(fetches.c.day)).where(*landed))
        return first

    def first_asked(self, usernames: Iterable[str]) -> dict[tuple[str, str], date]:
        """Return the first day that was fetched of these people, by username and type."""
        # A search in the primary key for each of them: grouping would read the whole ledger.
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        theirs = among(people.c.username, usernames)
        query = select(people.c.username, *(_first_day(name) for name in names)).where(theirs)
        with self._database.reading() as connection:
            return {
                (username, name): day
                for username, *days in connection.execute(query)
                for name, day in zip(names, days, strict=True)
                if day is not None
            }


def _newest_day() -> Any:
    """Return the newest day that was fetched of the person and type of a row."""
    other = fetches.alias()
    same = (
        other.c.username == fetches.c.username,
        other.c.document_type == fetches.c.document_type,
    )
    return select(func.max(other.c.day)).where(*same).scalar_subquery()


def _first_day(name: str) -> Any:
    theirs = (fetches.c.username == people.c.username, fetches.c.document_type == name)
    return select(func.min(fetches.c.day)).where(*theirs).scalar_subquery()


def _sums(username: str) -> Select[Any]:
    columns = fetches.c
    return (
        select(
            columns.document_type,
            func.max(columns.at).label("last_asked_at"),
            func.min(columns.day).label("first_day"),
            func.max(case((columns.documents > 0, columns.day))).label("latest_day"),
            func.sum(columns.documents).label("documents"),
            *(days_with(status).label(status.value) for status in FetchStatus),
        )
        .where(_rows_of(username))
        .group_by(columns.document_type)
    )


def _errors(username: str) -> Select[Any]:
    """Select the error of the newest row that has one, by document type."""
    newest = (fetches.c.at.desc(), fetches.c.day.desc())
    place = func.row_number().over(partition_by=fetches.c.document_type, order_by=newest)
    unanswered = (_rows_of(username), fetches.c.status.in_(_UNANSWERED))
    columns = (fetches.c.document_type, fetches.c.error, place.label("place"))
    ranked = select(*columns).where(*unanswered).subquery()
    return select(ranked.c.document_type, ranked.c.error).where(ranked.c.place == 1)


def _rows_of(username: str) -> ColumnElement[bool]:
    # All types are named because the primary key begins with them: a search instead of a scan.
    names = [document_type.name for document_type in DOCUMENT_TYPES]
    return (fetches.c.username == username) & fetches.c.document_type.in_(names)
