"""How much is measured: all of it in a quarter of an hour, or a glance in two minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Sizes; what is smaller than what is to be reached speaks of, the figures say.

    Attributes:
        days: of the one person's range.
        pairs: how often ours and the peer run in turn, where that is short.
        seconds: after which no further pair begins.
    """

    days: int
    pairs: int
    seconds: float

    def repeated(self) -> Iterator[int]:
        """The number of each pair, until there are enough or the time is over."""
        began = time.monotonic()
        for pair in range(self.pairs):
            if pair and time.monotonic() - began > self.seconds:
                return
            yield pair


FULL = Scale(days=90, pairs=5, seconds=200)
QUICK = Scale(days=14, pairs=1, seconds=20)
