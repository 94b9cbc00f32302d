"""The ledger of pushes to Graphite, and the points that Oura withdrew after a push."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import Store, ledger_key, matching, who_left
from oura_pipeline.accounts.waiting import forget_delivered, note_unsent
from oura_pipeline.ledger import Push, PushState, Withdrawn

_VALUES = ("points", "digest", "state", "index", "at", "source")


class Pushes(Store):
    """The ledger of pushes; a `PushLedger`."""

    def record(self, pushes: Sequence[Push]) -> set[str]:
        """Add or replace rows, all or none; of several for one key the last one counts.

        Rows of people who have left are not written; those people are returned.
        """
        if not pushes:
            return set()
        insert = self._database.insert(schema.pushes, _VALUES)
        with self._database.writing() as connection:
            left = who_left(connection, {row.username for row in pushes})
            ordered = sorted((p for p in pushes if p.username not in left), key=ledger_key)
            if ordered:
                values = [vars(row) | {"state": row.state.value} for row in ordered]
                connection.execute(insert, values)
                note_unsent(self._database, connection, ordered)
        return left

    def record_delivered(self, pushes: Sequence[Push], at: datetime) -> None:
        """Record that days arrived, of which these are the rows from before."""
        self.record([replace(row, state=PushState.DELIVERED, at=at) for row in pushes])
        with self._database.writing() as connection:
            forget_delivered(connection, pushes)

    def record_sources(self, pushes: Sequence[Push]) -> None:
        """Record the sources of these rows, where the points are still those."""
        c = schema.pushes.c
        keys = (c.document_type, c.username, c.day, c.digest)
        same = [column == bindparam(f"its_{column.name}") for column in keys]
        values = [
            {f"its_{column.name}": getattr(row, column.name) for column in keys}
            | {"new": row.source}
            for row in sorted(pushes, key=ledger_key)
        ]
        if values:
            with self._database.writing() as connection:
                update = schema.pushes.update().where(*same).values(source=bindparam("new"))
                connection.execute(update, values)

    def forget(self, document_type: str, username: str, days: Iterable[date]) -> None:
        """Forget days that will not be pushed, and that they wait."""
        with self._database.writing() as connection:
            for table in (schema.pushes, schema.waiting_pushes):
                theirs = (table.c.document_type == document_type, table.c.username == username)
                connection.execute(delete(table).where(*theirs, table.c.day.in_(sorted(days))))

    def find(
        self,
        document_type: str | None = None,
        *,
        usernames: Iterable[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        states: Iterable[PushState] | None = None,
    ) -> list[Push]:
        """Return the rows that match, by document type, username and day; None matches all."""
        conditions = matching(
            schema.pushes,
            document_type=document_type,
            usernames=usernames,
            first_day=first_day,
            last_day=last_day,
        )
        if states is not None:
            conditions.append(schema.pushes.c.state.in_(sorted(set(states))))
        order = (schema.pushes.c.document_type, schema.pushes.c.username, schema.pushes.c.day)
        with self._database.reading() as connection:
            found = connection.execute(select(schema.pushes).where(*conditions).order_by(*order))
            return [_push(row) for row in found]

    def record_withdrawn(self, withdrawn: Sequence[Withdrawn]) -> None:
        """List points for the operator, all or none; new times join those that are listed.

        Nothing is listed of people who have left.
        """
        if not withdrawn:
            return
        insert = self._database.insert(schema.withdrawn, ("times", "at"))
        with self._database.writing() as connection:
            left = who_left(connection, {row.username for row in withdrawn})
            for row in sorted((w for w in withdrawn if w.username not in left), key=ledger_key):
                # They add up: Graphite deletes nothing, so what was withdrawn once is still there.
                times = {*row.times, *_listed_times(connection, row)}
                listed = " ".join(map(str, sorted(times)))
                connection.execute(insert, vars(row) | {"times": listed})

    def withdrawn(
        self,
        document_type: str | None = None,
        *,
        usernames: Iterable[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> list[Withdrawn]:
        """Return the points that match, by username, document type, day and metric."""
        conditions = matching(
            schema.withdrawn,
            document_type=document_type,
            usernames=usernames,
            first_day=first_day,
            last_day=last_day,
        )
        order = tuple(schema.withdrawn.primary_key)
        with self._database.reading() as connection:
            found = connection.execute(select(schema.withdrawn).where(*conditions).order_by(*order))
            return [_withdrawn(row) for row in found]


def _listed_times(connection: Connection, row: Withdrawn) -> tuple[int, ...]:
    same = [column == getattr(row, column.name) for column in schema.withdrawn.primary_key]
    listed = connection.execute(select(schema.withdrawn).where(*same)).one_or_none()
    return _withdrawn(listed).times if listed else ()


def _push(row: Row[Any]) -> Push:
    values = dict(row._mapping)
    return Push(**values | {"state": PushState(values["state"])})


def _withdrawn(row: Row[Any]) -> Withdrawn:
    values = dict(row._mapping)
    return Withdrawn(**values | {"times": tuple(map(int, values["times"].split()))})
