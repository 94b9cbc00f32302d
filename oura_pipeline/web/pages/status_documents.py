"""What the published copy says about odd documents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.warehouse.odd_values import find_odd_values
from oura_pipeline.warehouse.quarantine import Oddity, QuarantinedDocument, find_quarantined

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class OddDocuments:
    """What is odd: documents that could not be landed, and values of others."""

    aside: Sequence[QuarantinedDocument] = ()
    values: Sequence[Oddity] = ()


def odd_documents(published: Path) -> OddDocuments:
    """Return what is odd as of the newest published copy."""
    # From the copy: the page must not wait for a run that holds the warehouse.
    if not published.exists():
        return OddDocuments()
    try:
        with connect(published) as database:
            return OddDocuments(find_quarantined(database), find_odd_values(database))
    except (AnalysisError, duckdb.Error) as error:
        # Only the class: the message may contain values.
        LOG.warning("the published copy cannot be read: %s", type(error).__name__)
        return OddDocuments()
