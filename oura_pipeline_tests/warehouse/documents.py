"""RawDocument-up documents, and one call that spools and lands them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.warehouse import Warehouse

FIRST = date(2026, 1, 1)
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


class RawDocument(NamedTuple):
    """A document with its day and JSON, as the client of Oura gives it."""

    day: date
    raw: bytes


def january(day: int) -> date:
    return date(2026, 1, day)


def raw_document(day: date, /, **fields: Any) -> RawDocument:
    return RawDocument(day, json.dumps(fields).encode())


def night(day: date, /, **fields: Any) -> RawDocument:
    """A sleep document."""
    defaults = {
        "id": f"night-{day}",
        "day": day.isoformat(),
        "bedtime_start": f"{day - timedelta(days=1)}T23:00:00+01:00",
        "type": "long_sleep",
        "time_in_bed": 28800,
    }
    return raw_document(day, **defaults | fields)


def score(day: date, value: int | None = 80, /, **fields: Any) -> RawDocument:
    """A daily_sleep document."""
    return raw_document(day, id=f"score-{day}", day=day.isoformat(), score=value, **fields)


def beat(day: date, time: str, bpm: int = 60, source: str = "awake") -> RawDocument:
    """A heart-rate row; its instant is of the UTC date of `day` plus `time`."""
    return raw_document(day, timestamp=f"{day}T{time}+00:00", bpm=bpm, source=source)


class Odd(NamedTuple):
    """A document that the client of Oura found unusable."""

    day: date | None
    id: str | None
    raw: bytes = b'{"bedtime_start":null}'
    reason: str = "bedtime_start: expected `datetime`, got `null`"


def land(
    warehouse: Warehouse,
    document_type: DocumentType,
    asked: Mapping[str, Iterable[RawDocument]],
    *,
    outside: Mapping[str, Iterable[RawDocument]] | None = None,
    unusable: Mapping[str, Iterable[Odd]] | None = None,
    unanswered: Iterable[tuple[str, date]] = (),
    days: tuple[int, int] = (1, 3),
    at: datetime = NOON,
    run_id: str = "run-1",
) -> Landing:
    """Land these people's documents of those days of January."""
    with warehouse.spool(document_type) as spool:
        for username, documents in asked.items():
            spool.add(username, documents, True)
        for username, documents in (outside or {}).items():
            spool.add(username, documents, False)
        for username, odd in (unusable or {}).items():
            spool.set_aside(username, odd)
        return warehouse.land(
            document_type,
            spool,
            usernames=list(asked),
            first_day=january(days[0]),
            last_day=january(days[1]),
            fetched_at=at,
            run_id=run_id,
            unanswered=list(unanswered),
        )


def all_documents(warehouse: Warehouse, document_type: DocumentType) -> list[tuple[str, date, Any]]:
    """Everything of a type, as (username, day, decoded document)."""
    found = warehouse.documents_of(document_type, warehouse.usernames(), date.min, date.max)
    return [
        (username, stored.day, json.loads(stored.raw))
        for username, documents in found.items()
        for stored in documents
    ]
