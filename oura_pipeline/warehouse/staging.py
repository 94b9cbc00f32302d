"""Spooled documents are staged in temporary tables and matched by key with the existing rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import walk
from oura_pipeline.days import ONE_DAY, days_between
from oura_pipeline.warehouse.drift.shapes import same_meaning
from oura_pipeline.warehouse.filling import IS_BROUGHT, keep_what_is_there
from oura_pipeline.warehouse.offsets import OFFSETS, local_day
from oura_pipeline.warehouse.spool import LINE_BREAKS, SEPARATOR, STAND_INS, Spool
from oura_pipeline.warehouse.tables import json_schema, literal, quoted, table_name

_LONGEST_LINE = 2_000_000  # bytes; DuckDB's default limit
_CHUNK = 1000  # documents
_NO_JSON = "it is not JSON"
_SET_ASIDE = {
    "username": "VARCHAR",
    "day": "DATE",
    "id": "VARCHAR",
    "reason": "VARCHAR",
    "document": "VARCHAR",
}


@dataclass(frozen=True, kw_only=True)
class LandingRequest:
    """The people and days whose documents are replaced, the run, and when Oura answered.

    Attributes:
        unanswered: the (username, day) among them that Oura did not answer; they stay as they are.
        piece: whether these days are a piece of those whose documents are spooled: only documents
            of these days and of those beside them are read.
        fills: whether the documents are of a member's own export, which only fills gaps.
    """

    document_type: DocumentType
    usernames: tuple[str, ...]
    first_day: date
    last_day: date
    fetched_at: datetime
    run_id: str
    unanswered: tuple[tuple[str, date], ...] = ()
    piece: bool = False
    fills: bool = False

    @property
    def days(self) -> list[date]:
        """The requested days, in order."""
        return days_between(self.first_day, self.last_day)


def stage(connection: duckdb.DuckDBPyConnection, request: LandingRequest, spool: Spool) -> bool:
    """Create temporary tables: `people`, `incoming`, `set_aside`, `existing` and `changes`.

    Return whether anything may be set aside.
    """
    _list_people(connection, request)
    aside = _read_unusable(connection, request, spool)
    aside |= _read(connection, request, spool)
    aside |= _set_aside_without_key(connection, request.document_type)
    if request.document_type.dated_by_offset:
        _date(connection, request)
    aside |= _drop_repeated(connection, request.document_type)
    if aside:
        _keep_last_set_aside(connection)
    _find_existing(connection, request)
    _match(connection, request.document_type)
    if request.fills:
        keep_what_is_there(connection, request.document_type, request.fetched_at)
    return aside


def _list_people(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Create `people(username)`, and `unanswered(username, day)`."""
    # Tables rather than parameters, because most statements of a landing use them.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE people AS SELECT unnest($1::VARCHAR[]) AS username",
        [list(request.usernames)],
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unanswered AS "
        "SELECT unnest($1::VARCHAR[]) AS username, unnest($2::DATE[]) AS day",
        [[who for who, _ in request.unanswered], [day for _, day in request.unanswered]],
    )


def _read_unusable(
    connection: duckdb.DuckDBPyConnection, request: LandingRequest, spool: Spool
) -> bool:
    """Create `set_aside(username, day, id, reason, document)`, in order of arrival.

    This, like all that adds to it, returns whether anything may be in it.
    """
    files = ", ".join(literal(str(file)) for file in spool.unusable_files(request.usernames))
    columns = ", ".join(f"{name}: '{sql_type}'" for name, sql_type in _SET_ASIDE.items())
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE set_aside"
        f"({', '.join(f'{name} {sql_type}' for name, sql_type in _SET_ASIDE.items())})"
    )
    if files:
        connection.execute(
            f"INSERT INTO set_aside FROM read_json([{files}], format = 'newline_delimited', "
            f"columns = {{{columns}}}, "
            f"maximum_object_size = {2 * spool.longest_unusable + _LONGEST_LINE})"
        )
    return bool(files)


def _read(connection: duckdb.DuckDBPyConnection, request: LandingRequest, spool: Spool) -> bool:
    """Create `incoming(username, day, requested, document, typed)`, in order of arrival."""
    document = "document"
    if spool.has_line_breaks:
        # Costs a pass over every text, and Oura sends line breaks hardly ever.
        document = f"translate(document, '{STAND_INS}', '{LINE_BREAKS}')"
    requested = "requested"
    if request.document_type.partitioned:
        # By its day alone: what lies outside of one part of a question is inside of another.
        requested = "day BETWEEN $first AND $last"
    if request.unanswered:
        requested += " AND (username, day) NOT IN (FROM unanswered)"
    lines = spooled_lines(_files(request, spool), spool.longest_document)
    if request.piece:
        lines = f"(FROM {lines} WHERE day BETWEEN $first - 1 AND $last + 1)"
    read = (
        "CREATE OR REPLACE TEMP TABLE incoming AS "
        f"SELECT username, day, {requested} AS requested, document, "
        f"from_json(document, '{json_schema(request.document_type)}') AS typed FROM ("
        f"SELECT username, day, requested, {document}::JSON AS document FROM {lines}"
    )
    parameters = (
        {"first": request.first_day, "last": request.last_day}
        if request.document_type.partitioned
        else {}
    )
    try:
        connection.execute(f"{read})", parameters)
        return False
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        # Looked for only now: to check every text costs as much as to read it.
        connection.execute(f"{read} WHERE json_valid({document}))", parameters)
        connection.execute(
            f"INSERT INTO set_aside SELECT username, day, NULL, '{_NO_JSON}', document FROM "
            f"(SELECT username, day, {requested} AS requested, {document} AS document "
            f"FROM {lines}) WHERE requested AND NOT json_valid(document)",
            parameters,
        )
        return True


def _files(request: LandingRequest, spool: Spool) -> list[Path]:
    first, last = request.first_day, request.last_day
    if request.piece:
        # At UTC+14 and UTC-12 a row is of the day beside its date in UTC.
        first, last = first - ONE_DAY, last + ONE_DAY
    return [
        file.path
        for file in spool.spooled(request.usernames)
        if not request.piece or (file.first_day <= last and file.last_day >= first)
    ]


def spooled_lines(files: Iterable[Path], longest: int) -> str:
    """Return the relation (username, day, requested, document) of all spooled lines, as SQL."""
    listed = ", ".join(literal(str(file)) for file in files)
    if not listed:
        return (
            # read_csv refuses an empty list; nobody having a document is a normal answer.
            "(SELECT NULL::VARCHAR, NULL::DATE, NULL::BOOLEAN, NULL::VARCHAR LIMIT 0) AS none"
            "(username, day, requested, document)"
        )
    return (
        # Nothing is detected: a document must not be read in another way because of its content.
        f"read_csv([{listed}], header = false, auto_detect = false, delim = '{SEPARATOR}', "
        "quote = '', escape = '', new_line = '\\n', "
        # Twice the longest document, to leave room for the username and the day beside it.
        f"max_line_size = {max(_LONGEST_LINE, 2 * longest + 1000)}, columns = "
        "{'username': 'VARCHAR', 'day': 'DATE', 'requested': 'BOOLEAN', 'document': 'VARCHAR'})"
    )


def _set_aside_without_key(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType
) -> bool:
    """Move documents without a key that DuckDB can read from `incoming` to `set_aside`."""
    absent = [f"{part} IS NULL" for part in _key(document_type, "incoming")]
    # A list or a number is valid JSON too, and would be a row of nulls.
    missing = " OR ".join(["typed IS NULL", "json_type(document) <> 'OBJECT'", *absent])
    if not connection.execute(f"SELECT 1 FROM incoming WHERE {missing} LIMIT 1").fetchall():
        return False
    needed = " and ".join(name for name in document_type.key if name != "day")
    why = f"no object, or no usable {needed}" if needed else "no object"
    dated = document_type.dated_by_offset
    connection.execute(
        f"INSERT INTO set_aside SELECT username, day, {_id(document_type, 'incoming')}, "
        # What has no day of its own yet may be of a requested one.
        f"'{why}', document FROM incoming WHERE {'true' if dated else 'requested'} AND ({missing})"
    )
    connection.execute(f"DELETE FROM incoming WHERE {missing}")
    return True


def _date(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Give every row the day that follows from the person's offsets as they are known now."""
    instant = f"i.typed.{quoted(request.document_type.starts_at or '')}"
    requested = (
        "dated.day BETWEEN $first AND $last AND NOT EXISTS (SELECT 1 FROM unanswered u "
        "WHERE u.username = incoming.username AND u.day = dated.day)"
    )
    connection.execute(
        f"UPDATE incoming SET day = dated.day, requested = {requested} "
        f"FROM (SELECT i.rowid AS row_id, {local_day(instant)} AS day FROM incoming i "
        f"ASOF LEFT JOIN {OFFSETS.full_name} o ON o.username = i.username "
        f"AND o.since <= {instant}) AS dated WHERE incoming.rowid = dated.row_id "
        # Most of them need no change, and writing takes longest.
        "AND incoming.day <> dated.day",
        {"first": request.first_day, "last": request.last_day},
    )


def _drop_repeated(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> bool:
    """Keep one of several documents with the same key; set aside the others that differ from it."""
    key = ", ".join(("username", *_key(document_type, "incoming")))
    # Looked for first: repetitions are rare, and deleting reads the table twice.
    repeated = connection.execute(
        f"SELECT 1 FROM incoming GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    ).fetchall()
    if not repeated:
        return False
    # Pages overlap when documents arrive in between: the last to come is the newest.
    order, why = "rowid DESC", "it came twice in one answer; the later one landed"
    if document_type.daily:
        order = f"({_first_number(document_type)} IS NOT NULL) DESC, {order}"
        why = "its day came twice in one answer; the one with a score, or the later one, landed"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT * FROM (SELECT rowid AS row_id, "
        "row_number() OVER best AS place, first_value(document) OVER best AS kept FROM incoming "
        f"WINDOW best AS (PARTITION BY {key} ORDER BY {order})) WHERE place > 1"
    )
    connection.execute(
        f"INSERT INTO set_aside SELECT i.username, i.day, {_id(document_type, 'i')}, '{why}', "
        "i.document FROM incoming i JOIN repeated r ON r.row_id = i.rowid "
        "WHERE i.requested AND i.document::VARCHAR <> r.kept::VARCHAR"
    )
    connection.execute("DELETE FROM incoming WHERE rowid IN (SELECT row_id FROM repeated)")
    return True


def _first_number(document_type: DocumentType) -> str:
    """Return the first number or code of a document: its score, where it has one."""
    path = next(
        path
        for path, field in walk(document_type.fields, lists=False)
        if field.kind.is_number or field.codes
    )
    return ".".join(["typed", *map(quoted, path)])


def _keep_last_set_aside(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "DELETE FROM set_aside WHERE rowid NOT IN "
        "(SELECT max(rowid) FROM set_aside GROUP BY username, coalesce(id, document))"
    )


def _find_existing(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Create `existing(row_id, username, day, the key, document, fetched_at, brought)`.

    These are the rows that the request is about: those of the requested people and days, and those
    of other days that have the key of an incoming document of a requested day.
    """
    document_type = request.document_type
    listed = ", ".join(
        dict.fromkeys(["username", "day", *map(quoted, document_type.key), "document"])
    )
    listed += f", fetched_at, {IS_BROUGHT} AS brought"
    rows = f"SELECT rowid AS row_id, {listed} FROM {table_name(document_type)} s"
    theirs = "username IN (FROM people)"
    parameters: dict[str, object] = {"first": request.first_day, "last": request.last_day}
    if not document_type.partitioned:
        found, parameters = f"{rows} WHERE {theirs}", {}
    else:
        found = f"{rows} WHERE {theirs} AND day BETWEEN $first AND $last"
        if request.unanswered:
            found += " AND (username, day) NOT IN (FROM unanswered)"
        # The day is the key of daily ones: another day is another document.
        if not document_type.daily:
            first = document_type.key[0]
            sql_type = next(one.sql_type for one in document_type.fields if one.name == first)
            # As parameters: an id may hold characters that no literal can.
            parameters |= _bounds(connection, document_type)
            found += (
                f" UNION ALL {rows} WHERE day NOT BETWEEN $first AND $last "
                f"AND {quoted(first)} BETWEEN $low::{sql_type} "
                f"AND $high::{sql_type} AND EXISTS (SELECT 1 FROM incoming i "
                f"WHERE i.requested AND {same_key(document_type)})"
            )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE existing AS {found}", parameters)


def _bounds(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType
) -> dict[str, str | None]:
    """Return the lowest and highest first part of the incoming keys, as texts."""
    # With them DuckDB skips the row groups that hold other times. Between nulls is nothing, so no
    # row is looked up where there is none.
    part = _key(document_type, "incoming")[0]
    low, high = connection.execute(
        f"SELECT min({part})::VARCHAR, max({part})::VARCHAR FROM incoming WHERE requested"
    ).fetchall()[0]
    return {"low": low, "high": high}


def _match(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Create `changes`, a row per incoming document and per existing row.

    Columns: `username`; `incoming` and `existing`, row numbers there or null; `new_day`, `old_day`;
    `brought`, whether the existing row is of an export; and `change`: unchanged, reformatted
    (another text with the same meaning), updated, inserted, moved (to a day that was not requested)
    or deleted. Every other text is 'reformatted' until `tell_reformatted_from_updated` has
    compared the meaning.
    """
    same_day = "s.day = i.day" if document_type.partitioned else "true"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changes AS "
        "SELECT coalesce(i.username, s.username) AS username, i.row_id AS incoming, "
        "s.row_id AS existing, i.day AS new_day, s.day AS old_day, "
        "coalesce(s.brought, false) AS brought, CASE "
        "WHEN i.row_id IS NULL THEN 'deleted' WHEN s.row_id IS NULL THEN 'inserted' "
        # Only what has a row already moves to a day that was not requested: Oura is queried for
        # more days than those, and what it sends of the others is not complete.
        f"WHEN NOT i.requested THEN 'moved' WHEN NOT ({same_day}) THEN 'updated' "
        "WHEN i.document::VARCHAR = s.document::VARCHAR THEN 'unchanged' ELSE 'reformatted' "
        "END AS change "
        "FROM (SELECT rowid AS row_id, * FROM incoming) i "
        f"FULL JOIN existing s ON {same_key(document_type)} "
        "WHERE i.requested OR s.row_id IS NOT NULL"
    )


def tell_reformatted_from_updated(connection: duckdb.DuckDBPyConnection) -> None:
    """Mark those as updated whose text differs in more than order of keys, spaces or 1.0 for 1."""
    connection.execute(
        "SELECT c.rowid, i.document, s.document FROM changes c "
        "JOIN incoming i ON i.rowid = c.incoming JOIN existing s ON s.row_id = c.existing "
        "WHERE c.change = 'reformatted'"
    )
    compared, reformatted = 0, []
    # In chunks: after a backfill both texts of all documents need not fit into memory.
    while rows := connection.fetchmany(_CHUNK):
        compared += len(rows)
        reformatted += [row_id for row_id, new, old in rows if same_meaning(new, old)]
    # The reformatted ones are listed, because they are fewer: most new texts mean something new.
    if len(reformatted) < compared:
        connection.execute(
            "UPDATE changes SET change = 'updated' "
            "WHERE change = 'reformatted' AND rowid NOT IN (SELECT unnest($1::BIGINT[]))",
            [reformatted],
        )


def same_key(document_type: DocumentType) -> str:
    """Return the condition that `s`, existing, and `i`, incoming, are the same document."""
    parts = zip(document_type.key, _key(document_type, "i"), strict=True)
    equal = [f"s.{quoted(name)} = {part}" for name, part in parts]
    return " AND ".join(["s.username = i.username", *equal])


def _id(document_type: DocumentType, alias: str) -> str:
    has_id = any(field.name == "id" for field in document_type.fields)
    return f"{alias}.typed.id" if has_id else "NULL"


def _key(document_type: DocumentType, alias: str) -> list[str]:
    """Return the parts of the key of an incoming document, as SQL."""
    return [
        f"{alias}.day" if name == "day" else f"{alias}.typed.{quoted(name)}"
        for name in document_type.key
    ]
