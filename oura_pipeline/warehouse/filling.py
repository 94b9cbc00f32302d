"""Documents of members' own exports, which fill the days of which the API gave nothing.

A day of a type is the API's as soon as the API gave a document of it: then an export changes
nothing there, and what an export had brought before goes. On all other days exports add up: of a
document that two of them hold the words of the newer one count, and of a column that it lacks those
of the older one.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import msgspec

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.tables import Column, LedgerTable, literal, table_name

# The result of imports beside that of fetches: Oura was not asked for these documents.
BROUGHT = LedgerTable(
    name="brought",
    description="The documents that members' own exports hold and Oura's API has not given, one "
    "row per person, document type and day that has any.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The document type."),
        Column("day", "DATE", "The day of the documents."),
        Column("documents", "BIGINT", "Documents, count."),
    ),
)

_PREFIX = "export of "
_CHUNK = 1000  # documents
# In `existing`, of rows that an export brought.
IS_BROUGHT = f"starts_with(run_id, '{_PREFIX}')"


def run_of_export(made_at: datetime) -> str:
    """Return the `run_id` of the documents of an export, by which they are told from the API's."""
    return f"{_PREFIX}{made_at:%Y-%m-%d}"


def keep_what_is_there(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, made_at: datetime
) -> None:
    """Leave of a staged export what fills a gap, or adds to or replaces the words of another one.

    Of a document that a newer export brought only the columns that it lacks are taken.
    """
    connection.execute(
        # That an export lacks a document says nothing.
        "DELETE FROM changes WHERE incoming IS NULL OR existing IN "
        "(SELECT row_id FROM existing WHERE NOT brought)"
    )
    columns = ("username, new_day", "username, day")
    given, of_the_api = columns if document_type.partitioned else ("username", "username")
    connection.execute(
        f"DELETE FROM changes WHERE ({given}) IN "
        f"(SELECT ({of_the_api}) FROM existing WHERE NOT brought)"
    )
    _complete(connection, document_type, made_at)
    connection.execute(
        "DELETE FROM changes WHERE incoming NOT IN (SELECT row_id FROM completed) "
        "AND existing IN (SELECT row_id FROM existing WHERE fetched_at > $made_at)",
        {"made_at": made_at},
    )
    connection.execute("DELETE FROM incoming WHERE rowid NOT IN (SELECT incoming FROM changes)")


def is_completed(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether any document of a staged export has got columns of another one."""
    return bool(connection.execute("SELECT 1 FROM completed LIMIT 1").fetchall())


def _complete(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, made_at: datetime
) -> None:
    """Add to the newer of two documents the columns that only the older one has.

    Creates `completed(row_id, document, fetched_at, run_id)`: of the incoming documents that are
    another now, with the marks of the newer one. An empty cell is a value; a column that is absent
    is none.
    """
    connection.execute(
        "SELECT c.incoming, i.document, s.document, s.fetched_at > $made_at FROM changes c "
        "JOIN incoming i ON i.rowid = c.incoming JOIN existing s ON s.row_id = c.existing "
        "WHERE i.document::VARCHAR <> s.document::VARCHAR",
        {"made_at": made_at},
    )
    row_ids, documents = [], []
    while rows := connection.fetchmany(_CHUNK):
        for row_id, incoming, existing, is_older in rows:
            newer, older = (existing, incoming) if is_older else (incoming, existing)
            if completed := _completed(newer, older):
                row_ids.append(row_id)
                documents.append(completed)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE completed AS SELECT made.row_id, made.document::JSON AS "
        "document, greatest(s.fetched_at, $made_at) AS fetched_at, if(s.fetched_at > $made_at, "
        "s.run_id, $run_id) AS run_id, if(s.fetched_at > $made_at, s.day, i.day) AS day FROM "
        "(SELECT unnest($row_ids::BIGINT[]) AS row_id, unnest($documents::VARCHAR[]) AS document) "
        "made JOIN incoming i ON i.rowid = made.row_id JOIN changes c ON c.incoming = made.row_id "
        f"JOIN {table_name(document_type)} s ON s.rowid = c.existing",
        {
            "made_at": made_at,
            "run_id": run_of_export(made_at),
            "row_ids": row_ids,
            "documents": documents,
        },
    )
    if row_ids:
        connection.execute(
            # `typed` stays: to write lists would number the row anew. Landing reads it once more.
            "UPDATE incoming SET document = c.document, day = c.day "
            "FROM completed c WHERE incoming.rowid = c.row_id"
        )
        connection.execute(
            "UPDATE changes SET new_day = c.day FROM completed c WHERE changes.incoming = c.row_id"
        )


def _completed(newer: str, older: str) -> str | None:
    """Return a document with what it lacks of an older one; None: it lacks nothing."""
    try:
        # Values stay as they are written, also a number that is too large for Python.
        fields, before = (
            msgspec.json.decode(one, type=dict[str, msgspec.Raw]) for one in (newer, older)
        )
    except msgspec.DecodeError:  # a name that is no Unicode
        return None
    if before.keys() <= fields.keys():
        return None
    return msgspec.json.encode(before | fields).decode()


def keep_what_was_brought(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType
) -> None:
    """Have a staged answer of the API take over its days from exports, and leave them the others.

    Without this an answer without documents would delete what only an export holds.
    """
    columns = ("username, old_day", "username, day")
    old, given = columns if document_type.partitioned else ("username", "username")
    connection.execute(
        "DELETE FROM changes WHERE change = 'deleted' AND brought "
        f"AND ({old}) NOT IN (SELECT ({given}) FROM incoming WHERE requested)"
    )
    # Also where both say the same: from now on the row is the API's, and exactly as Oura sent it.
    connection.execute(
        "UPDATE changes SET change = 'updated' "
        "WHERE brought AND change IN ('unchanged', 'reformatted')"
    )


def note_brought(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, people: str
) -> None:
    """Bring the ledger of what was brought up to date.

    Args:
        connection: of the landing, in its transaction.
        document_type: whose rows changed.
        people: a query for the usernames of those whose rows changed.
    """
    theirs = f"document_type = {literal(document_type.name)} AND username IN ({people})"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE counted AS "
        f"SELECT username, {literal(document_type.name)} AS document_type, day, "
        f"count(*) AS documents FROM {table_name(document_type)} "
        f"WHERE username IN ({people}) AND {IS_BROUGHT} GROUP BY username, day"
    )
    # Only what differs is written: the same export again leaves the file as it is.
    known = "(username, document_type, day, documents)"
    connection.execute(
        f"DELETE FROM {BROUGHT.full_name} WHERE {theirs} AND {known} NOT IN (FROM counted)"
    )
    connection.execute(
        f"INSERT INTO {BROUGHT.full_name} "
        f"FROM counted WHERE {known} NOT IN (FROM {BROUGHT.full_name} WHERE {theirs})"
    )
