"""Inline SVG: elements that escape what they are given, lines with gaps, axes.

What surprises: a picture is not scaled as a whole. It is as wide as its place, its text keeps its
size, and only the plots inside it are stretched, so that one drawing serves a phone and a desk. It
has no style of its own: the Content-Security-Policy forbids that, and site.css knows its classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from markupsafe import Markup, escape

_STEPS = (10, 20, 25, 50)  # and ten, a hundred, … times as much
_MARGIN = -8  # px: where the words to the left of a plot end

Point = tuple[float, float]


def element(name: str, *children: str, **attributes: object) -> Markup:
    """An element; everything is escaped but children that are elements already.

    `class_` stands for `class` and `aria_hidden` for `aria-hidden`.
    """
    told = "".join(f' {_spelt(key)}="{_shown(value)}"' for key, value in attributes.items())
    inside = "".join(escape(child) for child in children)
    # Of names that stand in our code, and of what was escaped above.
    return Markup(f"<{name}{told}>{inside}</{name}>" if inside else f"<{name}{told}/>")  # noqa: S704


def picture(
    name: str, *parts: str, title: str, description: str, height: float, kind: str
) -> Markup:
    """A drawing as wide as its place and `height` pixels high, described for who cannot see it.

    `name` is unique on its page.
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-about"),
        *parts,
        class_=f"picture {kind}",
        role="img",
        aria_labelledby=f"{name}-title {name}-about",
        width="100%",
        height=height,
    )


def plot(*parts: str, top: float, width: float, height: float) -> Markup:
    """A part of a picture that is `width` units wide, however wide that is on the screen."""
    return element(
        "svg",
        *parts,
        class_="plot",
        y=top,
        width="100%",
        height=height,
        viewBox=f"0 0 {_shown(width)} {_shown(height)}",
        preserveAspectRatio="none",
    )


def path(steps: str, kind: str) -> Markup:
    """A path of a class."""
    return element("path", class_=kind, d=steps)


def line(points: Iterable[Point | None]) -> str:
    """The steps of a path through points; None is a gap, and a point alone is a dot."""
    steps, pen, alone = [], "M", False
    for point in [*points, None]:
        if point is None:
            steps += ["h0"] if alone else []
            pen, alone = "M", False
        else:
            steps.append(f"{pen}{_shown(point[0])} {_shown(point[1])}")
            pen, alone = "L", pen == "M"
    return "".join(steps)


def dots(points: Iterable[Point]) -> str:
    """The steps of a path that is a dot at each point."""
    return "".join(f"M{_shown(x)} {_shown(y)}h0" for x, y in points)


@dataclass(frozen=True)
class Scale:
    """From values to pixels from the top: the lowest tick is at the bottom.

    Attributes:
        ticks: round values, ascending; the first and the last one are the ends.
        height: pixels.
    """

    ticks: tuple[int, ...]
    height: float

    def at(self, value: float) -> float:
        """Where a value is."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.height * (high - value) / (high - low)


def scale(values: Sequence[float], height: float, *, parts: int = 3) -> Scale:
    """A scale for values, at least one, with at most as many parts between its ticks."""
    for step in chain((1, 2, 5), (10**power * step for power in count() for step in _STEPS)):
        low, high = math.floor(min(values) / step), math.ceil(max(values) / step)
        high += low == high
        if high - low <= parts:
            break
    return Scale(tuple(step * number for number in range(low, high + 1)), height)


def value_axis(upwards: Scale, top: float) -> Iterable[Markup]:
    """A rule and a number at each tick."""
    for tick in upwards.ticks:
        y = top + upwards.at(tick)
        yield element("line", class_="rule", x2="100%", y1=y, y2=y)
        yield word(f"{tick}", x=_MARGIN, y=y + 4, anchor="end")


def across_axis(marks: Iterable[tuple[float, str]], top: float, bottom: float) -> Iterable[Markup]:
    """A line from top to bottom and words below it at each mark: (per cent, words)."""
    for place, words in marks:
        x = f"{_shown(place)}%"
        yield element("line", class_="rule", x1=x, x2=x, y1=top, y2=bottom)
        yield word(words, x=x, y=bottom + 17, anchor="middle")


def word(text: str, *, x: object, y: float, anchor: str = "start", kind: str = "word") -> Markup:
    """A text."""
    return element("text", text, class_=kind, x=x, y=y, text_anchor=anchor)


def side_word(text: str, y: float) -> Markup:
    """A text to the left of the plots."""
    return word(text, x=_MARGIN, y=y, anchor="end")


def _spelt(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _shown(value: object) -> str:
    """A number with two decimals at most; anything else as an escaped text."""
    if isinstance(value, (int, float)):
        return f"{round(value, 2) + 0.0:.10g}"
    return escape(value)
