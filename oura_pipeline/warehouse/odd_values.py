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
_NONE = "(username VARCHAR, day DATE, id VARCHAR, path VARCHAR, reason VARCHAR)"
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


def stage_odd_values(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, *, found: bool
) -> bool:
    """Create the temporary table `odd_values` of a staged landing; return whether it matters.

    Args:
        connection: of the landing.
        document_type: of its documents.
        found: whether there are odd documents.
    """
    has_id = any(field.name == "id" for field in document_type.fields)
    shown = f"i.username, i.day, {'i.typed.id' if has_id else 'NULL::VARCHAR'} AS id"
    conditions = [*_unknown_words(document_type), *_series_not_in_time(document_type)]
    selects = [
        f"SELECT {shown}, {literal(field.name)} AS path, {literal(reason)} AS reason "
        f"FROM incoming i WHERE i.requested AND {condition}"
        + (f" AND {_is_of_its_kind(field)}" if found else "")
        for field, condition, reason in conditions
    ]
    if found:
        selects.append(
            f"SELECT {shown}, unnest(o.odd) AS path, {literal(NOT_OF_ITS_KIND)} AS reason "
            "FROM odd_documents o JOIN incoming i ON i.rowid = o.row_id WHERE i.requested"
        )
    rows = f"AS {' UNION ALL '.join(selects)}" if selects else _NONE
    connection.execute(f"CREATE OR REPLACE TEMP TABLE odd_values {rows}")
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


def _unknown_words(document_type: DocumentType) -> Iterator[tuple[Field, str, str]]:
    """Yield fields, conditions that `i` has a word there that nobody knows, and what that is."""
    for field in document_type.fields:
        if field.known_words:
            words = ", ".join(map(literal, field.known_words))
            yield field, f"i.typed.{quoted(field.name)} NOT IN ({words})", UNKNOWN_WORD


def _series_not_in_time(document_type: DocumentType) -> Iterator[tuple[Field, str, str]]:
    """Yield fields, conditions that `i` has a series there that cannot be placed, and so on."""
    for field in document_type.fields:
        if field.kind is SERIES:
            column = f"i.typed.{quoted(field.name)}"
            items = f"{column}.items"
            in_time = within_time(f"{column}.timestamp", items, f"{column}.interval")
            # A series of nothing loses nothing.
            yield field, f"list_count({items}) > 0 AND ({in_time}) IS NOT TRUE", NOT_IN_TIME


def _is_of_its_kind(field: Field) -> str:
    # What is no text, or no series, at all is of another kind, and reported as such.
    name, inside = literal(field.name), literal(f"{field.name}.")
    odd = f"lambda path: path = {name} OR starts_with(path, {inside})"
    return (
        "NOT EXISTS (SELECT 1 FROM odd_documents o WHERE o.row_id = i.rowid "
        f"AND len(list_filter(o.odd, {odd})) > 0)"
    )
