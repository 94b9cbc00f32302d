"""What can be wrong with a member's own export as a whole."""

from __future__ import annotations


class ExportRefused(Exception):
    """Nothing of the file was read; the message says why and what to do."""


class ReaderEnded(Exception):
    """The process that reads an export has ended before its time; what has landed stays."""
