"""Documents of members' own exports, which fill the days of which the API gave nothing.

A day of a type is the API's as soon as the API gave a document of it: then an export changes
nothing there, and what an export had brought before goes. On all other days exports add up, and of
a document that two of them hold the words of the newer one count.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from oura_pipeline.catalog.document_types import DocumentType

_PREFIX = "export of "
# In `existing`, of rows that an export brought.
IS_BROUGHT = f"starts_with(run_id, '{_PREFIX}')"


def run_of_export(made_at: datetime) -> str:
    """Return the `run_id` of the documents of an export, by which they are told from the API's."""
    return f"{_PREFIX}{made_at:%Y-%m-%d}"


def keep_what_is_there(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, made_at: datetime
) -> None:
    """Leave of a staged export what fills a gap, or replaces the words of an older export."""
    connection.execute(
        # That an export lacks a document says nothing.
        "DELETE FROM changes WHERE incoming IS NULL OR existing IN "
        "(SELECT row_id FROM existing WHERE NOT brought OR fetched_at > $made_at)",
        {"made_at": made_at},
    )
    columns = ("username, new_day", "username, day")
    given, of_the_api = columns if document_type.partitioned else ("username", "username")
    connection.execute(
        f"DELETE FROM changes WHERE ({given}) IN "
        f"(SELECT ({of_the_api}) FROM existing WHERE NOT brought)"
    )
    connection.execute("DELETE FROM incoming WHERE rowid NOT IN (SELECT incoming FROM changes)")


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
