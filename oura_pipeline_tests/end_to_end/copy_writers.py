"""A process that publishes again and again, while others read the published copy."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import DocumentType, get_document_type
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.process.imports import without_pandas
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.end_to_end.copy_readers import BULK, DAYS, TABLES

FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class DatedDocument:
    """A document and its day."""

    day: date
    raw: bytes


def write_in_a_process(home: str, usernames: Sequence[str], last: int, number: int) -> None:
    """Write the rounds from the second on of one of these people, in a process of its own."""
    os.environ["OURA_PIPELINE_HOME"] = home
    with without_pandas():
        write(usernames[number], 2, last)


def write(username: str, first: int, last: int) -> None:
    """Land and publish a person's rounds `first` to `last`."""
    with open_pipeline() as pipeline:
        for number in range(first, last + 1):
            for table in TABLES:
                land(pipeline, get_document_type(table), username, number)
            publish(pipeline)


def land(pipeline: Pipeline, document_type: DocumentType, username: str, number: int) -> None:
    """Replace all days of a person with those of a round."""
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


def documents(username: str, number: int) -> Iterator[DatedDocument]:
    """Yield a document for each day."""
    for offset in range(DAYS):
        day = FIRST_DAY + timedelta(days=offset)
        texts = (f"{username} {number} {day} {line}" for line in range(BULK // 64))
        bulk = "".join(hashlib.sha256(text.encode()).hexdigest() for text in texts)
        fields = {"id": f"{username} {day}", "day": str(day), "score": number, "bulk": bulk}
        yield DatedDocument(day, json.dumps(fields).encode())
