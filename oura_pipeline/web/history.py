"""How much of a person's history has been fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from oura_pipeline.accounts.overview import TypeOverview
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES


@dataclass(frozen=True, kw_only=True)
class History:
    """How far back documents have been requested; newest days come first.

    Attributes:
        first_day: the day to be reached.
        reached: every document type has been requested back to here; None: one was never requested.
        share: the part that is done, 0 to 1.
    """

    first_day: date
    reached: date | None
    share: float


def history(overview: Sequence[TypeOverview], *, first_day: date, today: date) -> History:
    """Return how much of the time from `first_day` to `today` has been requested."""
    # Document types without days, such as the profile, have no history.
    starts = {row.document_type: row.first_day for row in overview}
    return progress(
        [
            starts.get(document_type.name)
            for document_type in DOCUMENT_TYPES
            if document_type.partitioned
        ],
        first_day=first_day,
        today=today,
    )


def progress(starts: Sequence[date | None], *, first_day: date, today: date) -> History:
    """Return the history of document types, given the earliest requested day of each."""
    known = [start for start in starts if start is not None]
    total = max((today - first_day).days, 1)
    done = sum(min((today - start).days / total, 1.0) for start in known)
    return History(
        first_day=first_day,
        # The slowest document type decides; going back further than wanted does not count.
        reached=max(*known, first_day) if len(known) == len(starts) else None,
        share=round(max(done, 0.0) / len(starts), 4),
    )
