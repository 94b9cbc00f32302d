"""Spooled documents become rows, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import duckdb

from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.scan import DriftScan, find_odd_documents
from oura_pipeline.warehouse.drift.unknown_fields import record_paths
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.odd_values import replace_odd_values, stage_odd_values
from oura_pipeline.warehouse.offsets import OBSERVATIONS, teaches
from oura_pipeline.warehouse.quarantine import (
    concerns_quarantine,
    keep_earlier_versions,
    update_quarantine,
)
from oura_pipeline.warehouse.redating import DayCount, keep_margin, learn, unrecorded
from oura_pipeline.warehouse.spool import Spool
from oura_pipeline.warehouse.staging import LandingRequest, stage
from oura_pipeline.warehouse.tables import (
    ensure_table,
    has_ledger,
    json_schema,
    quoted,
    table_name,
    typed_fields,
)

# A reformatted document keeps its row: its text differs, its meaning does not.
UNCHANGED = {"unchanged", "reformatted"}


@dataclass(frozen=True, kw_only=True)
class Landing:
    """The result of a landing.

    Attributes:
        days: every requested (username, day), also those without documents. For a type without
            days everything counts on the last requested day.
        elsewhere: days that were not requested, but lost a document to a requested day or got one.
        inserted: documents that were not there before.
        updated: documents with another content than before, or that belong to another day now.
        deleted: documents that Oura no longer has.
        outside: documents of days that were not requested, and were not stored under such a day.
        unknown_fields: paths that the table of document types does not have.
        odd_values: path → number of values of the wrong kind; the column holds null, the JSON the
            value.
        set_aside: documents that cannot be landed and are in `oura.quarantine`, by username and
            day, which may be unknown.
        lost: of how many documents some are gone, by username and day, where the answer to somebody
            had fewer than half of what was there.
        redated: names of the types that have days whose rows changed because offsets were learned.
    """

    days: dict[tuple[str, date], DayCount]
    elsewhere: dict[tuple[str, date], DayCount] = field(default_factory=dict)
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    outside: int = 0
    unknown_fields: list[str] = field(default_factory=list)
    odd_values: dict[str, int] = field(default_factory=dict)
    set_aside: Counter[tuple[str, date | None]] = field(default_factory=Counter)
    lost: dict[tuple[str, date], int] = field(default_factory=dict)
    redated: tuple[str, ...] = ()

    def __add__(self, other: Landing) -> Landing:
        """Return both as one; they are of different people."""
        return Landing(
            days=self.days | other.days,
            elsewhere=self.elsewhere | other.elsewhere,
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            deleted=self.deleted + other.deleted,
            outside=self.outside + other.outside,
            unknown_fields=sorted({*self.unknown_fields, *other.unknown_fields}),
            odd_values=dict(sorted((Counter(self.odd_values) + Counter(other.odd_values)).items())),
            set_aside=self.set_aside + other.set_aside,
            lost=self.lost | other.lost,
            redated=tuple(sorted({*self.redated, *other.redated})),
        )

    @property
    def changed(self) -> int:
        """The number of documents that were inserted, updated or deleted."""
        return self.inserted + self.updated + self.deleted


def land(connection: duckdb.DuckDBPyConnection, request: LandingRequest, spool: Spool) -> Landing:
    """Replace the rows that a request is about by the spooled documents.

    The table ends up as if all of these rows had been deleted and all documents inserted. But rows
    are matched by key, and only differences are written: an unchanged row keeps the `fetched_at`
    and `run_id` of when Oura first sent it like this. What cannot be landed goes to the quarantine.
    """
    ensure_table(connection, request.document_type)
    if not has_ledger(connection, OBSERVATIONS):
        ensure_ledgers(connection)
    # Staging stays outside of the transaction: nobody else writes while we hold the lock, and only
    # outside of it are staged rows numbered from 0 in order of arrival.
    stage(connection, request, spool)
    scan = find_odd_documents(
        connection,
        "(SELECT i.rowid AS row_id, i.document FROM incoming i "
        "JOIN changes c ON c.incoming = i.rowid)",
        request.document_type,
        regular=spool.regular,
    )
    # Outside of the transaction as well: a path was seen, whether or not its documents land.
    record_paths(connection, request.document_type, scan.paths, request.fetched_at)
    odd = concerns_quarantine(connection, request.document_type)
    if odd:
        keep_earlier_versions(connection, request.document_type)
    strange = stage_odd_values(connection, request.document_type)
    changes = _count_changes(connection)
    dated = request.document_type.dated_by_offset
    # Most documents that are fetched again are unchanged: nothing to write. A type without days
    # still moves to the newest day.
    writes = odd or strange or dated
    if writes or changes.keys() - UNCHANGED or not request.document_type.partitioned:
        with transaction(connection):
            _write(connection, request)
            if odd:
                update_quarantine(connection, request)
            if strange:
                replace_odd_values(connection, request)
            if dated:
                keep_margin(connection, request)
            if teaches(request.document_type):
                learn(connection, request.document_type)
    return _result(connection, request, scan, changes)


def _count_changes(connection: duckdb.DuckDBPyConnection) -> Counter[str]:
    rows = connection.execute("SELECT change, count(*) FROM changes GROUP BY change").fetchall()
    return Counter(dict(rows))


def _write(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    document_type = request.document_type
    table = table_name(document_type)
    names = [quoted(field.name) for field in typed_fields(document_type)]
    connection.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT existing FROM changes "
        "WHERE change IN ('deleted', 'updated', 'moved'))"
    )
    connection.execute(
        f"INSERT INTO {table} "
        f"(username, day, {', '.join(names)}, document, fetched_at, run_id) "
        f"SELECT username, day, {', '.join(f'typed.{name}' for name in names)}, document, "
        "$fetched_at, $run_id FROM (SELECT i.username, i.day, i.document, "
        # The few odd documents are typed anew from their cleaned text, the others only once.
        "CASE WHEN o.row_id IS NULL THEN i.typed "
        f"ELSE from_json(o.cleaned, '{json_schema(document_type)}') END AS typed "
        "FROM incoming i LEFT JOIN odd_documents o ON o.row_id = i.rowid WHERE i.rowid IN "
        "(SELECT incoming FROM changes WHERE change IN ('inserted', 'updated', 'moved')))",
        {"fetched_at": request.fetched_at, "run_id": request.run_id},
    )
    if not document_type.partitioned:
        connection.execute(
            # `day` says when the state was last confirmed, so it moves though the document stays.
            f"UPDATE {table} SET day = c.new_day FROM changes c "
            f"WHERE {table}.rowid = c.existing AND c.change IN ('unchanged', 'reformatted') "
            f"AND {table}.day <> c.new_day"
        )


def _result(
    connection: duckdb.DuckDBPyConnection,
    request: LandingRequest,
    scan: DriftScan,
    changes: Counter[str],
) -> Landing:
    changed = _changed_days(connection, request)
    requested = {(name, day) for name in request.usernames for day in request.days}
    documents = _documents_of_days(connection, request, {*changed} - requested)
    row = connection.execute("SELECT count(*) FROM incoming WHERE NOT requested").fetchone()
    outside = row[0] if row else 0
    set_aside = _count_set_aside(connection)
    counts = {key: DayCount(documents[key], changed[key]) for key in sorted({*requested, *changed})}
    return Landing(
        days={key: count for key, count in counts.items() if key in requested},
        elsewhere={key: count for key, count in counts.items() if key not in requested},
        inserted=changes["inserted"],
        # Under another day the content is another, as far as days are concerned.
        updated=changes["updated"] + changes["moved"],
        deleted=changes["deleted"],
        # Moved ones are counted as updated already.
        outside=outside - changes["moved"],
        unknown_fields=sorted(scan.unknown),
        odd_values=dict(sorted(scan.odd.items())),
        set_aside=set_aside,
        lost=_find_losses(connection, request, documents, set_aside),
        redated=unrecorded(connection),
    )


def _count_set_aside(
    connection: duckdb.DuckDBPyConnection,
) -> Counter[tuple[str, date | None]]:
    rows = connection.execute(
        "SELECT username, day, count(*) FROM set_aside GROUP BY username, day"
    ).fetchall()
    return Counter({(username, day): many for username, day, many in rows})


def _find_losses(
    connection: duckdb.DuckDBPyConnection,
    request: LandingRequest,
    documents: Counter[tuple[str, date]],
    set_aside: Counter[tuple[str, date | None]],
) -> dict[tuple[str, date], int]:
    new_day, old_day = _days_of_changes(request)
    rows = connection.execute(
        "SELECT username, day, sum(gone)::INTEGER, sum(added)::INTEGER FROM ("
        f"SELECT username, {old_day} AS day, 1 AS gone, 0 AS added FROM changes "
        "WHERE change = 'deleted' UNION ALL "
        f"SELECT username, {new_day}, 0, 1 FROM changes WHERE change = 'inserted') "
        "GROUP BY username, day",
        _day_of_changes(request),
    ).fetchall()
    now, before = Counter[str](), Counter[str]()
    for (username, _), many in (*documents.items(), *set_aside.items()):
        now[username] += many
        before[username] += many
    for username, _, gone, added in rows:
        before[username] += gone - added
    return {
        (username, day): documents[username, day] + gone - added
        for username, day, gone, added in rows
        if gone > added and 2 * now[username] < before[username]
    }


def _days_of_changes(request: LandingRequest) -> tuple[str, str]:
    """Return the SQL of the day of a document now and before."""
    if request.document_type.partitioned:
        return "new_day", "old_day"
    return "$last::DATE", "$last::DATE"


def _day_of_changes(request: LandingRequest) -> dict[str, date] | None:
    return None if request.document_type.partitioned else {"last": request.last_day}


def _changed_days(
    connection: duckdb.DuckDBPyConnection, request: LandingRequest
) -> Counter[tuple[str, date]]:
    """Return how many documents changed, by username and day; a move changes both days."""
    new_day, old_day = _days_of_changes(request)
    # An update to another requested day changes both days; so both are pushed again.
    moved_within = f"OR (change = 'updated' AND {old_day} <> {new_day})"
    rows = connection.execute(
        f"SELECT username, day, count(*) FROM (SELECT username, {new_day} AS day FROM changes "
        f"WHERE change IN ('inserted', 'updated', 'moved') UNION ALL SELECT username, {old_day} "
        f"FROM changes WHERE change IN ('deleted', 'moved') {moved_within}) GROUP BY username, day",
        _day_of_changes(request),
    ).fetchall()
    return Counter({(username, day): many for username, day, many in rows})


def _documents_of_days(
    connection: duckdb.DuckDBPyConnection,
    request: LandingRequest,
    elsewhere: Collection[tuple[str, date]],
) -> Counter[tuple[str, date]]:
    """Return how many documents the requested days, and those other days, have now."""
    table = table_name(request.document_type)
    if not request.document_type.partitioned:
        rows = connection.execute(
            f"SELECT username, $1::DATE, count(*) FROM {table} "
            "WHERE username IN (FROM people) GROUP BY username",
            [request.last_day],
        ).fetchall()
    else:
        rows = connection.execute(
            f"SELECT username, day, count(*) FROM {table} "
            # A range, not a list of days: DuckDB skips row groups by it.
            "WHERE username IN (FROM people) AND (day BETWEEN $first AND $last OR (username, day) "
            "IN (SELECT (unnest($names::VARCHAR[]), unnest($days::DATE[])))) "
            "GROUP BY username, day",
            {
                "first": request.first_day,
                "last": request.last_day,
                "names": [username for username, _ in elsewhere],
                "days": [day for _, day in elsewhere],
            },
        ).fetchall()
    return Counter({(username, day): many for username, day, many in rows})
