"""A picture of what was measured: each program's seconds, CPU seconds and memory, side by side."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Picture

from benchmarks.results import Programs, Results

SHOWN = ("A", "A'", "B")
OURS, THEIRS = "#0b6e75", "#b8bfc6"
MEASURES = {"wall": "seconds", "cpu": "CPU seconds", "memory": "memory, MB"}


def plot(results: Results, path: Path) -> None:
    """Draw the medians of the scenarios of one person, from the smallest to the largest value."""
    programs = [one for one in results.programs if one.scenario in SHOWN]
    if not programs:
        return
    picture = Picture(figsize=(11, 0.42 * len(programs) + 1.2), layout="constrained")
    sides = picture.subplots(1, len(MEASURES), sharey=True)
    for side, (name, title) in zip(sides, MEASURES.items(), strict=True):
        samples = [getattr(one, name) for one in programs]
        medians = [statistics.median(many) for many in samples]
        ends = [
            [middle - min(many) for middle, many in zip(medians, samples, strict=True)],
            [max(many) - middle for middle, many in zip(medians, samples, strict=True)],
        ]
        labels = [f"{one.scenario}  {one.name}" for one in programs]
        side.barh(labels, medians, xerr=ends, color=[colour(one) for one in programs])
        side.set_title(title, fontsize=10)
        side.spines[["top", "right"]].set_visible(False)
    sides[0].invert_yaxis()
    # Neither the date nor random ids: the same figures are the same file.
    metadata = {"Date": None, "Creator": None}
    with mpl.rc_context({"svg.hashsalt": "performance"}):
        picture.savefig(path, metadata=metadata)


def colour(program: Programs) -> str:
    """Ours stands out."""
    return OURS if program.name in ("sync", "client and landing alone") else THEIRS
