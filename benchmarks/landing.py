"""The client and landing, without Dagster: `python -m benchmarks.landing FIRST LAST`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from datetime import date

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.process.imports import without_pandas
from oura_pipeline.sync.fetch import FetchedDocuments, fetched_documents, people_to_fetch
from oura_pipeline.sync.fetch_ahead import fetching_ahead


def main() -> None:
    """Fetch everybody's documents of these days and land them, as a sync does."""
    first, last = map(date.fromisoformat, sys.argv[1:])
    # What is dated by others' offsets comes after them.
    document_types = sorted(DOCUMENT_TYPES, key=lambda one: one.dated_by_offset)
    with without_pandas(), open_pipeline() as pipeline, pipeline.warehouse.kept_open():
        people = people_to_fetch(pipeline)

        def fetch(document_type: DocumentType) -> AbstractContextManager[FetchedDocuments]:
            return fetched_documents(
                pipeline,
                document_type,
                people,
                first_day=first,
                last_day=last,
                run_id="landing alone",
            )

        with fetching_ahead(fetch, document_types) as ahead:
            for document_type in document_types:
                with ahead.documents(document_type) as documents:
                    documents.land()


if __name__ == "__main__":
    main()
