"""Values of landed documents that no column can hold, and words that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.kinds import SERIES
from oura_pipeline.warehouse.ledgers import ODD_VALUES
from oura_pipeline.warehouse.quarantine import Oddity
from oura_pipeline.warehouse.staging import LandingRequest
from oura_pipeline.warehouse.tables import has_ledger, literal, quoted
from oura_pipeline.warehouse.views.clock import within_time

_TABLE = ODD_VALUES.full_name
NOT_OF_ITS_KIND = "not of the kind that Oura describes; missing in SQL and in Graphite"
NOT_IN_TIME = "a series without a usable start or interval; not shown as rows, not sent to Graphite"
UNKNOWN_WORD = "a word that Oura does not describe; not sent to Graphite"


def find_odd_values(
    connection: duckdb.DuckDBPyConnection,
    usernames: Collection[str] | None = None,
    document_type: str | None = None,
) -> list[Oddity]:
    """Return the odd values that match, by person, type, day, id and field; None matches all."""
    if not has_ledger(connection, ODD_VALUES):
        return []
    rows = connection.execute(
        f"SELECT username, document_type, day, id, path || ': ' || reason FROM {_TABLE} "
        "WHERE ($usernames IS NULL OR list_contains($usernames::VARCHAR[], username)) "
        "AND ($document_type IS NULL OR document_type = $document_type) "
        "ORDER BY username ASC, document_type ASC, day ASC, id ASC NULLS FIRST, path ASC",
        {
            "usernames": None if usernames is None else list(usernames),
            "document_type": document_type,
        },
    ).fetchall()
    return [
        Oddity(username=row[0], document_type=row[1], day=row[2], id=row[3], reason=row[4])
        for row in rows
    ]


def stage_odd_values(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> bool:
    """Create the temporary table `odd_values` of a staged landing; return whether it matters."""
    has_id = any(field.name == "id" for field in document_type.fields)
    shown = f"i.username, i.day, {'i.typed.id' if has_id else 'NULL::VARCHAR'} AS id"
    found = [
        f"SELECT {shown}, unnest(o.odd) AS path, {literal(NOT_OF_ITS_KIND)} AS reason "
        "FROM odd_documents o JOIN incoming i ON i.rowid = o.row_id WHERE i.requested",
        *_unknown_words(document_type, shown),
        *_series_not_in_time(document_type, shown),
    ]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE odd_values AS {' UNION ALL '.join(found)}")
    of_type = f"SELECT 1 FROM odd_values UNION ALL SELECT 1 FROM {_TABLE} WHERE document_type = ?"
    return bool(connection.execute(f"{of_type} LIMIT 1", [document_type.name]).fetchall())


def replace_odd_values(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Replace the odd values of the requested people and days by the staged ones."""
    where = "document_type = $type AND username IN (FROM people)"
    parameters: dict[str, str | date] = {"type": request.document_type.name}
    if request.document_type.partitioned:
        where += " AND day BETWEEN $first AND $last AND (username, day) NOT IN (FROM unanswered)"
        parameters |= {"first": request.first_day, "last": request.last_day}
    if request.fills:
        where += " AND (username, day) IN (SELECT (username, new_day) FROM changes)"
    connection.execute(f"DELETE FROM {_TABLE} WHERE {where}", parameters)
    connection.execute(
        f"INSERT INTO {_TABLE} SELECT username, $type, day, id, path, reason FROM odd_values",
        {"type": request.document_type.name},
    )


def _unknown_words(document_type: DocumentType, shown: str) -> Iterator[str]:
    for field in document_type.fields:
        if field.known_words:
            words = ", ".join(map(literal, field.known_words))
            yield (
                f"SELECT {shown}, {literal(field.name)}, {literal(UNKNOWN_WORD)} FROM incoming i "
                f"WHERE i.requested AND i.typed.{quoted(field.name)} NOT IN ({words}) "
                # What is no text at all is of another kind, and reported as such.
                f"AND {_is_of_its_kind(field)}"
            )


def _series_not_in_time(document_type: DocumentType, shown: str) -> Iterator[str]:
    for field in document_type.fields:
        if field.kind is SERIES:
            column = f"i.typed.{quoted(field.name)}"
            items = f"{column}.items"
            in_time = within_time(f"{column}.timestamp", items, f"{column}.interval")
            yield (
                f"SELECT {shown}, {literal(field.name)}, {literal(NOT_IN_TIME)} FROM incoming i "
                # A series of nothing loses nothing.
                f"WHERE i.requested AND list_count({items}) > 0 AND ({in_time}) IS NOT TRUE "
                f"AND {_is_of_its_kind(field)}"
            )


def _is_of_its_kind(field: Field) -> str:
    name, inside = literal(field.name), literal(f"{field.name}.")
    odd = f"lambda path: path = {name} OR starts_with(path, {inside})"
    return (
        "NOT EXISTS (SELECT 1 FROM odd_documents o WHERE o.row_id = i.rowid "
        f"AND len(list_filter(o.odd, {odd})) > 0)"
    )
