"""Made-up documents, and one call that spools and lands them."""

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


class Made(NamedTuple):
    """A document with its day and JSON, as the client of Oura gives it."""

    day: date
    raw: bytes


def january(day: int) -> date:
    return date(2026, 1, day)


def made(day: date, /, **fields: Any) -> Made:
    return Made(day, json.dumps(fields).encode())


def night(day: date, /, **fields: Any) -> Made:
    """A sleep document."""
    defaults = {
        "id": f"night-{day}",
        "day": day.isoformat(),
        "bedtime_start": f"{day - timedelta(days=1)}T23:00:00+01:00",
        "type": "long_sleep",
        "time_in_bed": 28800,
    }
    return made(day, **defaults | fields)


def score(day: date, value: int | None = 80, /, **fields: Any) -> Made:
    """A daily_sleep document."""
    return made(day, id=f"score-{day}", day=day.isoformat(), score=value, **fields)


def beat(day: date, time: str, bpm: int = 60, source: str = "awake") -> Made:
    """A heart-rate row; its instant is of the UTC date of `day` plus `time`."""
    return made(day, timestamp=f"{day}T{time}+00:00", bpm=bpm, source=source)


def landed(
    warehouse: Warehouse,
    document_type: DocumentType,
    asked: Mapping[str, Iterable[Made]],
    *,
    outside: Mapping[str, Iterable[Made]] | None = None,
    days: tuple[int, int] = (1, 3),
    at: datetime = NOON,
    run_id: str = "run-1",
) -> Landing:
    """Land what these people have on those days of January."""
    with warehouse.spool(document_type) as spool:
        for username, documents in asked.items():
            spool.add(username, documents, True)
        for username, documents in (outside or {}).items():
            spool.add(username, documents, False)
        return warehouse.land(
            document_type,
            spool,
            usernames=list(asked),
            first_day=january(days[0]),
            last_day=january(days[1]),
            fetched_at=at,
            run_id=run_id,
        )


def standing(warehouse: Warehouse, document_type: DocumentType) -> list[tuple[str, date, Any]]:
    """Everything that stands, as (username, day, decoded document)."""
    return [
        (username, day, json.loads(raw))
        for username, day, raw in warehouse.all_documents(document_type)
    ]
