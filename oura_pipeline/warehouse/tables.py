"""The tables of schema `oura`, one per document type, kept as the code describes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from oura_pipeline.catalog.document_types import STORED_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.scan import find_odd_documents

SCHEMA = "oura"
# A schema of its own: readers of the copy have no use for it.
BOOKKEEPING = "bookkeeping"
README = "readme"


@dataclass(frozen=True)
class Column:
    """A column: its name, its DuckDB type, what it means."""

    name: str
    sql_type: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class LedgerTable:
    """A table that belongs to no document type."""

    name: str
    description: str
    columns: tuple[Column, ...]
    schema: str = SCHEMA

    @property
    def full_name(self) -> str:
        """The table's name with its schema, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def table_name(document_type: DocumentType) -> str:
    """Return the table's name with its schema, quoted."""
    return f"{SCHEMA}.{quoted(document_type.table)}"


def typed_fields(document_type: DocumentType) -> list[Field]:
    """Return the fields that have a column of their own; Oura's `day` fills the column `day`."""
    # Every table has a column `day`, also those whose documents have no such field.
    return [field for field in document_type.fields if field.name != "day"]


def columns(document_type: DocumentType) -> list[Column]:
    """Return the columns of a document type's table, in order."""
    day = next(
        (field.description for field in document_type.fields if field.name == "day"),
        _day(document_type),
    )
    return [
        Column("username", "VARCHAR", "The person."),
        Column("day", "DATE", day),
        *(
            Column(field.name, field.sql_type, field.description)
            for field in typed_fields(document_type)
        ),
        Column(
            "document",
            "JSON",
            "The document exactly as Oura sent it; of a member's own export, made of its row.",
        ),
        Column("fetched_at", "TIMESTAMPTZ", "When Oura first sent it like this."),
        Column(
            "run_id",
            "VARCHAR",
            "The run in which Oura first sent it so; `export of` a day: a member's own export.",
        ),
    ]


def json_schema(document_type: DocumentType) -> str:
    """Return the schema with which `from_json` reads a document into the types of the columns."""
    # With its schema given, from_json ignores unknown fields instead of failing on them.
    return json.dumps({field.name: field.json_type for field in document_type.fields})


def existing_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the names of the tables of the current database, views apart."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() "
        # DuckDB's catalogue lists all attached databases, the temporary one included.
        "WHERE schema_name = ? AND database_name = current_database()",
        [SCHEMA],
    ).fetchall()
    return {name for (name,) in rows}


def existing_types(connection: duckdb.DuckDBPyConnection) -> list[DocumentType]:
    """Return the document types that have a table: those that have landed or were published."""
    names = existing_tables(connection)
    return [document_type for document_type in STORED_TYPES if document_type.table in names]


def has_table(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> bool:
    """Return whether documents of this type have landed or were published."""
    # DESCRIBE of one table is cheaper than a look at DuckDB's catalogue, which lists all of them.
    return bool(_existing_columns(connection, table_name(document_type)))


def has_ledger(connection: duckdb.DuckDBPyConnection, ledger: LedgerTable) -> bool:
    """Return whether a ledger's table exists."""
    return bool(_existing_columns(connection, ledger.full_name))


def ensure_table(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Create the table of a document type, or add and retype columns as the code describes them.

    Such columns are filled from the JSON in `document`; columns that the code no longer describes
    stay. All of it is a transaction of its own, before that of the landing.
    """
    # Comments are for readers of the published copy; `ensure_descriptions` writes them, because
    # writing or comparing them takes longer than a small landing.
    expected = columns(document_type)
    existing = _existing_columns(connection, table_name(document_type))
    stale = _stale(connection, expected, existing)
    if not stale:
        return
    if existing:
        find_odd_documents(
            connection,
            f"(SELECT rowid AS row_id, document FROM {table_name(document_type)})",
            document_type,
        )
    with transaction(connection):
        if existing:
            _evolve(connection, document_type, stale, existing)
        else:
            create_table(connection, SCHEMA, table_name(document_type), expected)


def ensure_descriptions(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the comments of existing tables and columns up to date."""
    existing = existing_comments(connection)
    for document_type in STORED_TYPES:
        comments = existing.get((SCHEMA, document_type.table))
        expected = columns(document_type)
        # A superset is fine: columns that the code no longer describes stay, with their comments.
        if comments and not (
            expected_comments(document_type.description, expected).items() <= comments.items()
        ):
            with transaction(connection):
                comment_on(
                    connection, table_name(document_type), document_type.description, expected
                )


def existing_comments(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], dict[str, str | None]]:
    """Return, by schema and table, the comments of columns, and of the table under the name ''."""
    rows = connection.execute(
        "SELECT schema_name, table_name, '', comment FROM duckdb_tables() "
        "WHERE database_name = current_database() UNION ALL "
        "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = current_database()"
    ).fetchall()
    comments: dict[tuple[str, str], dict[str, str | None]] = {}
    for schema, table, column, comment in rows:
        comments.setdefault((schema, table), {})[column] = comment
    return comments


def expected_comments(description: str, described: Iterable[Column]) -> dict[str, str | None]:
    """Return the comments that a table should have, as `existing_comments` gives them."""
    return {"": description, **{column.name: column.comment for column in described}}


def create_table(
    connection: duckdb.DuckDBPyConnection, schema: str, full_name: str, body: Iterable[Column]
) -> None:
    """Create a table, and its schema if that is missing."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    listed = ", ".join(f"{quoted(column.name)} {column.sql_type}" for column in body)
    connection.execute(f"CREATE TABLE {full_name} ({listed})")


def comment_on(
    connection: duckdb.DuckDBPyConnection, table: str, description: str, described: Iterable[Column]
) -> None:
    """Set the comments of a table and its columns."""
    statements = [f"COMMENT ON TABLE {table} IS {literal(description)}"]
    statements += [
        f"COMMENT ON COLUMN {table}.{quoted(column.name)} IS {literal(column.comment)}"
        for column in described
    ]
    # One call for all: there are some hundred columns.
    connection.execute("; ".join(statements))


Existing = dict[str, str]  # name of a column: its type in DuckDB's own spelling

# Kept by the process: the spellings depend on DuckDB's version only.
_sql_spellings: dict[str, str] = {}  # a type as we write it: in DuckDB's own spelling


def _existing_columns(connection: duckdb.DuckDBPyConnection, table: str) -> Existing:
    """Return the columns of the table; none if there is no table."""
    try:
        rows = connection.execute(f"DESCRIBE {table}").fetchall()
    except duckdb.CatalogException:
        return {}
    return {row[0]: row[1] for row in rows}


def _spellings(connection: duckdb.DuckDBPyConnection, expected: list[Column]) -> dict[str, str]:
    """Return types in DuckDB's own spelling, at least those of these columns."""
    unknown = sorted({column.sql_type for column in expected} - _sql_spellings.keys())
    if unknown:
        # DuckDB itself is the only source of how it spells a STRUCT or a list of them.
        nulls = ", ".join(f"NULL::{sql_type}" for sql_type in unknown)
        rows = connection.execute(f"DESCRIBE SELECT {nulls}").fetchall()
        _sql_spellings.update(zip(unknown, (row[1] for row in rows), strict=True))
    return _sql_spellings


def _stale(
    connection: duckdb.DuckDBPyConnection, expected: list[Column], existing: Existing
) -> list[Column]:
    """Return the columns that are missing or have another type."""
    spellings = _spellings(connection, expected)
    return [
        column for column in expected if existing.get(column.name) != spellings[column.sql_type]
    ]


def _evolve(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    stale: list[Column],
    existing: Existing,
) -> None:
    """Add or retype columns, and fill them from the documents."""
    table = table_name(document_type)
    for column in stale:
        name = quoted(column.name)
        if column.name in existing:
            # Filled anew from the documents: a cast would keep what the old type has lost.
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {column.sql_type}")
    filled = ", ".join(f"{quoted(c.name)} = typed.{quoted(c.name)}" for c in stale)
    connection.execute(
        f"UPDATE {table} AS landed SET {filled} FROM ("
        "SELECT t.rowid AS row_id, "
        # The document is as received, so a column that is new today has its whole history.
        f"from_json(coalesce(o.cleaned, t.document), '{json_schema(document_type)}') AS typed "
        f"FROM {table} t LEFT JOIN odd_documents o ON o.row_id = t.rowid) AS reread "
        "WHERE landed.rowid = reread.row_id"
    )


def table_description(document_type: DocumentType) -> str:
    """Return what a document type's table holds, and what one row is."""
    one = " and ".join(", ".join(("person", *document_type.key)).rsplit(", ", 1))
    return f"{document_type.description} One row per {one}."


def _day(document_type: DocumentType) -> str:
    if document_type.day_field:
        return f"The day it belongs to: Oura's `{document_type.day_field}`."
    if document_type.starts_at:
        # Rows without a day of Oura's: the date depends on where the person was.
        return f"The person's local date of `{document_type.starts_at}`."
    return "The day of the newest fetch; the values are the current ones."
