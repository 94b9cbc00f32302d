"""How fast documents become points: `python benchmarks/flattening.py`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    HEARTRATE,
    SLEEP,
    DocumentType,
)
from oura_pipeline.catalog.parts import Part, StoredDocument
from oura_pipeline.graphite.flatten import flatten

FIRST_DAY = date(2020, 1, 1)
NUMBERS = random.Random(1)


def midnight(day: date) -> datetime:
    """The begin of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def activity(day: date) -> Iterator[dict[str, object]]:
    """One document with a value per minute and a class per 5 minutes."""
    begin = midnight(day).replace(hour=4).isoformat()
    items = [round(NUMBERS.uniform(0.8, 4), 3) for _ in range(1440)]
    yield {
        "id": str(day),
        "day": str(day),
        "timestamp": begin,
        "score": 80,
        "steps": 9000,
        "contributors": {"stay_active": 70, "training_volume": 90},
        "met": {"interval": 60.0, "items": items, "timestamp": begin},
        "class_5_min": "".join(NUMBERS.choices("012345", k=288)),
    }


def night(day: date) -> Iterator[dict[str, object]]:
    """One night with gaps in its heart rate."""
    begin = (midnight(day) - timedelta(hours=1)).isoformat()
    items = [NUMBERS.choice([None, 50.5, 61.25, 70.125]) for _ in range(96)]
    yield {
        "id": str(day),
        "day": str(day),
        "type": "long_sleep",
        "bedtime_start": begin,
        "time_in_bed": 28933,
        "average_breath": 14.5,
        "heart_rate": {"interval": 300.0, "items": items, "timestamp": begin},
        "hrv": {"interval": 300.0, "items": items, "timestamp": begin},
        "sleep_phase_5_min": "".join(NUMBERS.choices("1234", k=97)),
        "sleep_phase_30_sec": "".join(NUMBERS.choices("1234", k=965)),
        "movement_30_sec": "".join(NUMBERS.choices("1234", k=965)),
    }


def beats(day: date) -> Iterator[dict[str, object]]:
    """About 1,100 rows, most of them bursts during a workout."""
    sources = ["workout"] * 850 + ["awake"] * 130 + ["rest"] * 120
    for second, source in zip(sorted(NUMBERS.sample(range(86400), 1100)), sources, strict=True):
        at = midnight(day) + timedelta(seconds=second)
        yield {
            "timestamp": at.isoformat(),
            "timestamp_unix": int(at.timestamp()) * 1000,
            "bpm": NUMBERS.randrange(45, 170),
            "source": source,
        }


def readiness(day: date) -> Iterator[dict[str, object]]:
    """One document of plain numbers."""
    yield {"id": str(day), "day": str(day), "score": 80, "contributors": {"hrv_balance": 70}}


def measure(
    document_type: DocumentType, make: Callable[[date], Iterator[dict[str, object]]], days: int
) -> tuple[int, float]:
    """Flatten so many days, print a line, and return points and seconds."""
    span = [FIRST_DAY + timedelta(days=i) for i in range(days)]
    part = Part.MAIN if document_type.variants else None
    documents = [
        StoredDocument(day, json.dumps(one).encode(), part) for day in span for one in make(day)
    ]
    began = time.perf_counter()
    flattened = flatten(document_type, "ada", documents, first_day=span[0], last_day=span[-1])
    seconds = time.perf_counter() - began
    points = sum(day.count for day in flattened)
    index = max(len(day.index) for day in flattened)
    began = time.perf_counter()
    for day in flattened:
        _ = day.digest
    digested = time.perf_counter() - began
    print(
        f"{document_type.name:16} {days:5} days {len(documents):8} documents {points:9} points "
        f"{seconds:6.2f} s {points / seconds / 1e6:5.2f} M/s  digest {digested:.2f} s  "
        f"index at most {index} bytes"
    )
    return points, seconds


def main() -> None:
    """Measure each kind of type and the whole."""
    results = [
        measure(DAILY_ACTIVITY, activity, 730),
        measure(SLEEP, night, 365),
        # Only a fifth of the points, and most of the cost: every row is a document.
        measure(HEARTRATE, beats, 365),
        measure(DAILY_READINESS, readiness, 3650),
    ]
    points, seconds = map(sum, zip(*results, strict=True))
    print(f"together {points} points in {seconds:.2f} s")


if __name__ == "__main__":
    main()
