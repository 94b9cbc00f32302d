"""Spooled documents become rows, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import duckdb

from oura_pipeline.warehouse.changes import UNCHANGED, Changes, count_changes
from oura_pipeline.warehouse.connection import transaction
from oura_pipeline.warehouse.drift.scan import DriftScan, find_odd_documents
from oura_pipeline.warehouse.drift.unknown_fields import record_paths
from oura_pipeline.warehouse.filling import (
    BROUGHT,
    is_completed,
    keep_what_was_brought,
    note_brought,
)
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.odd_values import replace_odd_values, stage_odd_values
from oura_pipeline.warehouse.offsets import teaches
from oura_pipeline.warehouse.quarantine import (
    has_quarantined,
    keep_earlier_versions,
    update_quarantine,
)
from oura_pipeline.warehouse.redating import (
    DayCount,
    keep_margin,
    learn,
    unrecorded,
)
from oura_pipeline.warehouse.spool import Spool
from oura_pipeline.warehouse.staging import (
    LandingRequest,
    stage,
    tell_reformatted_from_updated,
)
from oura_pipeline.warehouse.tables import (
    ensure_table,
    has_ledger,
    json_schema,
    quoted,
    table_name,
    typed_fields,
)

# The kinds of changes by which rows come into the table, and by which they leave it.
COMING, GOING = ("inserted", "updated", "moved"), ("deleted", "updated", "moved")


@dataclass(frozen=True, kw_only=True)
class Landing:
    """The result of a landing.

    Attributes:
        days: every requested (username, day), also those without documents. For a type without
            days everything counts on the last requested day.
        elsewhere: days that were not requested, but lost a document to a requested day or got one.
        arrived: how many documents were not there before, by username and day.
        gone: how many documents Oura no longer has, by username and day.
        updated: documents with another content than before, or that belong to another day now.
        unknown_fields: paths that the table of document types does not have.
        odd_values: path → number of values of the wrong kind; the column holds null, the JSON the
            value.
        set_aside: documents that cannot be landed and are in `oura.quarantine`, by username and
            day, which may be unknown.
        redated: names of the types that have days whose rows changed because offsets were learned.
    """

    days: dict[tuple[str, date], DayCount]
    elsewhere: dict[tuple[str, date], DayCount] = field(default_factory=dict)
    arrived: Counter[tuple[str, date]] = field(default_factory=Counter)
    gone: Counter[tuple[str, date]] = field(default_factory=Counter)
    updated: int = 0
    unknown_fields: list[str] = field(default_factory=list)
    odd_values: dict[str, int] = field(default_factory=dict)
    set_aside: Counter[tuple[str, date | None]] = field(default_factory=Counter)
    redated: tuple[str, ...] = ()

    def __add__(self, later: Landing) -> Landing:
        """Return both as one; they are of different people, or of different days."""
        counts = self._counts
        for key, count in later._counts.items():
            earlier = counts[key].changed if key in counts else 0
            counts[key] = DayCount(count.documents, earlier + count.changed)
        requested = self.days.keys() | later.days.keys()
        return Landing(
            days={key: count for key, count in counts.items() if key in requested},
            elsewhere={key: count for key, count in counts.items() if key not in requested},
            arrived=self.arrived + later.arrived,
            gone=self.gone + later.gone,
            updated=self.updated + later.updated,
            unknown_fields=sorted({*self.unknown_fields, *later.unknown_fields}),
            odd_values=dict(sorted((Counter(self.odd_values) + Counter(later.odd_values)).items())),
            # What lies beside the days of one piece is set aside with those of the next as well.
            set_aside=self.set_aside | later.set_aside,
            redated=tuple(sorted({*self.redated, *later.redated})),
        )

    @cached_property
    def lost(self) -> dict[tuple[str, date], int]:
        """Of how many documents some are gone, by username and day.

        Only of people whose answer had fewer than half of what was there.
        """
        counts, now = self._counts, Counter[str]()
        documents = Counter({key: count.documents for key, count in counts.items()})
        for (username, _), many in (*documents.items(), *self.set_aside.items()):
            now[username] += many
        before = now.copy()
        for (username, _), many in self.gone.items():
            before[username] += many
        for (username, _), many in self.arrived.items():
            before[username] -= many
        return {
            key: documents[key] + gone - self.arrived[key]
            for key, gone in self.gone.items()
            if gone > self.arrived[key] and 2 * now[key[0]] < before[key[0]]
        }

    @property
    def _counts(self) -> dict[tuple[str, date], DayCount]:
        return self.days | self.elsewhere

    @property
    def inserted(self) -> int:
        """The number of documents that were not there before."""
        return self.arrived.total()

    @property
    def deleted(self) -> int:
        """The number of documents that Oura no longer has."""
        return self.gone.total()

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
    if not has_ledger(connection, BROUGHT):
        ensure_ledgers(connection)
    # Staging stays outside of the transaction: nobody else writes while we hold the lock, and only
    # outside of it are staged rows numbered from 0 in order of arrival.
    aside = stage(connection, request, spool)
    scan = find_odd_documents(
        connection,
        "(SELECT i.rowid AS row_id, i.document FROM incoming i "
        "JOIN changes c ON c.incoming = i.rowid)",
        request.document_type,
        regular=spool.regular and not (request.fills and is_completed(connection)),
    )
    # Outside of the transaction as well: a path was seen, whether or not its documents land.
    record_paths(connection, request.document_type, scan.paths, request.fetched_at)
    odd = aside or has_quarantined(connection, request.document_type)
    if odd:
        keep_earlier_versions(connection, request.document_type)
    strange = stage_odd_values(connection, request.document_type, found=scan.found)
    changes, brought = _changes(connection, request)
    dated = request.document_type.dated_by_offset
    # Most documents that are fetched again are unchanged: nothing to write. A type without days
    # still moves to the newest day.
    writes = odd or strange or dated or request.fills
    if writes or changes.kinds.keys() - {*UNCHANGED} or not request.document_type.partitioned:
        with transaction(connection):
            _write(connection, request, changes, retyped=scan.found)
            if odd:
                update_quarantine(connection, request)
            if strange:
                replace_odd_values(connection, request)
            if dated:
                keep_margin(connection, request)
            if brought or request.fills:
                note_brought(connection, request.document_type, "FROM people")
            if teaches(request.document_type):
                learn(connection, request.document_type)
    return _result(connection, request, scan, changes, aside=aside)


def _changes(
    connection: duckdb.DuckDBPyConnection, request: LandingRequest
) -> tuple[Changes, bool]:
    """Return what changes, and whether any of it is what an export brought."""
    only_day = None if request.document_type.partitioned else request.last_day
    changes = count_changes(connection, only_day)
    if changes.kinds["reformatted"]:
        tell_reformatted_from_updated(connection)
        changes = count_changes(connection, only_day)
    brought = changes.brought
    if brought and not request.fills:
        keep_what_was_brought(connection, request.document_type)
        changes = count_changes(connection, only_day)
    return changes, brought


def _write(
    connection: duckdb.DuckDBPyConnection,
    request: LandingRequest,
    changes: Changes,
    *,
    retyped: bool,
) -> None:
    """Write what changes; `retyped`: of some documents the cleaned text is in `odd_documents`."""
    table = table_name(request.document_type)
    if changes.kinds.keys() & {*GOING}:
        connection.execute(
            f"DELETE FROM {table} WHERE rowid IN "
            f"(SELECT existing FROM changes WHERE change IN {GOING})"
        )
    if changes.kinds.keys() & {*COMING}:
        _insert(connection, request, retyped=retyped)
    if not request.document_type.partitioned:
        connection.execute(
            # `day` says when the state was last confirmed, so it moves though the document stays.
            f"UPDATE {table} SET day = c.new_day FROM changes c "
            f"WHERE {table}.rowid = c.existing AND c.change IN {UNCHANGED} "
            f"AND {table}.day <> c.new_day"
        )


def _insert(
    connection: duckdb.DuckDBPyConnection, request: LandingRequest, *, retyped: bool
) -> None:
    document_type = request.document_type
    names = [quoted(field.name) for field in typed_fields(document_type)]
    schema = json_schema(document_type)
    marks, joined, typed = "$fetched_at AS fetched_at, $run_id AS run_id", "", ""
    if retyped:
        # The few odd documents are typed anew from their cleaned text, the others only once.
        joined = "LEFT JOIN odd_documents o ON o.row_id = i.rowid "
        typed = f"WHEN o.row_id IS NOT NULL THEN from_json(o.cleaned, '{schema}') "
    if request.fills:
        # Where two exports make a document, it has the marks of the newer one.
        marks = (
            "coalesce(c.fetched_at, $fetched_at) AS fetched_at, coalesce(c.run_id, $run_id) "
            "AS run_id"
        )
        joined += "LEFT JOIN completed c ON c.row_id = i.rowid "
        typed += f"WHEN c.row_id IS NOT NULL THEN from_json(i.document, '{schema}') "
    typed = f"CASE {typed}ELSE i.typed END" if typed else "i.typed"
    connection.execute(
        f"INSERT INTO {table_name(document_type)} "
        f"(username, day, {', '.join(names)}, document, fetched_at, run_id) "
        f"SELECT username, day, {', '.join(f'typed.{name}' for name in names)}, document, "
        f"fetched_at, run_id FROM (SELECT i.username, i.day, i.document, {marks}, "
        f"{typed} AS typed FROM incoming i {joined}WHERE i.rowid IN "
        f"(SELECT incoming FROM changes WHERE change IN {COMING}))",
        {"fetched_at": request.fetched_at, "run_id": request.run_id},
    )


def _result(
    connection: duckdb.DuckDBPyConnection,
    request: LandingRequest,
    scan: DriftScan,
    changes: Changes,
    *,
    aside: bool,
) -> Landing:
    changed = changes.days
    requested = {(name, day) for name in request.usernames for day in request.days}
    documents = _documents_of_days(connection, request, {*changed} - requested)
    counts = {key: DayCount(documents[key], changed[key]) for key in sorted({*requested, *changed})}
    return Landing(
        days={key: count for key, count in counts.items() if key in requested},
        elsewhere={key: count for key, count in counts.items() if key not in requested},
        arrived=changes.arrived,
        gone=changes.gone,
        # Under another day the content is another, as far as days are concerned.
        updated=changes.kinds["updated"] + changes.kinds["moved"],
        unknown_fields=sorted(scan.unknown),
        odd_values=dict(sorted(scan.odd.items())),
        set_aside=_count_set_aside(connection) if aside else Counter(),
        redated=unrecorded(connection),
    )


def _count_set_aside(
    connection: duckdb.DuckDBPyConnection,
) -> Counter[tuple[str, date | None]]:
    rows = connection.execute(
        "SELECT username, day, count(*) FROM set_aside GROUP BY username, day"
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
        # A range, not a list of days: DuckDB skips row groups by it.
        chosen = "day BETWEEN $first AND $last"
        parameters: dict[str, object] = {"first": request.first_day, "last": request.last_day}
        if elsewhere:
            chosen += (
                " OR (username, day) IN (SELECT (unnest($names::VARCHAR[]), unnest($days::DATE[])))"
            )
            parameters["names"] = [username for username, _ in elsewhere]
            parameters["days"] = [day for _, day in elsewhere]
        rows = connection.execute(
            f"SELECT username, day, count(*) FROM {table} "
            f"WHERE username IN (FROM people) AND ({chosen}) GROUP BY username, day",
            parameters,
        ).fetchall()
    return Counter({(username, day): many for username, day, many in rows})
