"""How much is measured: all of it in a quarter of an hour, or a glance in two minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Sizes; where one is smaller than what is to be reached speaks of, the figure says so.

    Attributes:
        days: of the one person's range.
        pairs: how often ours and the peer run in turn, where that is short.
        seconds: after which no further pair begins.
        years: the days of a long history, and its half.
        crowd: people of a nightly sync, and half as many.
        pushed: people whose days are pushed.
        asset_days: days of a run that finds nothing.
        owners: people in the file that is asked.
        events: seconds of webhook events.
    """

    days: int
    pairs: int
    seconds: float
    years: tuple[int, int]
    crowd: tuple[int, int]
    pushed: int
    asset_days: int
    owners: int
    events: int

    @property
    def glance(self) -> bool:
        """Whether everything is measured once at most."""
        return self.pairs == 1

    def repeated(self) -> Iterator[int]:
        """The number of each pair, until there are enough or the time is over."""
        began = time.monotonic()
        for pair in range(self.pairs):
            if pair and time.monotonic() - began > self.seconds:
                return
            yield pair


FULL = Scale(
    days=90,
    pairs=5,
    seconds=240,
    years=(365, 730),
    crowd=(100, 200),
    pushed=5,
    asset_days=365,
    owners=10,
    events=10,
)
QUICK = Scale(
    days=14,
    pairs=1,
    seconds=10,
    years=(30, 60),
    crowd=(10, 20),
    pushed=1,
    asset_days=30,
    owners=4,
    events=2,
)
