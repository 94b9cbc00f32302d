"""People's offsets from UTC, learned from the times in the documents that are landed now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.warehouse.tables import (
    BOOKKEEPING,
    Column,
    LedgerTable,
    existing_types,
    literal,
    quoted,
    table_name,
)

OFFSETS = LedgerTable(
    name="offsets",
    description="How far each person's clock was ahead of UTC, learned from documents that carry "
    "an offset; between two that differ it changes midway.",
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

OBSERVATIONS = LedgerTable(
    name="observations",
    description="The times with an offset from UTC in the documents that are landed now, from "
    "which oura.offsets is made.",
    columns=(
        Column("username", "VARCHAR", "The person."),
        Column("document_type", "VARCHAR", "The type of the document."),
        Column("day", "DATE", "The day of the document."),
        Column("field", "VARCHAR", "The path of the time in the document."),
        Column("instant", "BIGINT", "The instant, µs since 1970."),
        Column("seconds", "INTEGER", "Local time minus UTC, seconds."),
    ),
    schema=BOOKKEEPING,
)

_SECOND = 1_000_000  # µs, like everything below: arithmetic on numbers needs no time zones
_DAY = 86_400 * _SECOND
_MONTH = 30 * _DAY
# The first row of each person; also, nobody's offset matters before or after these years.
_BEGINNING, _END = "TIMESTAMPTZ '1900-01-01 00:00:00+00'", "TIMESTAMPTZ '2200-01-01 00:00:00+00'"
_WEST, _EAST = -12 * 3600, 14 * 3600  # no clock on Earth shows more
_TIME = "^(.+T[0-9:.]+)(Z|([+-])([0-9]{2}):?([0-9]{2})?)$"
_NEAR = (
    "PARTITION BY username, document_type, field ORDER BY instant ASC "
    f"RANGE BETWEEN {_MONTH} PRECEDING AND {_MONTH} FOLLOWING"
)
_PARTS = "['clock', 'zone', 'sign', 'hours', 'minutes']"

# A zero may be no offset at all: some times are written in UTC wherever the person is. So a zero
# teaches nothing in two cases. Its field is blind: less than a day before and after a zero of it
# other times say that the person was not at UTC, and for a month it says nothing else itself. Or it
# is alone: less than a day from a time that says otherwise, with no other instant at UTC between
# that and the next one that does. Somebody who is at UTC, if only for a night, has several times
# that say so.
_BELIEVED = f"""
    WITH theirs AS (
        FROM {OBSERVATIONS.full_name} WHERE username IN (FROM learners)
    ), mixed AS (
        SELECT username FROM theirs GROUP BY username
        HAVING bool_or(seconds = 0) AND bool_or(seconds <> 0)
    ), seen AS (
        SELECT username, document_type, field, instant, seconds, count(*) AS times
        FROM theirs WHERE username IN (FROM mixed) GROUP BY ALL
    ), placed AS (
        SELECT *, bool_or(seconds <> 0) OVER near AS varies,
            max(instant) FILTER (seconds <> 0) OVER (PARTITION BY username ORDER BY instant ASC
                RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before,
            min(instant) FILTER (seconds <> 0) OVER (PARTITION BY username ORDER BY instant ASC
                RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS after
        FROM seen WINDOW near AS ({_NEAR})
    ), judged AS (
        SELECT *, NOT varies AND coalesce(bool_or(seconds = 0 AND instant - before <= {_DAY}
            AND after - instant <= {_DAY}) OVER near, false) AS blind
        FROM placed WINDOW near AS ({_NEAR})
    ), confirmed AS (
        SELECT *, coalesce(least(instant - before, after - instant) <= {_DAY}, false) AS contested,
            min(instant) FILTER (seconds = 0 AND NOT blind) OVER stretch
            < max(instant) FILTER (seconds = 0 AND NOT blind) OVER stretch AS several
        FROM judged WINDOW stretch AS (PARTITION BY username, before, after)
    )
    SELECT username, instant, seconds, sum(times) AS times FROM confirmed
    WHERE seconds <> 0 OR NOT blind AND (several OR NOT contested) GROUP BY ALL
    UNION ALL
    SELECT username, instant, seconds, count(*) AS times
    FROM theirs WHERE username NOT IN (FROM mixed) GROUP BY ALL
"""

# Of several at one instant the one that is said most often counts, and of those the westernmost;
# between two that are equally near the earlier one, so the offset changes just after the middle.
_TIMELINE = f"""
    WITH instants AS (
        SELECT username, instant, first(seconds ORDER BY times DESC, seconds ASC) AS seconds
        FROM ({_BELIEVED}) GROUP BY username, instant
    ), pairs AS (
        SELECT username, instant, seconds,
            lag(instant) OVER times AS earlier, lag(seconds) OVER times AS old
        FROM instants WINDOW times AS (PARTITION BY username ORDER BY instant ASC)
    )
    SELECT username, CASE WHEN earlier IS NULL THEN {_BEGINNING}
        ELSE make_timestamptz(earlier + (instant - earlier) // 2 + 1) END AS since,
        seconds AS utc_offset_seconds
    FROM pairs WHERE earlier IS NULL OR seconds <> old
"""


def teaches(document_type: DocumentType) -> bool:
    """Return whether documents of a type carry the offset of where the person was."""
    return any(field.tells_offset for field in document_type.fields)


def observe_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Observe every landed document of everybody."""
    connection.execute(f"DELETE FROM {OBSERVATIONS.full_name}")
    for document_type in existing_types(connection):
        if teaches(document_type):
            _observe(connection, document_type, "true")


def observe_changed(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Replace what was observed on the people's days in the temporary table `touched`."""
    touched = "(username, day) IN (FROM touched)"
    connection.execute(
        f"DELETE FROM {OBSERVATIONS.full_name} WHERE document_type = $1 AND {touched}",
        [document_type.name],
    )
    _observe(connection, document_type, touched)


def renew_offsets(connection: duckdb.DuckDBPyConnection) -> bool:
    """Make `oura.offsets` of the people in the temporary table `learners` from the observations.

    Returns:
        Whether anything changed. The temporary table `spans(username, since, until)` then holds
        the time of each person in which it did.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE timeline AS {_TIMELINE}")
    before = f"(FROM {OFFSETS.full_name} WHERE username IN (FROM learners))"
    differing = f"(FROM timeline EXCEPT {before}) UNION ALL ({before} EXCEPT FROM timeline)"
    if not connection.execute(f"SELECT 1 FROM ({differing}) LIMIT 1").fetchall():
        return False
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE spans AS WITH differing AS ({differing}), bounds AS "
        "(SELECT username, min(since) AS since, max(since) AS last FROM differing "
        "GROUP BY username) "
        # The next row after the last one that differs is common to both.
        "SELECT b.username, b.since, coalesce(min(t.since), 'infinity'::TIMESTAMPTZ) AS until "
        "FROM bounds b LEFT JOIN timeline t ON t.username = b.username AND t.since > b.last "
        "GROUP BY b.username, b.since"
    )
    theirs = "username IN (SELECT username FROM spans)"
    connection.execute(f"DELETE FROM {OFFSETS.full_name} WHERE {theirs}")
    connection.execute(f"INSERT INTO {OFFSETS.full_name} FROM timeline WHERE {theirs}")
    return True


def local_day(instant: str) -> str:
    """Return the local date of an instant, as SQL; `o` is the row of `oura.offsets` that holds."""
    seconds = "coalesce(o.utc_offset_seconds, 0)::BIGINT"
    return f"CAST(make_timestamp(epoch_us({instant}) + {seconds} * {_SECOND}) AS DATE)"


def _observe(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType, condition: str
) -> None:
    connection.execute(
        f"INSERT INTO {OBSERVATIONS.full_name} "
        f"SELECT username, {literal(document_type.name)}, day, field, instant, seconds FROM ("
        "SELECT username, day, field, seconds, "
        f"epoch_us(TRY_CAST(t.clock AS TIMESTAMP)) - seconds * {_SECOND} AS instant FROM ("
        "SELECT username, day, field, t, CASE WHEN t.sign = '-' THEN -1 ELSE 1 END * "
        "(coalesce(TRY_CAST(t.hours AS BIGINT), 0) * 3600 "
        "+ coalesce(TRY_CAST(t.minutes AS BIGINT), 0) * 60) AS seconds FROM ("
        f"SELECT username, day, field, regexp_extract(text, '{_TIME}', {_PARTS}) AS t "
        f"FROM ({_texts(document_type, condition)}) WHERE text IS NOT NULL) "
        # RFC 3339: -00:00 says that the offset is unknown.
        "WHERE t.zone NOT IN ('', '-00', '-0000', '-00:00'))) "
        f"WHERE instant >= epoch_us({_BEGINNING}) AND instant < epoch_us({_END}) "
        f"AND seconds BETWEEN {_WEST} AND {_EAST}"
    )


def _texts(document_type: DocumentType, condition: str) -> str:
    """Return the relation (username, day, field, text) of all times with an offset, as SQL."""
    paths = list(_paths(document_type.fields))
    single = [path for path in paths if "[*]" not in path]
    rows = f"FROM {table_name(document_type)} WHERE {condition}"
    listed = ", ".join(map(literal, single))
    # All at once: each extraction reads the document anew. DuckDB takes no list with wildcards.
    selects = [
        f"SELECT username, day, unnest([{listed}]) AS field, "
        f"unnest(json_extract_string(document, [{listed}])) AS text {rows}"
    ] * bool(single)
    selects += [
        f"SELECT username, day, {literal(path)} AS field, "
        f"unnest(json_extract_string(document, {literal(path)})) AS text {rows}"
        for path in paths
        if path not in single
    ]
    return " UNION ALL ".join(selects)


def _paths(fields: Iterable[Field], prefix: str = "$") -> Iterator[str]:
    for field in fields:
        if field.tells_offset:
            path = f"{prefix}.{quoted(field.name)}" + ("[*]" if field.item else "")
            inside = (field.item or field).inside
            yield from _paths(inside, path) if inside else [path]
