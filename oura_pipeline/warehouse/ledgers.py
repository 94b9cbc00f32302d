"""The ledgers that stand beside the documents: what was asked, where people were, what is new.

What surprises: `fetches` and `offsets` are copies. They are kept in the accounts database and
brought here when the warehouse is published, so that whoever has the one file can ask them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from oura_pipeline.warehouse.door import transaction
from oura_pipeline.warehouse.tables import SCHEMA, Column, literal, quoted


@dataclass(frozen=True, kw_only=True)
class LedgerTable:
    """A table that is no document type's: its name, what it is, its columns."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """The table's name with its schema."""
        return f"{SCHEMA}.{quoted(self.name)}"


FETCHES = LedgerTable(
    name="fetches",
    description="What Oura answered to the newest question, one row per person, document type "
    "and day; a day without a row was never asked.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The document type that was asked for."),
        Column("day", "DATE", "The day that was asked for, as Oura counts days."),
        Column(
            "status",
            "VARCHAR",
            "landed (there were documents), empty (Oura has none), not_granted (the person did "
            "not consent to it) or failed (see error).",
        ),
        Column("documents", "BIGINT", "Documents that Oura gave for the day, count."),
        Column("error", "VARCHAR", "Why it failed or was not granted; null otherwise."),
        Column("asked_at", "TIMESTAMPTZ", "When Oura was asked, an instant (UTC)."),
    ),
)

OFFSETS = LedgerTable(
    name="offsets",
    description="How far each person's clock was ahead of UTC, learned from the documents that "
    "say so; between two that differ it changes midway.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column(
            "since",
            "TIMESTAMPTZ",
            "From this instant (UTC) on, until the person's next row; the first row begins in "
            "1900 and holds for all that is earlier.",
        ),
        Column("utc_offset_seconds", "INTEGER", "Local time minus UTC, seconds; east is positive."),
    ),
)

UNKNOWN_FIELDS = LedgerTable(
    name="unknown_fields",
    description="Fields that Oura sends and the tables have no column for; their values are in "
    "the column document of the type's table.",
    columns=(
        Column("document_type", "VARCHAR", "The document type."),
        Column("path", "VARCHAR", "The names from the document down to the field, with dots."),
        Column("first_seen", "TIMESTAMPTZ", "When it was first landed, an instant (UTC)."),
    ),
)

LEDGERS = (FETCHES, OFFSETS, UNKNOWN_FIELDS)


def ensure_ledgers(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledgers that do not stand yet, with what they say of themselves."""
    standing = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE schema_name = ? AND database_name = current_database()",
            [SCHEMA],
        ).fetchall()
    }
    missing = [ledger for ledger in LEDGERS if ledger.name not in standing]
    if not missing:
        return
    with transaction(connection):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for ledger in missing:
            _create(connection, ledger)


def _create(connection: duckdb.DuckDBPyConnection, ledger: LedgerTable) -> None:
    body = ", ".join(f"{quoted(column.name)} {column.sql_type}" for column in ledger.columns)
    statements = [
        f"CREATE TABLE {ledger.full_name} ({body})",
        f"COMMENT ON TABLE {ledger.full_name} IS {literal(ledger.description)}",
        *(
            f"COMMENT ON COLUMN {ledger.full_name}.{quoted(column.name)} "
            f"IS {literal(column.comment)}"
            for column in ledger.columns
        ),
    ]
    connection.execute("; ".join(statements))
