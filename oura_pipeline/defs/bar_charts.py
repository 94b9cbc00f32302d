"""Counts as pictures that Dagster's UI can show: Markdown with bars of block characters.

What surprises: Dagster keeps metadata per partition, and a year's run has thousands of them. So a
partition gets a table of a few lines, and only a run's last one, which is what the UI shows first,
gets the chart of all its days. There are counts in them, never a name and never a health value.
"""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from oura_pipeline.markdown import markdown_table

MOST_LINES = 60
WIDTH = 30  # blocks of the longest bar
EIGHTHS = "▏▎▍▌▋▊▉█"


def table(heading: str, counts: Mapping[str, int]) -> dg.MarkdownMetadataValue:
    """A table with a row and a bar per count; the bar is the count's part of all."""
    whole = sum(counts.values())
    rows = [(name, f"{count:,}", bar(count, whole)) for name, count in counts.items()]
    return dg.MetadataValue.md(markdown_table((heading, "count", ""), rows, right=["count"]))


def chart(counts: Mapping[date, int]) -> dg.MarkdownMetadataValue:
    """A line and a bar per day; of more than 60 days, per so many days in a row."""
    lines = _lines(counts)
    longest = max(lines.values(), default=0)
    wide, high = max(map(len, lines), default=0), len(f"{longest:,}")
    drawn = [
        f"{name:{wide}}  {count:>{high},}  {bar(count, longest)}".rstrip()
        for name, count in lines.items()
    ]
    return dg.MetadataValue.md("\n".join(["```", *drawn, "```"]))


def bar(count: int, longest: int) -> str:
    """Blocks, in steps of an eighth; nothing only for zero."""
    if not count:
        return ""
    eighths = max(1, round(8 * WIDTH * count / longest))
    return EIGHTHS[-1] * (eighths // 8) + (EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def _lines(counts: Mapping[date, int]) -> dict[str, int]:
    """The sums of so many days in a row that there are no more than 60."""
    days = sorted(counts)
    together = -(-len(days) // MOST_LINES) or 1
    # From the newest back: a short part at the end would look as if the newest days had less.
    ends = reversed(range(len(days), 0, -together))
    parts = [days[max(0, end - together) : end] for end in ends]
    return {_spelled(part[0], part[-1]): sum(counts[day] for day in part) for part in parts}


def _spelled(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
