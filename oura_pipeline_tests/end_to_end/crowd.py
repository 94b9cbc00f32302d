"""Writers of one data folder, each a process of its own, while others read the published copy.

python -m oura_pipeline_tests.end_to_end.crowd NAME FIRST LAST
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import DocumentType, get_document_type
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.end_to_end.onlookers import BULK, DAYS, TABLES

FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Made:
    """A document with its day."""

    day: date
    raw: bytes


def write(username: str, first: int, last: int) -> None:
    """Land and publish that many rounds."""
    with open_pipeline() as pipeline:
        for number in range(first, last + 1):
            for table in TABLES:
                land(pipeline, get_document_type(table), username, number)
            publish(pipeline)


def land(pipeline: Pipeline, document_type: DocumentType, username: str, number: int) -> None:
    """Replace all of a person's days by those of a round."""
    with pipeline.warehouse.spool(document_type) as spool:
        spool.add(username, documents(username, number))
        pipeline.warehouse.land(
            document_type,
            spool,
            usernames=[username],
            first_day=FIRST_DAY,
            last_day=FIRST_DAY + timedelta(days=DAYS - 1),
            fetched_at=datetime.now(UTC),
            run_id=f"round {number}",
        )


def documents(username: str, number: int) -> Iterator[Made]:
    """A document for each day."""
    for place in range(DAYS):
        day = FIRST_DAY + timedelta(days=place)
        texts = (f"{username} {number} {day} {line}" for line in range(BULK // 64))
        bulk = "".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)
        fields = {"id": f"{username} {day}", "day": str(day), "score": number, "bulk": bulk}
        yield Made(day, json.dumps(fields).encode())


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
