"""Numbers and durations as people read them; a dash for an unknown value."""

from __future__ import annotations

import math
from collections.abc import Iterable


def rounded(value: float | None) -> str:
    """Return a number without decimals, halves rounded away from zero."""
    if value is None:
        return "–"
    # Python rounds halves to even, which people take for a mistake. And -0.4 is 0, not -0.
    return f"{math.copysign(math.floor(abs(value) + 0.5), value):.0f}".replace("-0", "0")


def mean(values: Iterable[float | None]) -> str:
    """Return the rounded mean of the known values."""
    known = [value for value in values if value is not None]
    return rounded(sum(known) / len(known) if known else None)


def hours_minutes(minutes: float | None) -> str:
    """Return minutes as `7:05`."""
    if minutes is None:
        return "–"
    hours, rest = divmod(math.floor(minutes + 0.5), 60)
    return f"{hours}:{rest:02d}"


def duration(minutes: float) -> str:
    """Return minutes as `7 h 5 min`."""
    hours, rest = divmod(math.floor(minutes + 0.5), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def utc_offset(minutes: int) -> str:
    """Return an offset as `UTC+05:30`."""
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
