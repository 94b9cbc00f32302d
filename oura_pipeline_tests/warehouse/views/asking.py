"""Land literal documents, ask the views, and get rows that can be written down.

What surprises: questions are asked in a session whose zone is nobody's, so that a view which leans
on it gives itself away. Instants come back as `2026-03-28T22:41:10Z`, local times without a zone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.tables import ensure_table
from oura_pipeline.warehouse.views.catalogue import ensure_views
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.making import NOON, Made

Document = dict[str, Any]
Row = tuple[Any, ...]

SESSION_ZONE = "Pacific/Marquesas"  # nine and a half hours behind UTC


class Desk:
    """Where documents are put and questions are asked: a warehouse that has the views."""

    def __init__(self, path: Path) -> None:
        self.warehouse = Warehouse(path, patience=20)

    def land(
        self, document_type: DocumentType, documents: Iterable[Document], username: str = "ada"
    ) -> None:
        """Land what a person has of a type, on whatever days."""
        made = [Made(_day(document_type, one), json.dumps(one).encode()) for one in documents]
        with self.warehouse.spool(document_type) as spool:
            spool.add(username, made, True)
            self.warehouse.land(
                document_type,
                spool,
                usernames=[username],
                first_day=min((one.day for one in made), default=date(2026, 1, 1)),
                last_day=max((one.day for one in made), default=date(2026, 1, 1)),
                fetched_at=NOON,
                run_id="run-1",
            )

    def fill(self, ledger: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put rows into a ledger."""
        with self.opened() as connection:
            for row in rows:
                marks = ", ".join("?" for _ in row)
                connection.execute(
                    f"INSERT INTO oura.{ledger} ({', '.join(row)}) VALUES ({marks})",
                    list(row.values()),
                )

    def ask(self, sql: str) -> list[Row]:
        """The rows of a question, as they are written down in tests."""
        with self.opened() as connection:
            return [tuple(map(written, row)) for row in connection.execute(sql).fetchall()]

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse, in a session whose zone is nobody's."""
        with duckdb.connect(str(self.warehouse.path)) as connection:
            connection.execute(f"SET TimeZone = '{SESSION_ZONE}'")
            yield connection


def make_empty(path: Path) -> None:
    """A warehouse with every table, ledger and view, and nothing in them."""
    with duckdb.connect(str(path)) as connection:
        for document_type in DOCUMENT_TYPES:
            ensure_table(connection, document_type)
        ensure_ledgers(connection)
        ensure_views(connection)
        ensure_views(connection)


def written(value: Any) -> Any:
    """A value as tests write it: instants with Z, local times without, days."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else value


def _day(document_type: DocumentType, document: Document) -> date:
    if document_type.day_field:
        return date.fromisoformat(document[document_type.day_field])
    return datetime.fromisoformat(document["timestamp"]).date()
