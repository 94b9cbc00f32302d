"""How much is tried, and a count of it."""

from __future__ import annotations

import os
from collections import Counter

LONG = os.environ.get("ATTACK") == "long"
TRIED: Counter[str] = Counter()  # requests, examples


def per_run(quick: int, long: int) -> int:
    """Return how many to try in this run."""
    return long if LONG else quick
