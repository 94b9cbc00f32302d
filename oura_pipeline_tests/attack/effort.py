"""How much is tried, and a count of it."""

from __future__ import annotations

import os
import time
from collections import Counter

MINUTES = float(os.environ.get("ATTACK_MINUTES", "0"))  # of a long run
LONG = MINUTES > 0
_BEGAN = time.monotonic()
TRIED: Counter[str] = Counter()  # requests, examples


def per_run(quick: int, long: int) -> int:
    """Return how many to try in this run."""
    return long if LONG else quick


def seconds_left() -> float:
    """Return how much time a long run has, at least a few seconds; 0: this is a quick one."""
    return max(_BEGAN + MINUTES * 60 - time.monotonic(), 10.0) if LONG else 0.0
