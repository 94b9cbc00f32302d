"""The client and landing, without Dagster: `python -m benchmarks.landing FIRST LAST`."""

from __future__ import annotations

import sys
from datetime import date

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch


def main() -> None:
    """Fetch everybody's documents of these days, and land them."""
    first, last = map(date.fromisoformat, sys.argv[1:])
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline)
        # What is dated by others' offsets comes after them, as in a sync.
        for document_type in sorted(DOCUMENT_TYPES, key=lambda one: one.dated_by_offset):
            fetch_and_land(
                pipeline,
                document_type,
                people,
                first_day=first,
                last_day=last,
                run_id="landing alone",
            )


if __name__ == "__main__":
    main()
