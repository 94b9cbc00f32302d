"""The ledgers beside the documents: fetches, offsets from UTC, unknown fields, bookkeeping."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from oura_pipeline.ledger import FetchSum, Pair
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.filling import BROUGHT
from oura_pipeline.warehouse.offsets import OBSERVATIONS, OFFSETS
from oura_pipeline.warehouse.redating import ASKED, MARGIN, REDATED, date_everything
from oura_pipeline.warehouse.tables import (
    BOOKKEEPING,
    Column,
    LedgerTable,
    comment_on,
    create_table,
    existing_comments,
    expected_comments,
)

# Instants are read as microseconds: converting them here is exact and needs no time zones.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# A copy. It is kept in the accounts database and brought here when the warehouse is published, so
# that whoever has the one file can query it too.
FETCHES = LedgerTable(
    name="fetches",
    description="The result of the newest fetch, one row per person, document type and day; a day "
    "without a row was never fetched.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The document type that was fetched."),
        Column("day", "DATE", "The day that was fetched, as Oura counts days."),
        Column(
            "status",
            "VARCHAR",
            "landed (there were documents), empty (Oura has none), not_granted (the person did "
            "not consent to it) or failed (see error).",
        ),
        Column("documents", "BIGINT", "Documents that Oura has for the day, count."),
        Column("error", "VARCHAR", "Why it failed or was not granted; null otherwise."),
        Column("asked_at", "TIMESTAMPTZ", "When Oura was asked, an instant (UTC)."),
    ),
)

# A copy as well, for the view of who wears the ring.
PARTICIPANTS = LedgerTable(
    name="participants",
    description="Who takes or took part in a study, one row per study and person.",
    columns=(
        Column("study", "VARCHAR", "The name of the study."),
        Column("username", "VARCHAR", "The person."),
        Column("code", "VARCHAR", "Their code in the study."),
        Column("arm", "VARCHAR", "The group that they are in; null: there is none."),
        Column("first_day", "DATE", "Their first day of the study."),
        Column("last_day", "DATE", "The last one, included; null: it goes on."),
        Column("withdrawn_on", "DATE", "When they took their consent back; null: they did not."),
        Column("state", "VARCHAR", "Of their sign-in; connected: they are fetched."),
    ),
)

UNKNOWN_FIELDS = LedgerTable(
    name="unknown_fields",
    description="Fields that Oura sends and the tables have no column for; their values are in "
    "the column document of the type's table. At most 100 of a type are noted.",
    columns=(
        Column("document_type", "VARCHAR", "The document type."),
        Column("path", "VARCHAR", "The names from the document down to the field, with dots."),
        Column("first_seen", "TIMESTAMPTZ", "When it was first landed, an instant (UTC)."),
    ),
)

QUARANTINE = LedgerTable(
    name="quarantine",
    description="Documents that Oura sends and that cannot be landed, as received; each leaves by "
    "itself when Oura sends it right, or no longer.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The document type."),
        Column("day", "DATE", "The day it belongs to; null: it does not say."),
        Column("id", "VARCHAR", "Oura's identifier of the document; null: it has none."),
        Column("reason", "VARCHAR", "Why it cannot be landed: the field, and what is wrong."),
        Column(
            "asked_first_day",
            "DATE",
            "Where the day is unknown: the first day for which it was certainly asked.",
        ),
        Column("asked_last_day", "DATE", "The last such day; the same as day where that is known."),
        Column("first_seen", "TIMESTAMPTZ", "When Oura first sent it, an instant (UTC)."),
        Column("last_seen", "TIMESTAMPTZ", "When Oura last sent it, an instant (UTC)."),
        Column(
            "document",
            "VARCHAR",
            "As received; bytes that are not UTF-8 are written like \\xff.",
        ),
    ),
)

ODD_VALUES = LedgerTable(
    name="odd_values",
    description="Values of landed documents that their column cannot hold and words that Oura does "
    "not describe; the document has them as received.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The document type."),
        Column("day", "DATE", "The day of the document."),
        Column("id", "VARCHAR", "Oura's identifier of the document; null: it has none."),
        Column("path", "VARCHAR", "The names from the document down to the field, with dots."),
        Column("reason", "VARCHAR", "What is odd about it."),
    ),
)

VIEWS_DIGEST = LedgerTable(
    name="views_digest",
    description="A digest of what the views of schema oura were made for, to detect changes.",
    columns=(
        Column("digest", "VARCHAR", "Digest of the views, all columns and DuckDB's version."),
    ),
    schema=BOOKKEEPING,
)

LEDGERS = (
    FETCHES,
    BROUGHT,
    PARTICIPANTS,
    OFFSETS,
    UNKNOWN_FIELDS,
    QUARANTINE,
    ODD_VALUES,
    OBSERVATIONS,
    ASKED,
    MARGIN,
    REDATED,
    VIEWS_DIGEST,
)


def ensure_ledgers(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledgers that are missing, and bring all comments up to date."""
    existing = existing_comments(connection)
    stale = [
        ledger
        for ledger in LEDGERS
        if existing.get((ledger.schema, ledger.name))
        != expected_comments(ledger.description, ledger.columns)
    ]
    if not stale:
        return
    with transaction(connection):
        for ledger in stale:
            if (ledger.schema, ledger.name) not in existing:
                create_table(connection, ledger.schema, ledger.full_name, ledger.columns)
            comment_on(connection, ledger.full_name, ledger.description, ledger.columns)
        if (OBSERVATIONS.schema, OBSERVATIONS.name) not in existing:
            # A warehouse of before: its rows were dated by what was known when they came.
            connection.execute(f"DROP TABLE IF EXISTS {BOOKKEEPING}.observed_offsets")
            date_everything(connection, FETCHES)


# Together they tell whether anything differs without comparing rows; they are compared in SQL, part
# by part, because of a million people there are many.
_SUMS = (
    *FETCHES.columns[:2],
    Column("fetches", "BIGINT", "How many."),
    Column("newest", "BIGINT", "The newest instant, microseconds since 1970."),
    Column("seconds", "BIGINT", "The sum of the instants, whole seconds since 1970."),
    Column("documents", "BIGINT", "The sum of the documents."),
    Column("placed", "BIGINT", "The sum of the documents by the square of the day of the year."),
)
_EXPECTED = "expected_fetches"
_STORED = (
    "SELECT username, document_type, count(*) AS fetches, epoch_us(max(asked_at)) AS newest, "
    "sum(epoch_us(asked_at) // 1000000)::BIGINT AS seconds, sum(documents)::BIGINT AS documents, "
    "sum(documents * dayofyear(day) * dayofyear(day))::BIGINT AS placed "
    f"FROM {FETCHES.full_name} GROUP BY username, document_type"
)
_DIFFERING = f"{_EXPECTED} AS expected USING (username, document_type) WHERE " + " OR ".join(
    f"stored.{one.name} IS DISTINCT FROM expected.{one.name}" for one in _SUMS[2:]
)


class Ledgers:
    """The ledgers of an open warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def expect(self, sums: Iterable[Sequence[tuple[Pair, FetchSum]]]) -> None:
        """Note what the fetches of each person and document type should come to, part by part."""
        columns = ", ".join(f"{one.name} {one.sql_type}" for one in _SUMS)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {_EXPECTED} ({columns})")
        for some in sums:
            rows = [(*pair, one.rows, _microseconds(one.newest), *one[2:]) for pair, one in some]
            incoming, values = _as_table(_SUMS, rows)
            self._connection.execute(f"INSERT INTO {_EXPECTED} FROM {incoming}", values)

    def differ(self) -> bool:
        """Return whether anything is not as it should be."""
        query = f"SELECT count(*) FROM ({_STORED}) AS stored FULL JOIN {_DIFFERING}"
        return bool(self._one(query))

    def differing(self, *, longest: int, heaviest: int) -> Iterator[list[Pair]]:
        """Yield the people and document types whose fetches are not as they should be, in parts.

        Args:
            longest: how many they are at most.
            heaviest: how many fetches they should have together, about.
        """
        weight = f"greatest(expected.fetches / {heaviest}, 1 / {longest})"
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE differing_fetches AS SELECT username, document_type, "
            f"floor(sum({weight}) OVER (ORDER BY username, document_type))::BIGINT AS part "
            f"FROM ({_STORED}) AS stored RIGHT JOIN {_DIFFERING}"
        )
        parts = self._one("SELECT coalesce(max(part), -1) FROM differing_fetches") + 1
        for part in range(parts):
            pairs = self._connection.execute(
                "SELECT username, document_type FROM differing_fetches WHERE part = ?", [part]
            ).fetchall()
            if pairs:
                yield pairs

    def newest_fetch(self) -> datetime | None:
        """Return the instant of the newest fetch."""
        newest = self._one(f"SELECT epoch_us(max(asked_at)) FROM {FETCHES.full_name}")
        return None if newest is None else _EPOCH + timedelta(microseconds=newest)

    def forget_unexpected(self) -> None:
        """Delete the fetches of people and document types that should have none."""
        self._connection.execute(
            f"DELETE FROM {FETCHES.full_name} AS old WHERE NOT EXISTS (FROM {_EXPECTED} AS one "
            "WHERE one.username = old.username AND one.document_type = old.document_type)"
        )

    def _one(self, query: str) -> Any:
        [(value,)] = self._connection.execute(query).fetchall()
        return value

    def merge_fetches(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add or replace fetches, in the order of the table's columns; one row per key."""
        self._delete_matching(rows, ("username", "document_type", "day"))
        self._insert(FETCHES, rows)

    def replace_fetches(self, pairs: Collection[Pair], rows: Sequence[tuple[Any, ...]]) -> None:
        """Replace all fetches of these people and document types."""
        self._delete_matching(sorted(pairs), ("username", "document_type"))
        self._insert(FETCHES, rows)

    def replace_participants(self, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Replace all participants of all studies; return whether anything changed."""
        found = self._connection.execute(f"FROM {PARTICIPANTS.full_name} ORDER BY ALL").fetchall()
        if found == sorted(rows, key=lambda row: row[:2]):
            return False
        self._connection.execute(f"DELETE FROM {PARTICIPANTS.full_name}")
        self._insert(PARTICIPANTS, rows)
        return True

    def _delete_matching(self, rows: Sequence[tuple[Any, ...]], key: tuple[str, ...]) -> None:
        if not rows:
            return
        same = " AND ".join(f"old.{name} = incoming.{name}" for name in key)
        incoming, columns = _as_table(FETCHES.columns, rows)
        self._connection.execute(
            f"DELETE FROM {FETCHES.full_name} AS old USING {incoming} AS incoming WHERE {same}",
            columns,
        )

    def _insert(self, ledger: LedgerTable, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        incoming, columns = _as_table(ledger.columns, rows)
        self._connection.execute(
            f"INSERT INTO {ledger.full_name} SELECT * FROM {incoming}", columns
        )


def _as_table(
    columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]
) -> tuple[str, list[list[Any]]]:
    """Return a subquery with values of the first columns, and its parameters."""
    # Column by column: executemany runs a statement per row, and a data frame takes pandas, which
    # takes 0.5 s and 60 MB to import.
    columns = columns[: len(rows[0])]
    selected = ", ".join(f"unnest(?::{column.sql_type}[]) AS {column.name}" for column in columns)
    return f"(SELECT {selected})", [list(values) for values in zip(*rows, strict=True)]


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
