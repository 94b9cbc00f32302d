"""The documents that the published copy says are set aside."""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.warehouse.quarantine import QuarantinedDocument, find_quarantined

LOG = logging.getLogger(__name__)


def published_quarantine(published: Path) -> list[QuarantinedDocument]:
    """Return the documents that could not be landed, as of the newest published copy."""
    # From the copy: the page must not wait for a run that holds the warehouse.
    if not published.exists():
        return []
    try:
        with connect(published) as database:
            return find_quarantined(database)
    except (AnalysisError, duckdb.Error) as error:
        # Only the class: the message may contain values.
        LOG.warning("the published copy cannot be read: %s", type(error).__name__)
        return []
