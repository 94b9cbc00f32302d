"""The sandbox's two clocks, which move forward together when told to.

`now` is real time: tokens, limits and subscriptions live by it. `today` is the time the data ends
at: the same as `now`, unless the last day is fixed.
"""

from __future__ import annotations

import time
from datetime import date

from oura_pipeline.sandbox.times import midnight

# Noon of the last day where it comes last among the sandbox's people: UTC-10.
_LAST_NOON = 22 * 3600


class Clock:
    """Real time plus however far it was moved."""

    def __init__(self, end: date | None = None) -> None:
        self._with_other_numbers = 0.0
        self._shift = 0.0 if end is None else midnight(end) + _LAST_NOON - time.time()

    def now(self) -> float:
        """Unix seconds for everything that expires."""
        return time.time() + self._with_other_numbers

    def today(self) -> float:
        """Unix seconds for everything that is asked for "until now"."""
        return self.now() + self._shift

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self._with_other_numbers += seconds
