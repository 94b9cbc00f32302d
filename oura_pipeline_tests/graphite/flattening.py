"""Words for the tests of flattening: documents in, points out, times written as texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.graphite.flatten import Flattened, flatten

Document = dict[str, Any]
Days = dict[str, dict[str, list[tuple[str, float]]]]


def flattened(
    document_type: DocumentType,
    *documents: tuple[str, Document],
    days: tuple[str, str] | None = None,
) -> Flattened:
    """What comes of documents, each with its day; of all days unless some are named."""
    first, last = days or (min(day for day, _ in documents), max(day for day, _ in documents))
    return flatten(
        document_type,
        "ada",
        [(date.fromisoformat(day), json.dumps(one).encode()) for day, one in documents],
        first_day=date.fromisoformat(first),
        last_day=date.fromisoformat(last),
    )


def readable(result: Flattened) -> Days:
    """Points by day and metric without `bio.ada.`, with times like `05-01 04:00:30`."""
    return {
        str(day.day): {
            metric.removeprefix("bio.ada."): [(_text(time), value) for time, value in points]
            for metric, points in day.points.items()
        }
        for day in result.days
    }


def sent(
    document_type: DocumentType,
    *documents: tuple[str, Document],
    days: tuple[str, str] | None = None,
) -> Days:
    """The readable points of documents of which everything can be sent."""
    result = flattened(document_type, *documents, days=days)
    assert result.reports == {}
    return readable(result)


def series(timestamp: str, interval: float, items: Sequence[object]) -> Document:
    """A series as Oura writes it."""
    return {"interval": interval, "items": items, "timestamp": timestamp}


def sleep(
    kind: str | None, length: int | None, start: str, document_id: str = "a", **more: object
) -> Document:
    """A sleep of a kind and length (s)."""
    return {"id": document_id, "type": kind, "time_in_bed": length, "bedtime_start": start, **more}


def _text(time: int) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else "")
