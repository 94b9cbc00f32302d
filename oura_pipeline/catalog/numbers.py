"""Numbers in JSON: what counts as one, for SQL and for Graphite alike."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# What JSON calls a number; `float` would also take "1_000", " 7 " and "nan".
NUMBER_PATTERN = r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
_WRITTEN = re.compile(NUMBER_PATTERN, re.ASCII)
_LONGEST = 400  # characters; a double needs fewer, and Python refuses to read 4301 digits


def number_in(value: object) -> int | float | None:
    """Return the finite number that a value is, or that a text writes; None: neither."""
    if isinstance(value, str):
        # Oura was never seen to write numbers as texts; what it means by them is beyond doubt.
        if len(value) > _LONGEST or not _WRITTEN.fullmatch(value):
            return None
        value = float(value)
    # In Python, True is an integer.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if _is_finite(value) else None


def loads(text: str | bytes) -> Any:
    """Return decoded JSON; a number that no double can hold is infinite.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it nests too deeply.
    """
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _LONGEST else float(digits)


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a double can hold
        return False
