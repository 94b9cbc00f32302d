"""What a check of the installation found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TIMEOUT_SECONDS = 10.0  # of what is asked over the network
_MAX_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One check: what was checked, whether it passed, what was found or what to do."""

    subject: str
    good: bool
    text: str


def good(subject: str, text: str) -> Finding:
    """Return that a check passed."""
    return Finding(subject, True, text)


def bad(subject: str, text: str) -> Finding:
    """Return that a check did not pass; the text says what to do."""
    return Finding(subject, False, text)


def listed(texts: Sequence[str], separator: str = "; ") -> str:
    """Return the first few texts, and how many more there are."""
    more = [f"and {len(texts) - _MAX_SHOWN} more"] if len(texts) > _MAX_SHOWN else []
    return separator.join([*texts[:_MAX_SHOWN], *more])


def reason(error: Exception) -> str:
    """Return what an error says, or what it is called where it says nothing."""
    return str(error) or type(error).__name__
