"""The outcome of reading points back: what arrived, what is missing, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from oura_pipeline.graphite.readback.diagnosis import Finding, advice

_NAMED_METRICS = 3


@dataclass(frozen=True, kw_only=True)
class MissingDay:
    """A day of which points did not arrive.

    Attributes:
        username: the person.
        document_type: the name of the document type.
        day: Oura's day.
        points: how many are missing or wrong.
        of: of how many.
        metrics: the names of a few of them.
    """

    username: str
    document_type: str
    day: date
    points: int
    of: int
    metrics: tuple[str, ...]


@dataclass(kw_only=True)
class ReadbackReport:
    """What was read back.

    Attributes:
        delivered: how many days were read back completely, twice.
        points: how many points those have.
        waiting: how many days have points in the future, which Graphite does not show yet.
        sent_again: how many points were sent again.
        missing: the days that never arrived completely.
        unreadable: metrics whose files graphite-web cannot read.
        findings: why points are missing.
    """

    delivered: int = 0
    points: int = 0
    waiting: int = 0
    sent_again: int = 0
    missing: list[MissingDay] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    @property
    def message(self) -> str:
        """Return in one line what to do about what is missing; empty: nothing is missing."""
        if not self.missing:
            return ""
        points = sum(day.points for day in self.missing)
        names = sorted({name for day in self.missing for name in day.metrics})[:_NAMED_METRICS]
        return (
            f"{points:,} points of {len(self.missing):,} days did not arrive in Graphite, among "
            f"them {', '.join(names)}. {advice(self.findings, names=True)}"
        ).rstrip()
