"""The warehouse: every document of every person, typed and as received, in one DuckDB file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.parts import Part, StoredDay, StoredDocument
from oura_pipeline.files import copy_file
from oura_pipeline.warehouse import forgetting, publishing
from oura_pipeline.warehouse.connection import ExclusiveFile, every_core, transaction
from oura_pipeline.warehouse.copying import ensure_tables
from oura_pipeline.warehouse.describing import describe
from oura_pipeline.warehouse.exporting import copy_to_parquet
from oura_pipeline.warehouse.landing import Landing, land
from oura_pipeline.warehouse.ledgers import Ledgers, ensure_ledgers
from oura_pipeline.warehouse.odd_values import find_odd_values
from oura_pipeline.warehouse.offsets import OFFSETS
from oura_pipeline.warehouse.parts import parts, same_document
from oura_pipeline.warehouse.publishing import Published
from oura_pipeline.warehouse.quarantine import Oddity, QuarantinedDocument, find_quarantined
from oura_pipeline.warehouse.reading import (
    DayDigest,
    PersonAndDay,
    day_digests,
    stored_days,
)
from oura_pipeline.warehouse.redating import (
    DayCount,
    concerns_offsets,
    forget_redated,
    redated_days,
)
from oura_pipeline.warehouse.spool import SPOOL, Spool, open_spool, remove_abandoned
from oura_pipeline.warehouse.staging import LandingRequest
from oura_pipeline.warehouse.tables import (
    existing_types,
    has_ledger,
    has_table,
    literal,
    quoted,
    table_name,
)

_MANY_BYTES = 32_000_000  # of documents to land, from which on more than one core is worth it
LOCK_TIMEOUT_SECONDS = 900.0  # the longest operation takes a few seconds

Result = TypeVar("Result")


class Warehouse:
    """The DuckDB file at `path`; created when something is first landed or published.

    DuckDB lets one process in, readers included, so the file is not held: each operation waits for
    its turn, opens the file, does one short thing and closes it, or within `kept_open` leaves it
    open until somebody waits. Readers use the copy that `publish` makes.

    Every method may raise `WarehouseBusy` (others held it for longer than `timeout` seconds) and
    `WarehouseUnreadable`.
    """

    def __init__(self, path: Path, *, timeout: float = LOCK_TIMEOUT_SECONDS) -> None:
        self.path = path
        self._file = ExclusiveFile(path, timeout=timeout)
        self._spools = path.parent / SPOOL

    def kept_open(self) -> AbstractContextManager[None]:
        """Keep the file open between the operations of the block, unless somebody waits for it."""
        return self._file.kept_open()

    def exists(self) -> bool:
        """Return whether anything was ever written."""
        return self.path.exists()

    def changed_at(self) -> float | None:
        """Return when something was last written, in seconds since 1970; None: nothing ever was."""
        with suppress(FileNotFoundError):
            return self.path.stat().st_mtime
        return None

    def is_published(self, copy: Path) -> bool:
        """Return whether a published copy is what another `publish` would make now."""
        return publishing.is_current(self.path, copy)

    @contextmanager
    def at_once(self) -> Iterator[Warehouse]:
        """Open the warehouse once for all reads of the block, which see it as it is now.

        Nobody can land or publish meanwhile.
        """
        with self._reading() as connection:
            yield _Opened(connection)

    def spool(self, document_type: DocumentType) -> AbstractContextManager[Spool]:
        """Open a spool for the fetched documents of a type; it is deleted with the block."""
        return open_spool(self._spools, document_type.table)

    def land(
        self,
        document_type: DocumentType,
        spool: Spool,
        *,
        usernames: Collection[str],
        first_day: date,
        last_day: date,
        fetched_at: datetime,
        run_id: str,
        unanswered: Collection[tuple[str, date]] = (),
        piece: bool = False,
        fills: bool = False,
    ) -> Landing:
        """Replace the documents of people and days by the spooled ones, in one transaction.

        A type without days is replaced as a whole. People without a spooled document lose those
        they had on these days; people whose answer was discarded, and spooled people who are not in
        `usernames`, keep theirs, and so do the (username, day) in `unanswered`. With `piece` the
        days are a piece of those that are spooled, for types whose documents follow from instants.
        With `fills` the documents are those of a member's own export: they fill the days of which
        the API gave nothing, and nobody loses anything.
        """
        # Half an answer would delete what the other half holds.
        people = tuple(sorted(set(usernames) - spool.discarded))
        if not people:
            return Landing(days={})
        request = LandingRequest(
            document_type=document_type,
            usernames=people,
            first_day=first_day,
            last_day=last_day,
            fetched_at=fetched_at,
            run_id=run_id,
            unanswered=tuple(unanswered),
            piece=piece,
            fills=fills,
        )
        is_large = spool.bytes_of(people) > _MANY_BYTES

        def landed(connection: duckdb.DuckDBPyConnection) -> Landing:
            with every_core(connection) if is_large else nullcontext():
                return land(connection, request, spool)

        return self._write(landed, _lock(document_type))

    @contextmanager
    def redated(self, document_type: DocumentType) -> Iterator[Mapping[tuple[str, date], DayCount]]:
        """Yield the days that lost or got rows because offsets were learned: username, day.

        They are forgotten with the end of the block, unless it raises; the documents of the type
        must not be landed meanwhile.
        """
        lock = _lock(document_type)
        days = self._write(lambda connection: redated_days(connection, document_type), lock)
        yield days
        self._write(lambda connection: forget_redated(connection, document_type, days), lock)

    def documents(
        self, document_type: DocumentType, username: str, first_day: date, last_day: date
    ) -> list[tuple[date, bytes]]:
        """Return one person's documents of these days as (day, JSON), by day and then key."""
        found = self.documents_of(document_type, [username], first_day, last_day)[username]
        return [(stored.day, stored.raw) for stored in found]

    def documents_of(
        self,
        document_type: DocumentType,
        usernames: Collection[str],
        first_day: date,
        last_day: date,
    ) -> dict[str, list[StoredDocument]]:
        """Return several people's documents by username, each person's by day and then key.

        Every username given is in it, also without documents. All of them are in memory at once,
        and the warehouse is opened once.
        """
        found: dict[str, list[StoredDocument]] = {username: [] for username in usernames}
        for username, stored in self._select_documents(document_type, found, first_day, last_day):
            found[username].append(stored)
        return found

    def stored_days(
        self, document_type: DocumentType, days: Collection[PersonAndDay]
    ) -> dict[PersonAndDay, StoredDay]:
        """Return the documents of chosen days; days without documents are absent.

        All of them are in memory at once.
        """
        with self._reading(document_type) as connection:
            return stored_days(connection, document_type, days) if connection else {}

    def day_digests(
        self, document_type: DocumentType, days: Collection[PersonAndDay]
    ) -> dict[PersonAndDay, DayDigest]:
        """Return what tells whether chosen days changed; days without documents are absent.

        A digest is of no use to another version of DuckDB.
        """
        with self._reading(document_type) as connection:
            return day_digests(connection, document_type, days) if connection else {}

    def days_of(
        self, document_type: DocumentType, *, usernames: Collection[str], ids: Collection[str]
    ) -> dict[tuple[str, str], set[date]]:
        """Return the days of the documents with these ids: (username, id) → days.

        Ids that are not there are absent; a type whose documents have no id has none.
        """
        with self._reading(document_type) as connection:
            # Webhooks name documents by id; rows of heartrate and battery have none.
            if connection is None or "id" not in {field.name for field in document_type.fields}:
                return {}
            rows = connection.execute(
                f"SELECT username, id, day FROM {table_name(document_type)} "
                "WHERE username IN (SELECT unnest($1::VARCHAR[])) "
                "AND id IN (SELECT unnest($2::VARCHAR[]))",
                [list(usernames), list(ids)],
            ).fetchall()
        found: dict[tuple[str, str], set[date]] = {}
        for username, identifier, day in rows:
            found.setdefault((username, identifier), set()).add(day)
        return found

    def quarantined(
        self, usernames: Collection[str] | None = None, document_type: DocumentType | None = None
    ) -> list[QuarantinedDocument]:
        """Return the documents that could not be landed, of some people or of everybody."""
        with self._reading() as connection:
            if connection is None:
                return []
            name = document_type.name if document_type else None
            return find_quarantined(connection, usernames, name)

    def offsets(self, username: str) -> list[tuple[datetime, int]]:
        """Return since when a person's clock was how many seconds ahead of UTC, in order."""
        with self._reading() as connection:
            if connection is None or not has_ledger(connection, OFFSETS):
                return []
            return connection.execute(
                f"SELECT since, utc_offset_seconds FROM {OFFSETS.full_name} "
                "WHERE username = ? ORDER BY since ASC",
                [username],
            ).fetchall()

    def odd_values(
        self, usernames: Collection[str] | None = None, document_type: DocumentType | None = None
    ) -> list[Oddity]:
        """Return the values that no column can hold and the words that nobody knows."""
        with self._reading() as connection:
            if connection is None:
                return []
            name = document_type.name if document_type else None
            return find_odd_values(connection, usernames, name)

    def usernames(self) -> list[str]:
        """Return everybody who has a document of any type."""
        # From the documents rather than the accounts: whoever left must not be overlooked.
        rows = self._for_every_table("SELECT DISTINCT username FROM {table}")
        return sorted({username for _, (username,) in rows})

    def row_counts(self) -> dict[str, int]:
        """Return the number of rows of every document type that has a table, by its name."""
        return {
            name: many for name, (many,) in self._for_every_table("SELECT count(*) FROM {table}")
        }

    def rows_of(self, username: str) -> dict[str, int]:
        """Return the number of a person's rows by document type; types without any are absent."""
        counted = self._for_every_table(
            "SELECT count(*) FROM {table} WHERE username = ?", [username]
        )
        return {name: many for name, (many,) in counted if many}

    def query(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a read-only SQL query; none as long as there is no file."""
        with self._reading() as connection:
            return [] if connection is None else connection.execute(sql, params).fetchall()

    def remove_abandoned_spools(self) -> int:
        """Delete what crashed runs have spooled; return how many spools that were."""
        return remove_abandoned(self._spools)

    def forget(self, username: str) -> int:
        """Delete everything of a person, and return the number of documents.

        No byte of theirs stays in the file or in what crashed runs have spooled. The published copy
        keeps them until the next `publish`.
        """
        # A crashed run's spool holds documents as well.
        self.remove_abandoned_spools()
        with self._file.locked():
            if not self.path.exists():
                return 0
            with (
                forgetting.replacing_database(self.path) as fresh,
                self._file.connected() as connection,
                every_core(connection),
            ):
                # DuckDB spills rows to disk when memory is short, and a crash leaves them there.
                forgetting.remove_spilled(self.path)
                deleted = forgetting.delete_rows(connection, username)
                forgetting.copy_into(connection, fresh)
        return deleted

    def export(self, username: str, folder: Path) -> dict[str, int]:
        """Write a person's rows as `<table>.parquet` per document type, by day and key.

        All files are of one moment. Return document type → rows; types without rows are absent and
        have no file.
        """
        with self._reading() as connection:
            if connection is None:
                return {}
            with every_core(connection):
                counts = {
                    # On one connection, and so of one moment.
                    document_type.name: copy_to_parquet(connection, document_type, username, folder)
                    for document_type in existing_types(connection)
                }
        return {name: rows for name, rows in counts.items() if rows}

    def publish(self, target: Path, update: Callable[[Ledgers], bool] | None = None) -> Published:
        """Replace `target` by a copy for readers; who has the old one open keeps reading it.

        The copy has a table of every document type, also of those that nobody has yet, and
        `oura.readme`. If nothing has changed since the last time, the copy stays.

        Args:
            target: the copy.
            update: brings the ledgers up to date before, in one transaction; returns whether it
                changed anything.
        """
        began = publishing.now()
        with self._file.locked():
            # Without this check every run would copy the whole file, whether anything changed or
            # not.
            fresh = not publishing.is_current(self.path, target)
            if fresh or update:
                # Opened once for all of it: opening, and closing after a change, take longer than
                # the few rows of a run.
                with self._file.connected() as connection:
                    fresh = updated(connection, update) or fresh
                    if fresh:
                        # Before the copy, which is read-only: its readers cannot create what is
                        # missing.
                        describe(connection, datetime.now(UTC))
            if fresh:
                publishing.swap_in(self.path, target)
        size = target.stat().st_size
        return Published(target, size, publishing.now() - began, fresh)

    @contextmanager
    def copied(self, target: Path) -> Iterator[None]:
        """Copy the file, where there is one, to `target`; nobody writes to it during the block."""
        with self._file.locked():
            if self.path.exists():
                # Opened, to be sure that no other program has it open.
                with self._file.connected() as connection:
                    if publishing.wal(self.path).exists():  # of a process that was killed
                        connection.execute("CHECKPOINT")
                copy_file(self.path, target)
            yield

    def _write(self, operation: Callable[[duckdb.DuckDBPyConnection], Result], lock: str) -> Result:
        """Return what an operation on a connection returns, and hold a lock meanwhile.

        Of operations with the same lock one at a time is done; in a file that is true of all.
        """
        with self._file.opened() as connection:
            return operation(connection)

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Attach everything to a DuckDB under the name that is yielded; nobody writes meanwhile.

        Its tables are brought to this version.
        """
        name = str(self.path)
        with self._file.locked():
            connection.execute(f"ATTACH {literal(name)} AS {quoted(name)}")
            try:
                connection.execute(f"USE {quoted(name)}")
                ensure_tables(connection)
                yield name
            finally:
                connection.execute(f"USE memory; DETACH {quoted(name)}")

    def _select_documents(
        self,
        document_type: DocumentType,
        usernames: Collection[str],
        first_day: date,
        last_day: date,
    ) -> Iterator[tuple[str, StoredDocument]]:
        # The key makes the order total: the same documents are pushed in the same order.
        order = ", ".join(f"d.{quoted(name)}" for name in ("username", "day", *document_type.key))
        theirs = "username IN (SELECT unnest($1::VARCHAR[]))"
        part, joined = "NULL", ""
        if document_type.variants:
            part = "p.part"
            of_days = parts(document_type, theirs, "day BETWEEN $2 AND $3")
            joined = f"LEFT JOIN ({of_days}) p ON {same_document('p', 'd')}"
        with self._reading(document_type) as connection:
            if connection is None:
                return
            rows = connection.execute(
                f"SELECT d.username, d.day, d.document::VARCHAR, {part} "
                f"FROM {table_name(document_type)} d {joined} "
                f"WHERE d.{theirs} AND d.day BETWEEN $2 AND $3 ORDER BY {order}",
                [list(usernames), first_day, last_day],
            ).fetchall()
        for username, day, document, part_of_day in rows:
            known = None if part_of_day is None else Part(part_of_day)
            yield username, StoredDocument(day, document.encode(), known)

    def _for_every_table(
        self, sql: str, params: Sequence[Any] = ()
    ) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the rows of a query to each existing table, with the document type's name."""
        with self._reading() as connection:
            if connection is None:
                return []
            return [
                (document_type.name, row)
                for document_type in existing_types(connection)
                for row in connection.execute(
                    sql.format(table=table_name(document_type)), params
                ).fetchall()
            ]

    @contextmanager
    def _reading(
        self, document_type: DocumentType | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Open a connection to read; None if there is no warehouse, or no table of the type."""
        with self._connected() as connection:
            yield _with_table(connection, document_type)

    def _connected(self) -> AbstractContextManager[duckdb.DuckDBPyConnection | None]:
        return self._file.reading()


class _Opened(Warehouse):
    """A warehouse whose reads share one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection | None) -> None:
        self._connection = connection

    def _connected(self) -> AbstractContextManager[duckdb.DuckDBPyConnection | None]:
        return nullcontext(self._connection)


def _lock(document_type: DocumentType) -> str:
    """Return the name of the lock of a type: of those that follow or teach offsets it is one."""
    # What one of them teaches moves rows of another.
    return "offsets" if concerns_offsets(document_type) else document_type.name


def updated(
    connection: duckdb.DuckDBPyConnection, update: Callable[[Ledgers], bool] | None
) -> bool:
    """Bring the ledgers up to date, and return whether that changed anything."""
    if update is None:
        return False
    ensure_ledgers(connection)
    with transaction(connection):
        return update(Ledgers(connection))


def _with_table(
    connection: duckdb.DuckDBPyConnection | None, document_type: DocumentType | None
) -> duckdb.DuckDBPyConnection | None:
    """Return the connection, or None where the document type has no table."""
    if connection is None or document_type is None or has_table(connection, document_type):
        return connection
    return None
