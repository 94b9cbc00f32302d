"""Tables in Markdown, for documents, exports and Dagster's UI."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def markdown_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()
) -> str:
    """Return a table as Markdown, each line ended.

    Args:
        headings: one per column.
        rows: the cells of each row, as Markdown.
        right: the headings of columns that are aligned to the right.
    """
    rules = ["---:" if heading in right else "---" for heading in headings]
    return "".join(map(_line, (headings, rules, *rows)))


def _line(cells: Iterable[str]) -> str:
    # GitHub ends a cell at a bare `|`, even inside `code`.
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"
