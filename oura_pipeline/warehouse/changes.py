"""What a staged landing changes, counted by kind, person and days."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import duckdb

# A reformatted document keeps its row: its text differs, its meaning does not.
UNCHANGED = ("unchanged", "reformatted")


class Change(NamedTuple):
    """Changes that are alike.

    Attributes:
        kind: what becomes of the rows; see `staging.stage`.
        username: whose; None, as for the days: of anybody, where nothing changes.
        new_day: the day of the documents that came.
        old_day: the day of the rows that were there.
        brought: whether any of these rows is of a member's own export.
        many: how many they are.
    """

    kind: str
    username: str
    new_day: date
    old_day: date
    brought: bool
    many: int


@dataclass(frozen=True)
class Changes:
    """All changes of a landing."""

    of_each: tuple[Change, ...]

    @cached_property
    def kinds(self) -> Counter[str]:
        """How many there are of each kind."""
        kinds = Counter[str]()
        for change in self.of_each:
            kinds[change.kind] += change.many
        return kinds

    @property
    def brought(self) -> bool:
        """Whether any is of a row of a member's own export."""
        return any(change.brought for change in self.of_each)

    @property
    def days(self) -> Counter[tuple[str, date]]:
        """How many documents changed, by username and day; a move changes both days."""
        days = Counter[tuple[str, date]]()
        for change in self.of_each:
            if change.kind in ("inserted", "updated", "moved"):
                days[change.username, change.new_day] += change.many
            # An update to another requested day changes both days; so both are pushed again.
            elsewhere = change.kind == "updated" and change.old_day != change.new_day
            if change.kind in ("deleted", "moved") or elsewhere:
                days[change.username, change.old_day] += change.many
        return days

    @property
    def arrived(self) -> Counter[tuple[str, date]]:
        """How many documents were inserted, by username and day."""
        return self._days_of("inserted")

    @property
    def gone(self) -> Counter[tuple[str, date]]:
        """How many documents were deleted, by username and day."""
        return self._days_of("deleted")

    def _days_of(self, kind: str) -> Counter[tuple[str, date]]:
        return Changes(tuple(change for change in self.of_each if change.kind == kind)).days


def count_changes(connection: duckdb.DuckDBPyConnection, only_day: date | None = None) -> Changes:
    """Count the rows of the temporary table `changes`.

    Args:
        connection: of the landing.
        only_day: the day of everything, for a type without days.
    """
    days = "new_day, old_day" if only_day is None else "$day::DATE AS new_day, $day AS old_day"
    rows = connection.execute(
        # Of what stays as it is, which is most of what is fetched again, only the number matters.
        "SELECT change, if(same, NULL, username) AS username, if(same, NULL, new_day) AS new_day, "
        "if(same, NULL, old_day) AS old_day, bool_or(brought), count(*) FROM "
        f"(SELECT change, username, {days}, brought, change IN {UNCHANGED} AS same FROM changes) "
        "GROUP BY ALL",
        {} if only_day is None else {"day": only_day},
    ).fetchall()
    return Changes(tuple(Change(*row) for row in rows))
