"""SQL for sums and means that are the same in every run, and finite or null."""

from __future__ import annotations

# Exact, as a power of two; the mean of the greatest numbers there are would overflow without it.
_SCALE = 1 << 20


def mean(value: str) -> str:
    """Return the mean of numbers, an aggregate."""
    # Compensated: a plain mean depends on the order in which DuckDB's threads add. Where its sum
    # overflows, it is not a number.
    return (
        f"CASE WHEN isfinite(favg({value})) THEN favg({value}) "
        f"ELSE favg(({value}) / {_SCALE}e0) * {_SCALE} END"
    )


def total(value: str) -> str:
    """Return the sum of numbers, an aggregate; null if it is more than a number can be."""
    return f"CASE WHEN isfinite(fsum({value})) THEN fsum({value}) END"
