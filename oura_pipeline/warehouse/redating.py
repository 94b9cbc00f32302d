"""The days of rows without one: the person's local date by `oura.offsets`, as it is known now.

A row is landed under its day if that day was ever asked for, and waits in the margin otherwise:
Oura is asked for more than the days, and a row near either end can come to belong to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import reach
from oura_pipeline.warehouse.drift.scan import find_odd_documents
from oura_pipeline.warehouse.filling import note_brought
from oura_pipeline.warehouse.offsets import (
    OBSERVATIONS,
    OFFSETS,
    local_day,
    observe_all,
    observe_changed,
    renew_offsets,
    teaches,
)
from oura_pipeline.warehouse.staging import LandingRequest, same_key
from oura_pipeline.warehouse.tables import (
    BOOKKEEPING,
    Column,
    LedgerTable,
    existing_types,
    json_schema,
    literal,
    quoted,
    table_name,
    typed_fields,
)

_PERSON = Column("username", "VARCHAR", "The person.")
_TYPE = Column("document_type", "VARCHAR", "The document type.")

ASKED = LedgerTable(
    name="asked_days",
    description="The days of which Oura's answer was landed, of types whose days follow offsets.",
    columns=(_PERSON, _TYPE, Column("day", "DATE", "The day.")),
    schema=BOOKKEEPING,
)

MARGIN = LedgerTable(
    name="margin",
    description="Rows that came with those of the days asked for, and belong to other days as far "
    "as is known.",
    columns=(
        _PERSON,
        _TYPE,
        Column("instant", "TIMESTAMPTZ", "When it happened."),
        Column("document", "JSON", "The row exactly as Oura sent it."),
        Column("fetched_at", "TIMESTAMPTZ", "When Oura first sent it."),
        Column("run_id", "VARCHAR", "The run in which Oura first sent it."),
    ),
    schema=BOOKKEEPING,
)

REDATED = LedgerTable(
    name="redated",
    description="Days that lost rows to another day or got some from it, until the ledger of "
    "fetches knows.",
    columns=(
        _PERSON,
        _TYPE,
        Column("day", "DATE", "The day."),
        Column("rows", "BIGINT", "Rows that came or went, count."),
    ),
    schema=BOOKKEEPING,
)


@dataclass(frozen=True)
class DayCount:
    """The documents of one person's day after a landing.

    Attributes:
        documents: how many there are now.
        changed: how many were inserted, updated, moved to or from another day, or deleted.
    """

    documents: int
    changed: int


def concerns_offsets(document_type: DocumentType) -> bool:
    """Return whether the days of a type follow people's offsets, or its documents teach them."""
    return document_type.dated_by_offset or teaches(document_type)


def keep_margin(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Keep the staged rows of days that were not requested, and note those that were."""
    document_type = request.document_type
    since, until = reach(request.first_day, request.last_day)
    # Where a part of the answer failed, and of an export, only what came again is replaced.
    partial = "true" if request.fills else "username IN (SELECT username FROM unanswered)"
    values = {"type": document_type.name, "since": since, "until": until}
    connection.execute(
        f"INSERT INTO {ASKED.full_name} SELECT username, $type, unnest($days::DATE[]) FROM people "
        f"EXCEPT (FROM {ASKED.full_name} WHERE document_type = $type "
        "UNION ALL SELECT username, $type, day FROM unanswered)",
        {"type": document_type.name, "days": request.days},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE beside AS SELECT username, $type AS document_type, "
        f"typed.{quoted(_instant(document_type))} AS instant, document::VARCHAR AS document "
        "FROM incoming i WHERE NOT requested AND instant >= $since AND instant < $until "
        f"AND NOT EXISTS (SELECT 1 FROM {table_name(document_type)} s "
        f"WHERE {same_key(document_type)})",
        values,
    )
    same = (
        "m.username = b.username AND m.document_type = b.document_type AND m.instant = b.instant "
        "AND m.document::VARCHAR = b.document"
    )
    connection.execute(
        # Oura's answer is complete for the time that was asked for, whatever the days are.
        f"DELETE FROM {MARGIN.full_name} m WHERE document_type = $type AND instant >= $since "
        "AND instant < $until AND username IN (FROM people) AND "
        f"(NOT {partial} OR (username, instant) IN "
        f"(SELECT (username, typed.{quoted(_instant(document_type))}) FROM incoming)) "
        f"AND NOT EXISTS (SELECT 1 FROM beside b WHERE {same})",
        values,
    )
    connection.execute(
        f"INSERT INTO {MARGIN.full_name} SELECT b.*, $fetched_at, $run_id FROM beside b "
        f"WHERE NOT EXISTS (SELECT 1 FROM {MARGIN.full_name} m WHERE {same})",
        {"fetched_at": request.fetched_at, "run_id": request.run_id},
    )


def learn(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Learn from a landing's documents, and move rows to the days that follow from it.

    Must be called in the transaction of the landing.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT username, day FROM ("
        "SELECT username, unnest([new_day, old_day]) AS day FROM changes "
        "WHERE change NOT IN ('unchanged', 'reformatted')) WHERE day IS NOT NULL"
    )
    observe_changed(connection, document_type)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE learners AS SELECT DISTINCT username FROM touched"
    )
    if renew_offsets(connection):
        _redate(connection)


def date_everything(connection: duckdb.DuckDBPyConnection, fetches: LedgerTable) -> None:
    """Learn from all landed documents, where that was never done, and date all rows anew."""
    for document_type in _dated_types(connection):
        name = literal(document_type.name)
        connection.execute(
            f"INSERT INTO {ASKED.full_name} "
            f"SELECT username, {name}, day FROM {table_name(document_type)} UNION "
            f"SELECT username, document_type, day FROM {fetches.full_name} "
            f"WHERE document_type = {name} AND status IN ('landed', 'empty')"
        )
    observe_all(connection)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE learners AS "
        f"SELECT username FROM {ASKED.full_name} UNION SELECT username FROM {OFFSETS.full_name} "
        f"UNION SELECT username FROM {OBSERVATIONS.full_name}"
    )
    renew_offsets(connection)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE spans AS SELECT username, "
        "'-infinity'::TIMESTAMPTZ AS since, 'infinity'::TIMESTAMPTZ AS until FROM learners"
    )
    _redate(connection)


def unrecorded(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the names of the document types that have redated days."""
    rows = connection.execute(
        f"SELECT DISTINCT document_type FROM {REDATED.full_name} ORDER BY document_type"
    ).fetchall()
    return tuple(name for (name,) in rows)


def redated_days(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType
) -> dict[tuple[str, date], DayCount]:
    """Return the redated days of a type, by username and day."""
    rows = connection.execute(
        "SELECT r.username, r.day, count(s.username), any_value(r.rows) FROM "
        f"(SELECT username, day, sum(rows)::BIGINT AS rows FROM {REDATED.full_name} "
        f"WHERE document_type = $1 GROUP BY username, day) r LEFT JOIN {table_name(document_type)} "
        "s ON s.username = r.username AND s.day = r.day GROUP BY r.username, r.day ORDER BY ALL",
        [document_type.name],
    ).fetchall()
    return {(username, day): DayCount(many, changed) for username, day, many, changed in rows}


def forget_redated(
    connection: duckdb.DuckDBPyConnection,
    document_type: DocumentType,
    days: Mapping[tuple[str, date], DayCount],
) -> None:
    """Forget the redated days of a type, except those that were redated again meanwhile."""
    connection.execute(
        f"DELETE FROM {REDATED.full_name} WHERE document_type = $type AND (username, day) IN ("
        f"SELECT (username, day) FROM {REDATED.full_name} WHERE document_type = $type "
        "GROUP BY username, day HAVING (username, day, sum(rows)::BIGINT) IN (SELECT "
        "(unnest($names::VARCHAR[]), unnest($days::DATE[]), unnest($rows::BIGINT[]))))",
        {
            "type": document_type.name,
            "names": [username for username, _ in days],
            "days": [day for _, day in days],
            "rows": [count.changed for count in days.values()],
        },
    )


def _instant(document_type: DocumentType) -> str:
    if document_type.starts_at is None:
        raise AssertionError(f"{document_type.name} has neither day nor instant")
    return document_type.starts_at


def _dated_types(connection: duckdb.DuckDBPyConnection) -> list[DocumentType]:
    return [one for one in existing_types(connection) if one.dated_by_offset]


def _redate(connection: duckdb.DuckDBPyConnection) -> None:
    """Move the rows in the temporary table `spans` to the days that follow from the offsets."""
    for document_type in _dated_types(connection):
        _find_redated(connection, document_type)
        _move(connection, document_type)


def _find_redated(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Create `arriving` and `moving`, the rows of the margin and of the table that change place.

    Columns: `row_id`, `username`, `new_day`; `moving` also `old_day` and `asked`, whether the new
    day was ever asked for.
    """
    name = literal(document_type.name)
    asked = (
        f"(username, new_day) IN (SELECT (username, day) FROM {ASKED.full_name} "
        f"WHERE document_type = {name})"
    )
    instant = quoted(_instant(document_type))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE moving AS "
        f"SELECT *, {asked} AS asked FROM ({_dated(table_name(document_type), instant, 'day')}) "
        "WHERE new_day <> old_day"
    )
    margin = f"(SELECT rowid, * FROM {MARGIN.full_name} WHERE document_type = {name})"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE arriving AS SELECT row_id, username, new_day FROM ("
        f"{_dated(margin, 'instant', 'NULL::DATE')}) WHERE {asked}"
    )


def _dated(rows: str, instant: str, day: str) -> str:
    """Return the relation (row_id, username, old_day, new_day) of the rows in `spans`, as SQL."""
    return (
        f"SELECT t.row_id, t.username, t.old_day, {local_day('t.instant')} AS new_day FROM ("
        f"SELECT s.rowid AS row_id, username, {day} AS old_day, {instant} AS instant FROM {rows} s "
        f"JOIN spans USING (username) WHERE s.{instant} >= since AND s.{instant} < until) t "
        f"ASOF LEFT JOIN {OFFSETS.full_name} o ON o.username = t.username AND o.since <= t.instant"
    )


def _move(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    name, table = literal(document_type.name), table_name(document_type)
    connection.execute(
        f"INSERT INTO {REDATED.full_name} SELECT username, {name}, day, count(*) FROM ("
        "SELECT username, old_day AS day FROM moving UNION ALL "
        "SELECT username, new_day FROM moving WHERE asked UNION ALL "
        "SELECT username, new_day FROM arriving) GROUP BY username, day"
    )
    arriving = f"{MARGIN.full_name} WHERE rowid IN (SELECT row_id FROM arriving)"
    if connection.execute(f"SELECT 1 FROM {arriving} LIMIT 1").fetchall():
        _admit(connection, document_type)
        connection.execute(f"DELETE FROM {arriving}")
    connection.execute(
        f"INSERT INTO {MARGIN.full_name} "
        f"SELECT s.username, {name}, {quoted(_instant(document_type))}, document, fetched_at, "
        f"run_id FROM {table} s JOIN moving m ON m.row_id = s.rowid WHERE NOT asked"
    )
    connection.execute(
        f"UPDATE {table} SET day = m.new_day FROM moving m WHERE {table}.rowid = m.row_id AND asked"
    )
    connection.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT row_id FROM moving WHERE NOT asked)"
    )
    moved = "SELECT username FROM moving UNION SELECT username FROM arriving"
    if connection.execute(f"SELECT 1 FROM ({moved}) LIMIT 1").fetchall():
        note_brought(connection, document_type, moved)


def _admit(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Insert the rows in `arriving` into the table."""
    margin = f"(SELECT m.rowid AS row_id, new_day, m.* FROM {MARGIN.full_name} m "
    margin += "JOIN arriving a ON a.row_id = m.rowid)"
    find_odd_documents(connection, margin, document_type)
    names = [quoted(field.name) for field in typed_fields(document_type)]
    connection.execute(
        f"INSERT INTO {table_name(document_type)} "
        f"(username, day, {', '.join(names)}, document, fetched_at, run_id) "
        f"SELECT username, new_day, {', '.join(f'typed.{name}' for name in names)}, document, "
        "fetched_at, run_id FROM (SELECT m.*, "
        f"from_json(coalesce(o.cleaned, m.document), '{json_schema(document_type)}') AS typed "
        f"FROM {margin} m LEFT JOIN odd_documents o ON o.row_id = m.row_id)"
    )
