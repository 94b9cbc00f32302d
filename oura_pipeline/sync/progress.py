"""Who is told how far a run is. Nobody, unless somebody listens.

What surprises: a Dagster run has no door for this, so the progress stands in a context variable;
the code that works reads it once, in the thread that started the run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """Hears of work as it is done; called from several threads."""

    def started(self, document_type: str, people: int) -> None:
        """So many people are being asked for a document type."""

    def page(self, document_type: str, username: str, documents: int) -> None:
        """One request was answered with so many documents."""

    def person_done(self, document_type: str, username: str) -> None:
        """That person's answer is complete, or failed."""

    def pushed(self, document_type: str, points: int) -> None:
        """So many more points were sent."""


class NoProgress:
    """Hears and says nothing."""

    def started(self, document_type: str, people: int) -> None:
        """Nothing."""

    def page(self, document_type: str, username: str, documents: int) -> None:
        """Nothing."""

    def person_done(self, document_type: str, username: str) -> None:
        """Nothing."""

    def pushed(self, document_type: str, points: int) -> None:
        """Nothing."""


_SILENCE = NoProgress()
progress: ContextVar[Progress] = ContextVar("progress", default=_SILENCE)
