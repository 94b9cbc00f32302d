"""What a landing changes, as it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from oura_pipeline.warehouse.changes import count_changes

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)
ROWS = [
    ("unchanged", "ada", FIRST, FIRST, False),
    ("unchanged", "bob", SECOND, SECOND, True),
    ("reformatted", "ada", FIRST, FIRST, False),
    ("inserted", "ada", FIRST, None, False),
    ("inserted", "ada", FIRST, None, False),
    ("deleted", "ada", None, SECOND, False),
    ("updated", "ada", FIRST, FIRST, False),
    ("updated", "bob", FIRST, SECOND, False),
    ("moved", "bob", SECOND, FIRST, False),
]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A staged landing with a change of every kind."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE changes (change VARCHAR, username VARCHAR, new_day DATE, old_day DATE, "
            "brought BOOLEAN)"
        )
        connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", ROWS)
        yield connection


def test_changes_are_counted_by_kind_person_and_day(connection: duckdb.DuckDBPyConnection) -> None:
    """What moves changes both of its days, and what stays where it was one."""
    changes = count_changes(connection)
    assert changes.kinds == {
        "unchanged": 2,
        "reformatted": 1,
        "inserted": 2,
        "deleted": 1,
        "updated": 2,
        "moved": 1,
    }
    assert changes.brought
    assert changes.days == {
        ("ada", FIRST): 3,
        ("ada", SECOND): 1,
        ("bob", FIRST): 2,
        ("bob", SECOND): 2,
    }
    assert changes.arrived == {("ada", FIRST): 2}
    assert changes.gone == {("ada", SECOND): 1}


def test_of_a_type_without_days_everything_is_of_one(connection: duckdb.DuckDBPyConnection) -> None:
    changes = count_changes(connection, SECOND)
    assert changes.arrived == {("ada", SECOND): 2}
    assert changes.days == {("ada", SECOND): 4, ("bob", SECOND): 3}


def test_what_stays_as_it_is_is_one_row(connection: duckdb.DuckDBPyConnection) -> None:
    """However many people and days it is of."""
    connection.execute("DELETE FROM changes WHERE change <> 'unchanged'")
    (only,) = count_changes(connection).of_each
    assert (only.kind, only.many, only.brought) == ("unchanged", 2, True)
