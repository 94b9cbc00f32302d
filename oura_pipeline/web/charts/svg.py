"""Inline SVG: escaped elements, lines with gaps, scales and axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from markupsafe import Markup, escape

# Steps that people read easily; and ten, a hundred, … times as much.
_STEPS = (10, 20, 25, 50)
_LABEL_X = -8  # px: where the labels to the left of a plot end

Point = tuple[float, float]


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; everything is escaped except children that are elements.

    `class_` stands for `class`, and `aria_hidden` for `aria-hidden`.
    """
    pairs = "".join(f' {_attribute(key)}="{_value(value)}"' for key, value in attributes.items())
    inner = "".join(escape(child) for child in children)
    # The names stand in our code, and the rest is escaped above.
    return Markup(f"<{name}{pairs}>{inner}</{name}>" if inner else f"<{name}{pairs}/>")  # noqa: S704


def image(
    name: str, *parts: str, title: str, description: str, css_class: str, **attributes: object
) -> Markup:
    """Return a drawing with a title and description for screen readers.

    `name` is unique on its page.
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-about"),
        *parts,
        class_=css_class,
        # As one image: otherwise screen readers would read every label in it.
        role="img",
        aria_labelledby=f"{name}-title {name}-about",
        **attributes,
    )


# A chart is not scaled as a whole: it is as wide as its container and its text keeps its size. Only
# the plots inside it are stretched, so that one drawing serves a phone and a desktop. It has no
# inline style, which the Content-Security-Policy forbids: site.css knows its classes.
def chart(
    name: str, *parts: str, title: str, description: str, height: float, css_class: str
) -> Markup:
    """Return an image as wide as its container and `height` pixels high."""
    return image(
        name,
        *parts,
        title=title,
        description=description,
        css_class=f"chart {css_class}",
        width="100%",
        height=height,
    )


def plot(*parts: str, top: float, width: float, height: float) -> Markup:
    """Return a part of a chart that is `width` units wide, stretched to the width of the chart."""
    return element(
        "svg",
        *parts,
        class_="plot",
        y=top,
        width="100%",
        height=height,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        preserveAspectRatio="none",
    )


def path(steps: str, css_class: str) -> Markup:
    """Return a path."""
    return element("path", class_=css_class, d=steps)


def line(points: Iterable[Point | None]) -> str:
    """Return the steps of a path through points; None is a gap, and a single point is a dot."""
    steps, pen, single = [], "M", False
    for point in [*points, None]:
        if point is None:
            steps += ["h0"] if single else []
            pen, single = "M", False
        else:
            steps.append(f"{pen}{_value(point[0])} {_value(point[1])}")
            pen, single = "L", pen == "M"
    return "".join(steps)


def dots(points: Iterable[Point]) -> str:
    """Return the steps of a path with a dot at each point."""
    return "".join(f"M{_value(x)} {_value(y)}h0" for x, y in points)


@dataclass(frozen=True)
class Scale:
    """From values to pixels from the top; the lowest tick is at the bottom.

    Attributes:
        ticks: round values, ascending; the first and the last one are the ends.
        height: pixels.
    """

    ticks: tuple[int, ...]
    height: float

    def y(self, value: float) -> float:
        """Return the pixels from the top."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.height * (high - value) / (high - low)


def scale(values: Sequence[float], height: float, *, intervals: int = 3) -> Scale:
    """Return a scale for values (at least one) with at most so many intervals between ticks."""
    for step in chain((1, 2, 5), (10**power * step for power in count() for step in _STEPS)):
        low, high = math.floor(min(values) / step), math.ceil(max(values) / step)
        high += low == high  # a single value, too, gets a height
        if high - low <= intervals:
            break
    return Scale(tuple(step * number for number in range(low, high + 1)), height)


def y_axis(values: Scale, top: float) -> Iterable[Markup]:
    """Yield a line and a number at each tick."""
    for tick in values.ticks:
        y = top + values.y(tick)
        yield element("line", class_="rule", x2="100%", y1=y, y2=y)
        yield side_label(f"{tick}", y + 4)


def x_axis(marks: Iterable[tuple[float, str]], top: float, bottom: float) -> Iterable[Markup]:
    """Yield a line from top to bottom and a label below it at each mark (per cent, label)."""
    for percent, label in marks:
        x = f"{_value(percent)}%"
        yield element("line", class_="rule", x1=x, x2=x, y1=top, y2=bottom)
        yield text(label, x=x, y=bottom + 17, anchor="middle")


def text(
    content: str, *, x: object, y: float, anchor: str = "start", css_class: str = "label"
) -> Markup:
    """Return a text."""
    return element("text", content, class_=css_class, x=x, y=y, text_anchor=anchor)


def side_label(content: str, y: float) -> Markup:
    """Return a label to the left of the plots."""
    return text(content, x=_LABEL_X, y=y, anchor="end")


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    """Return a number with at most two decimals, anything else as escaped text."""
    if isinstance(value, (int, float)):
        return f"{round(value, 2) + 0.0:.10g}"  # + 0.0: no minus before a zero
    return escape(value)
