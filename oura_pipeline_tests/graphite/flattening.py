"""Documents for the tests of flattening, and their points with readable times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.points import DayPoints

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
        [(date.fromisoformat(day), json.dumps(one).encode()) for day, one in documents],
        first_day=date.fromisoformat(first),
        last_day=date.fromisoformat(last),
    )


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
