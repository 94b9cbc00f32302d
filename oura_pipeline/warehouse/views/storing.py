"""Views that a large published copy keeps as tables, because computing them takes long."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import pairwise

import duckdb

from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.ledgers import FETCHES, VIEWS_DIGEST
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline.warehouse.views.view import View, comments

logger = logging.getLogger(__name__)

# Bytes of a copy. Of a smaller one the views answer as fast, and of a larger one their tables would
# take minutes, after each run.
LARGE, TOO_LARGE = 32_000_000, 2_000_000_000
_MOST_PIECES = 16  # each reads all rows that are there


def store_views(connection: duckdb.DuckDBPyConnection, *, people: int = 10) -> None:
    """Replace views of the current database, a published copy, by tables of the same rows.

    Other views find the tables under the same names.

    Args:
        connection: to the copy, of one thread: two take twice the CPU time, hardly less long.
        people: computed at once, to spare memory; more where there would be too many pieces.
    """
    for view in VIEWS:
        if not view.stored:
            continue
        try:
            with transaction(connection):
                _store(connection, view, people)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            # It stays a view: whoever asks it learns why, and nobody else has to. The text of
            # the error may hold somebody's values.
            logger.warning("%s is not stored in the copy: %s", view.name, type(error).__name__)
    # Should the copy become the warehouse, its views are made anew.
    connection.execute(f"DELETE FROM {VIEWS_DIGEST.full_name}; CHECKPOINT")


def _store(connection: duckdb.DuckDBPyConnection, view: View, people: int) -> None:
    known = connection.execute(f"SELECT DISTINCT username FROM {FETCHES.full_name}").fetchall()
    first, *others = (
        f"FROM ({view.sql}) WHERE {condition} ORDER BY 1, 2"
        for condition in pieces([username for (username,) in known], people)
    )
    connection.execute(f"DROP VIEW {view.full_name}; CREATE TABLE {view.full_name} AS {first}")
    for rows in others:
        connection.execute(f"INSERT INTO {view.full_name} {rows}")
    connection.execute("; ".join(comments(view, "TABLE")))


def pieces(usernames: Iterable[str], at_once: int) -> Iterator[str]:
    """Yield conditions on `username`; each is true of some people, and one of them of anybody.

    Args:
        usernames: of those who are known; others belong to a piece as well.
        at_once: how many of them a piece has, or more, so that there are 16 pieces at most.
    """
    names = sorted(usernames)
    size = max(at_once, len(names) // _MOST_PIECES + 1)
    # Between names, because whoever is in no ledger belongs to a piece too.
    for after, last in pairwise([None, *names[size - 1 :: size], None]):
        bounds = [f"username > {literal(after)}"] if after else []
        bounds += [f"username <= {literal(last)}"] if last else []
        yield " AND ".join(bounds) or "true"
