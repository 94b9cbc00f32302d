"""Counts as bar charts in Markdown, for Dagster's UI."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

# Dagster keeps metadata per partition, and a year's run has hundreds: each gets a table of a few
# lines, and only the last one, which the UI shows first, gets the chart of all days.
MAX_LINES = 60
WIDTH = 30  # blocks of the longest bar
EIGHTHS = "▏▎▍▌▋▊▉█"


def chart(counts: Mapping[date, int]) -> dg.MarkdownMetadataValue:
    """Return a chart with a bar per day; of more than 60 days, per group of days in a row."""
    lines = _lines(counts)
    longest = max(lines.values(), default=0)
    label_width = max(map(len, lines), default=0)
    count_width = len(f"{longest:,}")
    drawn = [
        f"{label:{label_width}}  {count:>{count_width},}  {bar(count, longest)}".rstrip()
        for label, count in lines.items()
    ]
    return dg.MetadataValue.md("\n".join(["```", *drawn, "```"]))


def bar(count: int, longest: int) -> str:
    """Return blocks, in steps of an eighth; nothing only for zero."""
    if not count:
        return ""
    eighths = max(1, round(8 * WIDTH * count / longest))
    return EIGHTHS[-1] * (eighths // 8) + (EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def _lines(counts: Mapping[date, int]) -> dict[str, int]:
    days = sorted(counts)
    group_size = -(-len(days) // MAX_LINES) or 1
    # From the newest back: a short group at the end would look as if the newest days had less.
    ends = reversed(range(len(days), 0, -group_size))
    groups = [days[max(0, end - group_size) : end] for end in ends]
    return {_label(group[0], group[-1]): sum(counts[day] for day in group) for group in groups}


def _label(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
