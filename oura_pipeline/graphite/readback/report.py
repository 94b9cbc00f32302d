"""The outcome of reading points back: what arrived, what is missing, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

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
    """

    delivered: int = 0
    points: int = 0
    waiting: int = 0
    sent_again: int = 0
    missing: list[MissingDay] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    @property
    def message(self) -> str:
        """Return in one line what to do about what is missing; empty: nothing is missing."""
        if not self.missing:
            return ""
        points = sum(day.points for day in self.missing)
        names = sorted({name for day in self.missing for name in day.metrics})[:_NAMED_METRICS]
        text = (
            f"{points:,} points of {len(self.missing):,} days did not arrive in Graphite, among "
            f"them {', '.join(names)}. "
        )
        if self.unreadable:
            # A carbon that is killed while it creates a file leaves an empty or truncated one, and
            # fails to write to it ever after.
            return text + (
                f"Graphite-web cannot read {', '.join(sorted(self.unreadable)[:_NAMED_METRICS])}: "
                "delete the damaged .wsp file and push again."
            )
        # A missing point is nearly always a setting of carbon, not a lost packet.
        prefix = names[0].partition(".")[0]
        return text + (
            f"Most likely carbon's storage-schemas.conf has no `{prefix}` section or had none when "
            "these metrics were created: run `oura-pipeline graphite schemas`, install both files, "
            "and remove the .wsp files of these metrics."
        )
