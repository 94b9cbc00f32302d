"""Documents for the tests of flattening, and their points with readable times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.parts import Part, StoredDocument
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.warehouse.parts import parts, same_document
from oura_pipeline.warehouse.tables import ensure_table, json_schema, table_name, typed_fields

Document = dict[str, Any]
Days = dict[str, dict[str, list[tuple[str, float]]]]


def flattened(
    document_type: DocumentType,
    *documents: tuple[str, Document],
    days: tuple[str, str] | None = None,
) -> list[DayPoints]:
    """Return the points of documents, each with its day; of all days unless two are named."""
    first, last = days or (min(day for day, _ in documents), max(day for day, _ in documents))
    return flatten(
        document_type,
        "ada",
        stored(document_type, documents),
        first_day=date.fromisoformat(first),
        last_day=date.fromisoformat(last),
    )


def stored(
    document_type: DocumentType, documents: Iterable[tuple[str, Document]]
) -> list[StoredDocument]:
    """Return documents as the warehouse has them, in the same order."""
    raws = [(date.fromisoformat(day), json.dumps(one)) for day, one in documents]
    if not document_type.variants:
        return [StoredDocument(day, raw.encode()) for day, raw in raws]
    with duckdb.connect() as connection:
        ensure_table(connection, document_type)
        table, schema = table_name(document_type), json_schema(document_type)
        names = [field.name for field in typed_fields(document_type)]
        typed = ", ".join(f"one.{name}" for name in names)
        for number, (day, raw) in enumerate(raws):
            connection.execute(
                f"INSERT INTO {table} (username, day, {', '.join(names)}, run_id) "
                f"SELECT 'ada', $1, {typed}, $2 FROM (SELECT from_json($3, '{schema}') AS one)",
                [day, str(number), raw],
            )
        found = dict(
            connection.execute(
                f"SELECT CAST(d.run_id AS INTEGER), p.part FROM {table} d "
                f"JOIN ({parts(document_type)}) p ON {same_document('p', 'd')}"
            ).fetchall()
        )
    return [
        StoredDocument(day, raw.encode(), found.get(number) and Part(found[number]))
        for number, (day, raw) in enumerate(raws)
    ]


def readable(days: list[DayPoints]) -> Days:
    """Return points by day and metric without `bio.ada.`, with times like `05-01 04:00:30`."""
    return {
        str(day.day): {
            metric.removeprefix("bio.ada."): [(_text(time), value) for time, value in points]
            for metric, points in day.points.items()
        }
        for day in days
    }


def skipped(days: list[DayPoints]) -> dict[str, int]:
    """Return what could not become a point, over all days."""
    return dict(sorted(sum((Counter(day.skipped) for day in days), Counter()).items()))


def sent(
    document_type: DocumentType,
    *documents: tuple[str, Document],
    days: tuple[str, str] | None = None,
) -> Days:
    """Return the readable points of documents of which everything can be sent."""
    points = flattened(document_type, *documents, days=days)
    assert skipped(points) == {}
    return readable(points)


def series(timestamp: str, interval: float, items: Sequence[object]) -> Document:
    """Return a series as Oura writes it."""
    return {"interval": interval, "items": items, "timestamp": timestamp}


def sleep(
    kind: str | None, length: int | None, start: str, document_id: str = "a", **more: object
) -> Document:
    """Return a sleep of a kind and length (s)."""
    return {"id": document_id, "type": kind, "time_in_bed": length, "bedtime_start": start, **more}


def _text(time: int) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else "")
