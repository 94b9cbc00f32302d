"""The sandbox's two clocks, real time and the time at which the data ends."""

from __future__ import annotations

import time
from datetime import date

from oura_pipeline.sandbox.times import midnight

# Noon at UTC-10, where the last day comes last among the sandbox's people: so everyone's data of
# that day up to their noon is in the past.
_LAST_NOON = 22 * 3600


class Clock:
    """Two clocks that move forward together."""

    def __init__(self, end: date | None = None) -> None:
        self._forwarded = 0.0
        # Kept as a distance: a fixed last day still moves on with real time.
        self._shift = 0.0 if end is None else midnight(end) + _LAST_NOON - time.time()

    def now(self) -> float:
        """Return Unix seconds for everything that expires: tokens, limits, subscriptions."""
        return time.time() + self._forwarded

    def today(self) -> float:
        """Return Unix seconds for ranges that end "now"; `now`, unless the last day is fixed."""
        return self.now() + self._shift

    def forward(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._forwarded += seconds
