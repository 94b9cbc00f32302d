"""The ledger of fetches: the newest answer of Oura by document type, person and day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from oura_pipeline.accounts.base import Store, in_shards, ledger_key, matching, who_left
from oura_pipeline.accounts.fetch_months import Months, alone, in_month
from oura_pipeline.accounts.names import among
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.schema import IS_FAILED, IS_LOST, fetch_months, fetches, people
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import days_between
from oura_pipeline.ledger import LOSS_SETTLES_AFTER, Fetch, FetchStatus, FetchSum, Pair

WITHOUT_DAYS = sorted(one.name for one in DOCUMENT_TYPES if not one.partitioned)
"""The document types whose rows are of the day of the fetch."""

PORTION = 10_000  # rows in memory
_REPLACED = ("status", "documents", "changed", "error", "run_id", "at", "lost_from", "lost_at")
# A row that is new says 1 for `failed` and 0 otherwise, see `_values`.
_AGAIN = case((literal_column("excluded.attempts") == 1, fetches.c.attempts + 1), else_=0)
_SHOWN = ("username", "document_type", "day", "status", "documents", "error", "at")


class PublishedFetch(NamedTuple):
    """A row of the published copy."""

    username: str
    document_type: str
    day: date
    status: str
    documents: int
    error: str | None
    at: datetime


class Fetches(Store):
    """The ledger of fetches."""

    def record(self, rows: Sequence[Fetch]) -> set[str]:
        """Add or replace rows, all or none; of several for one key the last one counts.

        Rows of people who have left are not written; those people are returned.

        `attempts` becomes one more than it was for `failed` and 0 for everything else; that of the
        given row is ignored. A loss stands until its documents are back, or an answer that came
        `LOSS_SETTLES_AFTER` it does not have them either.
        """
        if not rows:
            return set()
        insert = self._database.insert(fetches, _REPLACED, attempts=_AGAIN)
        with self._database.writing() as connection:
            left = who_left(connection, {row.username for row in rows})
            kept = sorted((row for row in rows if row.username not in left), key=ledger_key)
            if kept:
                months = Months.of(map(ledger_key, kept))
                alone(self._database, connection, months.document_types)
                losses = _losses(connection, kept)
                values = [_values(row) | _loss(row, losses.get(_loss_key(row))) for row in kept]
                connection.execute(insert, values)
                months.sum_up(self._database, connection)
        return left

    def correct(
        self, document_type: str, days: Mapping[tuple[str, date], tuple[FetchStatus, int, int]]
    ) -> None:
        """Write what days have now that rows moved to or from without a question to Oura.

        Days that were never fetched, or failed, stay as they are.

        Args:
            document_type: of the rows.
            days: by username and day, the status, and how many documents there are and changed.
        """
        answered = (FetchStatus.LANDED.value, FetchStatus.EMPTY.value)
        change = fetches.update().where(
            fetches.c.document_type == document_type,
            fetches.c.username == bindparam("who"),
            fetches.c.day == bindparam("when"),
            # Not `in_`, which does not go with many rows at once.
            or_(*(fetches.c.status == status for status in answered)),
        )
        rows = [
            {"who": who, "when": day, "status": status.value}
            | {"documents": documents, "changed": changed}
            for (who, day), (status, documents, changed) in days.items()
        ]
        if rows:
            months = Months.of((document_type, *key) for key in days)
            with self._database.writing() as connection:
                alone(self._database, connection, months.document_types)
                connection.execute(change, rows)
                months.sum_up(self._database, connection)

    def find(
        self,
        document_type: str | None = None,
        *,
        usernames: Iterable[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        statuses: Iterable[FetchStatus] | None = None,
        after: datetime | None = None,
        lost: bool = False,
        shards: range | None = None,
    ) -> list[Fetch]:
        """Return the rows that match, by document type, username and day; None matches all."""
        conditions = matching(
            fetches,
            document_type=document_type,
            usernames=usernames,
            first_day=first_day,
            last_day=last_day,
        )
        if statuses is not None:
            some = sorted(set(statuses))
            only_failed = some == [FetchStatus.FAILED]
            conditions.append(IS_FAILED if only_failed else fetches.c.status.in_(some))
        if after is not None:
            conditions.append(fetches.c.at > after)
        if lost:
            conditions.append(IS_LOST)
        if shards is not None:
            conditions.append(in_shards(fetches.c.username, shards))
        order = (fetches.c.document_type, fetches.c.username, fetches.c.day)
        with self._database.reading() as connection:
            found = connection.execute(select(fetches).where(*conditions).order_by(*order))
            return [_fetch(row) for row in found]

    def sums(self) -> Iterator[tuple[Pair, FetchSum]]:
        """Yield the sums of each person's rows of each document type, without people who left."""
        months = fetch_months.c
        numbers = (months.days, months.seconds, months.documents, months.placed)
        sums = (func.max(months.newest), *map(func.sum, numbers))
        key = (months.username, months.document_type)
        query = select(*key, *sums).where(_staying(months.username)).group_by(*key)
        with self._database.reading() as connection:
            for username, name, newest, rows, *others in _in_portions(connection, query):
                yield (username, name), FetchSum(int(rows), newest, *map(int, others))

    def published(
        self, *, after: datetime | None = None, pairs: Collection[Pair] | None = None
    ) -> Iterator[PublishedFetch]:
        """Yield the rows that match as they are published, in no order, without people who left.

        Args:
            after: only those that were fetched later.
            pairs: only those of these people and document types, some hundred at most.
        """
        conditions = [_staying(fetches.c.username)]
        if after is not None:
            conditions += [in_month(), fetch_months.c.newest > after, fetches.c.at > after]
        if pairs is not None:
            key = tuple_(fetches.c.username, fetches.c.document_type)
            conditions.append(key.in_(sorted(pairs)))
        query = select(*(fetches.c[name] for name in _SHOWN)).where(*conditions)
        with self._database.reading() as connection:
            yield from map(PublishedFetch._make, _in_portions(connection, query))

    def forget_not_granted(self, username: str) -> int:
        """Forget refusals that a new consent has overtaken, so that those days are fetched again.

        That is every `not_granted` row of a document type whose scope they have granted now; where
        nobody knows what they granted, of all. Return how many rows they were.
        """
        theirs = (fetches.c.username == username, fetches.c.status == FetchStatus.NOT_GRANTED.value)
        scopes = select(people.c.scopes).where(people.c.username == username)
        with self._database.writing() as connection:
            granted = connection.scalar(scopes)
            known = None if granted is None else set(granted.split())
            names = [one.name for one in DOCUMENT_TYPES if known is None or one.scope in known]
            alone(self._database, connection, names)
            forgotten = (
                delete(fetches).where(*theirs).returning(fetches.c.document_type, fetches.c.day)
            )
            if known is not None:
                forgotten = forgotten.where(fetches.c.document_type.in_(names))
            days = [(name, username, day) for name, day in connection.execute(forgotten)]
            if days:
                Months.of(days).sum_up_fewer(self._database, connection)
        return len(days)

    def missing(self, shards: range | None = None) -> list[tuple[str, str, date]]:
        """Return username, document type and day of each gap between days that have a row."""
        # Counted first: the days themselves are read only where some are missing.
        months = fetch_months.c
        key = (months.username, months.document_type)
        ends = (func.min(months.first_day), func.max(months.last_day))
        spans = select(*key, *ends, func.sum(months.days)).group_by(*key)
        if shards is not None:
            spans = spans.where(in_shards(months.username, shards))
        gaps: list[tuple[str, str, date]] = []
        with self._database.reading() as connection:
            for username, name, first, last, count in connection.execute(spans).all():
                if count == (last - first).days + 1:
                    continue
                theirs = (fetches.c.username == username, fetches.c.document_type == name)
                there = set(connection.scalars(select(fetches.c.day).where(*theirs)))
                days = days_between(first, last)
                gaps += [(username, name, day) for day in days if day not in there]
        return gaps


def _in_portions(connection: Connection, query: Select[Any]) -> Iterable[Any]:
    """Return the rows of a query, of which a portion is in memory at a time."""
    return connection.execution_options(yield_per=PORTION).execute(query)


def _staying(username: ColumnElement[str]) -> ColumnElement[bool]:
    # Data that is about to be deleted is shown to nobody any more.
    left = select(people.c.username).where(people.c.state == PersonState.RETIRED.value)
    return username.not_in(left)


def _values(row: Fetch) -> dict[str, Any]:
    return {
        "document_type": row.document_type,
        "username": row.username,
        "day": row.day,
        "status": row.status.value,
        "documents": row.documents,
        "changed": row.changed,
        "error": row.error,
        "run_id": row.run_id,
        "at": row.at,
        "attempts": int(row.status is FetchStatus.FAILED),
    }


def _losses(connection: Connection, rows: Sequence[Fetch]) -> dict[tuple[str, str, date], Fetch]:
    """Return the rows of these people and types that have a loss, by `_loss_key`."""
    query = select(fetches).where(
        IS_LOST,
        fetches.c.document_type.in_(sorted({row.document_type for row in rows})),
        among(fetches.c.username, {row.username for row in rows}),
    )
    found = map(_fetch, connection.execute(query.order_by(fetches.c.day)))
    return {_loss_key(row): row for row in found}


def _loss_key(row: Fetch) -> tuple[str, str, date]:
    """Return the key of the row that settles a loss: of a type without days the next one of any."""
    day = date.min if row.document_type in WITHOUT_DAYS else row.day
    return row.document_type, row.username, day


def _loss(row: Fetch, before: Fetch | None) -> dict[str, Any]:
    """Return the loss of a row that takes the place of one with a loss, or of one without."""
    lost_from, lost_at = row.lost_from, row.at if row.lost_from else None
    if before is not None and not _is_settled(row, before):
        lost_from = max(lost_from or 0, before.lost_from or 0)
        lost_at = before.lost_at
    return {"lost_from": lost_from, "lost_at": lost_at}


def _is_settled(row: Fetch, before: Fetch) -> bool:
    assert before.lost_at is not None
    if row.status is FetchStatus.FAILED:
        return False
    is_back = row.documents >= (before.lost_from or 0)
    return is_back or row.at - before.lost_at >= LOSS_SETTLES_AFTER


def _fetch(row: Row[Any]) -> Fetch:
    values = dict(row._mapping)
    return Fetch(**values | {"status": FetchStatus(values["status"])})
