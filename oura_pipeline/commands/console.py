"""The terminal, as commands write to it."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

console = Console()


def print_lines(*lines: str) -> None:
    """Print lines as they are: without markup, colours or line breaks of our own."""
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
