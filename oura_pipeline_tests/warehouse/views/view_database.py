"""A warehouse with all views, into which tests land documents and from which they query rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.connection import ONE_CORE, SETTINGS, transaction
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import NOON, RawDocument

Document = dict[str, Any]
Row = tuple[Any, ...]

# Nobody in the tests lives here, nine and a half hours behind UTC: a view that depends on the
# session's zone gives wrong times.
SESSION_ZONE = "Pacific/Marquesas"


class ViewDatabase:
    """A warehouse that has every view."""

    def __init__(self, path: Path) -> None:
        self.warehouse = Warehouse(path, timeout=20)

    def land(
        self, document_type: DocumentType, documents: Iterable[Document], username: str = "ada"
    ) -> None:
        """Land a person's documents of a type, of any days."""
        self.land_together(document_type, {username: documents})

    def land_together(
        self, document_type: DocumentType, everybodys: Mapping[str, Iterable[Document]]
    ) -> None:
        """Land several people's documents of a type at once, which costs as much as one's."""
        raws = {
            username: [
                RawDocument(_day(document_type, one), json.dumps(one).encode()) for one in documents
            ]
            for username, documents in everybodys.items()
        }
        days = [one.day for theirs in raws.values() for one in theirs] or [date(2026, 1, 1)]
        with self.warehouse.spool(document_type) as spool:
            for username, theirs in raws.items():
                spool.add(username, theirs, True)
            self.warehouse.land(
                document_type,
                spool,
                usernames=list(raws),
                first_day=min(days),
                last_day=max(days),
                fetched_at=NOON,
                run_id="run-1",
            )

    def fill(self, ledger: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put rows into a ledger."""
        with self.open() as connection, transaction(connection):
            for row in rows:
                marks = ", ".join("?" for _ in row)
                connection.execute(
                    f"INSERT INTO oura.{ledger} ({', '.join(row)}) VALUES ({marks})",
                    list(row.values()),
                )

    def query(self, sql: str) -> list[Row]:
        """Return rows; instants as `2026-03-28T22:41:10Z`, local times without a zone."""
        with self.open() as connection:
            return [tuple(map(as_text, row)) for row in connection.execute(sql).fetchall()]

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse in a session whose zone is that of nobody in the tests."""
        settings = SETTINGS | ONE_CORE  # as the warehouse has it, or both could not be open at once
        with duckdb.connect(str(self.warehouse.path), config=settings) as connection:
            connection.execute(f"SET TimeZone = '{SESSION_ZONE}'")
            yield connection


@contextmanager
def copied(empty: ViewDatabase, folder: Path) -> Iterator[ViewDatabase]:
    """Copy a database into a folder, and keep the copy open until the block ends.

    Whoever opens it meanwhile finds it open; to open and close it costs more than most questions.
    """
    database = ViewDatabase(Path(shutil.copy(empty.warehouse.path, folder)))
    with database.warehouse.kept_open(), database.open():
        yield database


def as_text(value: Any) -> Any:
    """Return dates and times as text: instants with Z, local times without."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else value


def _day(document_type: DocumentType, document: Document) -> date:
    if document_type.day_field:
        return date.fromisoformat(document[document_type.day_field])
    return datetime.fromisoformat(document["timestamp"]).date()
