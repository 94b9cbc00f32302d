"""Pushing alone, without Dagster: `python -m benchmarks.pushing FIRST LAST`."""

from __future__ import annotations

import json
import sys
import time
from datetime import date

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import days_between
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.fetch import people_to_fetch
from oura_pipeline.sync.push import push_documents


def main() -> None:
    """Push everybody's points of these days; tells how many they are, and the seconds it took."""
    first, last = map(date.fromisoformat, sys.argv[1:])
    with open_pipeline() as pipeline, pipeline.warehouse.kept_open():
        usernames = [person.username for person in people_to_fetch(pipeline)]
        began = time.perf_counter()
        pushed = [
            push_documents(
                pipeline,
                document_type,
                usernames,
                days_between(first, last) if document_type.partitioned else None,
            )
            for document_type in DOCUMENT_TYPES
        ]
        seconds = time.perf_counter() - began
    print(json.dumps({"points": sum(one.sent for one in pushed), "seconds": seconds}))


if __name__ == "__main__":
    main()
