"""The days whose points wait to be pushed: landed, left half sent, or never read back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from oura_pipeline.accounts.base import Store, known_usernames, matching
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.schema import people, pushes, waiting_pushes
from oura_pipeline.days import back_off
from oura_pipeline.ledger import PersonDay, Push, PushState

OWN_TURN = timedelta(minutes=1)  # for whoever landed a day or began to push it
_LEFT = (PushState.SENT.value, PushState.MISSING.value)
_NEW_AT: ColumnElement[datetime] = literal_column("excluded.at")
# What has landed meanwhile stays newer.
_LATER = case((waiting_pushes.c.at > _NEW_AT, waiting_pushes.c.at), else_=_NEW_AT)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class WaitingPush(PersonDay):
    """A day that is to be pushed.

    Attributes:
        at: when this was last noticed, UTC.
        due_at: when it is somebody else's turn, UTC.
        attempts: how often it was tried since it was noticed.
    """

    at: datetime
    due_at: datetime
    attempts: int


@dataclass(frozen=True, kw_only=True)
class WaitingCount:
    """How many days have points that Graphite was not sent, or lost.

    Attributes:
        days: how many, per person and document type.
        oldest: since when the first of them has been waiting; None: none is.
        lost: how many of them were sent, and could not be read back.
    """

    days: int
    oldest: datetime | None
    lost: int = 0

    @property
    def text(self) -> str:
        """How many, in words."""
        days = "1 day waits" if self.days == 1 else f"{self.days:,} days wait"
        return f"{days} to be pushed"


class WaitingPushes(Store):
    """The days that are to be pushed, over all processes; a crash forgets none of them."""

    def add(self, days: Collection[PersonDay], *, at: datetime, own_turn: bool = True) -> None:
        """Note that the points of days have to be pushed; people who are gone are left out.

        Args:
            days: of any people and types.
            at: the present moment.
            own_turn: whether whoever calls will push them by itself, unless it dies.
        """
        insert = self._database.insert(waiting_pushes, ("at", "due_at", "attempts"))
        due_at = at + OWN_TURN if own_turn else at
        with self._database.writing() as connection:
            known = known_usernames(connection, {day.username for day in days})
            rows = [_values(day, at, due_at) for day in days if day.username in known]
            if rows:
                connection.execute(insert, sorted(rows, key=_order))

    def due(self, now: datetime, *, limit: int, retry: bool = False) -> list[WaitingPush]:
        """Return the days whose turn it is, those that have waited longest first.

        Args:
            now: the present moment.
            limit: how many at most.
            retry: also what is somebody else's turn, or could not be sent a moment ago.
        """
        turn = waiting_pushes.c.due_at <= now
        if retry:
            # What was sent and cannot be read back has to wait: sending again may not help.
            left = exists().where(_same_day(), pushes.c.state.in_(_LEFT))
            turn = or_(turn, ~left)
        query = select(waiting_pushes).join(people).where(turn, _staying())
        order = (waiting_pushes.c.at, *waiting_pushes.primary_key)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(*order).limit(limit))
            return [WaitingPush(**row._mapping) for row in found]

    def postpone(self, days: Sequence[WaitingPush], now: datetime) -> None:
        """Count an attempt, and wait longer after each."""
        rows = [
            _bound(day) | {"attempts": day.attempts + 1, "due_at": now + _pause(day.attempts + 1)}
            for day in days
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(waiting_pushes.update().where(*_bound_day()), rows)

    def settle(
        self,
        document_type: str,
        usernames: Iterable[str],
        days: Sequence[date],
        *,
        before: datetime,
        unsettled: Collection[PushState],
    ) -> None:
        """Forget the days that have been pushed, except what landed in the meantime.

        Args:
            document_type: of the days.
            usernames: whose.
            days: the first and the last one, and those between them.
            before: when the push began to read documents.
            unsettled: the states in which a push is not at its end.
        """
        states = sorted(state.value for state in unsettled)
        under_way = exists().where(_same_day(), pushes.c.state.in_(states))
        theirs = matching(
            waiting_pushes,
            document_type=document_type,
            usernames=usernames,
            first_day=days[0],
            last_day=days[-1],
        )
        pushed = delete(waiting_pushes).where(*theirs, waiting_pushes.c.at <= before, ~under_way)
        with self._database.writing() as connection:
            connection.execute(pushed)

    def count(self) -> WaitingCount:
        """Count the days whose points were not sent yet, or are missing."""
        sent, missing = (
            exists().where(_same_day(), pushes.c.state == state.value)
            for state in (PushState.SENT, PushState.MISSING)
        )
        counted = (func.count(), func.min(waiting_pushes.c.at), func.count(case((missing, 1))))
        query = select(*counted).select_from(waiting_pushes).join(people)
        with self._database.reading() as connection:
            days, oldest, lost = connection.execute(query.where(~sent, _staying())).one()
        return WaitingCount(days=days, oldest=oldest, lost=lost)


def note_unsent(database: Database, connection: Connection, rows: Sequence[Push]) -> None:
    """Note that days wait, in the transaction that records that they are not delivered."""
    unsent = [row for row in rows if row.state in (PushState.PENDING, PushState.MISSING)]
    if unsent:
        values = [_values(row, row.at, row.at + OWN_TURN) for row in unsent]
        connection.execute(database.insert(waiting_pushes, at=_LATER), sorted(values, key=_order))


def forget_delivered(connection: Connection, rows: Sequence[Push]) -> None:
    """Forget days that arrived as they were when they were pushed."""
    pushed_before = waiting_pushes.c.at <= bindparam("pushed_at")
    values = [_bound(row) | {"pushed_at": row.at} for row in rows]
    if values:
        connection.execute(delete(waiting_pushes).where(*_bound_day(), pushed_before), values)


def _values(day: PersonDay, at: datetime, due_at: datetime) -> dict[str, Any]:
    key = {"document_type": day.document_type, "username": day.username, "day": day.day}
    return key | {"at": at, "due_at": due_at, "attempts": 0}


def _order(values: Mapping[str, Any]) -> tuple[str, str, date]:
    # In the same order everywhere, or two transactions could deadlock on Postgres.
    return values["document_type"], values["username"], values["day"]


def _bound(day: PersonDay) -> dict[str, Any]:
    return {"type": day.document_type, "who": day.username, "when": day.day}


def _bound_day() -> list[ColumnElement[bool]]:
    c = waiting_pushes.c
    return [
        c.document_type == bindparam("type"),
        c.username == bindparam("who"),
        c.day == bindparam("when"),
    ]


def _same_day() -> ColumnElement[bool]:
    return and_(*(pushes.c[column.name] == column for column in waiting_pushes.primary_key))


def _staying() -> ColumnElement[bool]:
    return people.c.state != PersonState.RETIRED.value


def _pause(attempts: int) -> timedelta:
    return back_off(attempts, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
