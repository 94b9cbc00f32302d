"""The terminal, as commands write to it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console()
# Not among the output, which may go into a file or to another program.
progress_console = Console(stderr=True)


def print_lines(*lines: str) -> None:
    """Print lines as they are: without markup, colours or line breaks of our own."""
    for line in lines:
        print_markup(escape(line))


def print_markup(line: str, out: Console = console) -> None:
    """Print a line of rich's markup, without breaking it or colouring numbers and paths in it."""
    # A pipe or a log gets whole lines: rich would break them at 80 columns where there is no width.
    out.print(line, highlight=False, soft_wrap=True)


def table_with(*headings: str, **options: Any) -> Table:
    """Return an empty table with these columns; the options are those of rich's `Table`."""
    return Table(*headings, header_style="bold", **options)


def counted(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
