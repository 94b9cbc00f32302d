"""Reports on how far a run is, for whoever shows them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """A receiver of reports; it is called from several threads."""

    def started(self, document_type: str) -> None:
        """The documents of a type are wanted: they are being fetched, or will land."""

    def page(self, document_type: str, username: str, documents: int) -> None:
        """One response brought so many documents."""

    def person_done(self, document_type: str, username: str) -> None:
        """Everything of that person was received, or failed."""

    def pushed(self, document_type: str, points: int) -> None:
        """So many more points were sent."""

    def read_back(self, points: int) -> None:
        """So many more points were read back; each of them is, twice."""


class NoProgress:
    """A receiver that ignores all reports."""

    def started(self, document_type: str) -> None:
        pass

    def page(self, document_type: str, username: str, documents: int) -> None:
        pass

    def person_done(self, document_type: str, username: str) -> None:
        pass

    def pushed(self, document_type: str, points: int) -> None:
        pass

    def read_back(self, points: int) -> None:
        pass


_NO_PROGRESS = NoProgress()
# Dagster has no way to hand an object to the code of a run, hence a context variable. Threads do
# not inherit it: read it in the thread that started the run.
progress: ContextVar[Progress] = ContextVar("progress", default=_NO_PROGRESS)
