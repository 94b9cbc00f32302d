"""Draw cards, headings, single values, dials and bands of states with cairo."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cairocffi as cairo  # type: ignore[import-untyped]

_GROUND, _CARD, _TEXT, _FAINT, _TRACK = "#111217", "#181B1F", "#D8DBE0", "#8E95A2", "#2A2E36"
_NAMED = {
    **{"blue": "#5794F2", "green": "#73BF69", "light-green": "#96D98D"},
    **{"orange": "#FF9830", "red": "#F2495C", "yellow": "#FADE2A"},
}
_FONT = "DejaVu Sans"
_DAY = 86400

Band = tuple[str, list[tuple[int, tuple[str, str] | None]]]


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def inner(self, margin: float) -> Box:
        """Return the box without a margin on all sides."""
        return Box(
            self.left + margin, self.top + margin, self.width - 2 * margin, self.height - 2 * margin
        )


class Canvas:
    """A picture that is drawn piece by piece."""

    def __init__(self, width: int, height: int) -> None:
        self._surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width, height)
        self._cairo = cairo.Context(self._surface)
        self._width = width
        self._colour(_GROUND)
        self._cairo.paint()

    def heading(self, title: str, beside: str) -> None:
        """Draw the name of the dashboard, and what is shown of it."""
        self._write(title, 14, 36, 20, _TEXT, bold=True)
        self._write(beside, self._width - 14, 36, 12, _FAINT, side=1)

    def row(self, box: Box, title: str) -> None:
        """Draw the heading of a row of panels."""
        self._write(title, box.left + 6, box.top + 22, 14, _TEXT, bold=True)

    def card(self, box: Box, title: str, unit: str) -> Box:
        """Draw a panel's background, title and unit; return the box for its values."""
        self._fill(box, _CARD)
        self._write(title, box.left + 10, box.top + 19, 11.5, _TEXT, bold=True)
        self._write(unit, box.left + box.width - 10, box.top + 19, 10.5, _FAINT, side=1)
        return Box(box.left + 2, box.top + 26, box.width - 4, box.height - 28)

    def picture(self, box: Box, png: io.BytesIO) -> None:
        """Draw a picture that is given as PNG."""
        self._cairo.set_source_surface(
            cairo.ImageSurface.create_from_png(png), int(box.left), int(box.top)
        )
        self._cairo.paint()

    def value(self, box: Box, text: str, colour: str) -> None:
        """Draw one value in large figures."""
        middle = box.left + box.width / 2
        self._write(text, middle, box.top + box.height / 2 + 6, 24, colour, side=0.5, bold=True)

    def dial(self, box: Box, share: float, text: str, colour: str) -> None:
        """Draw a value on three quarters of a circle."""
        x, y = box.left + box.width / 2, box.top + box.height * 0.56
        radius = min(box.width, box.height) * 0.44
        begin, whole = 0.75 * math.pi, 1.5 * math.pi
        self._cairo.set_line_width(radius * 0.2)
        for reach, tint in ((1.0, _TRACK), (min(max(share, 0.0), 1.0), colour)):
            self._colour(tint)
            self._cairo.new_sub_path()
            self._cairo.arc(x, y, radius, begin, begin + whole * reach)
            self._cairo.stroke()
        size = radius * (0.44 if len(text) < 5 else 0.3)
        self._write(text, x, y + size * 0.36, size, colour, side=0.5, bold=True)

    def bands(
        self,
        box: Box,
        bands: Sequence[Band],
        start: int,
        end: int,
        legend: Sequence[tuple[str, str]],
    ) -> None:
        """Draw a band for each series; a state lasts until the next one, and not over gaps."""
        inside = Box(box.left + 90, box.top + 4, box.width - 104, box.height - 52)
        high = inside.height / max(len(bands), 1)
        for number, (name, points) in enumerate(bands):
            top = inside.top + number * high
            self._write(name, inside.left - 10, top + high / 2 + 4, 10.5, _FAINT, side=1)
            self._band(Box(inside.left, top + 3, inside.width, high - 6), points, start, end)
        self._hours(inside, start, end)
        self._legend(box, legend)

    def write(self, path: Path) -> None:
        """Write the PNG file."""
        self._surface.write_to_png(str(path))

    def _band(
        self, box: Box, points: list[tuple[int, tuple[str, str] | None]], start: int, end: int
    ) -> None:
        self._fill(box, _TRACK, 0.35)
        step = points[1][0] - points[0][0] if len(points) > 1 else _DAY
        for time, state in points:
            if state is None:
                continue
            left = box.left + box.width * (time - start) / (end - start)
            right = min(left + box.width * step / (end - start), box.left + box.width)
            # A little wider: cairo would leave a hair of the ground between two neighbours.
            self._fill(Box(left, box.top, right - left + 0.3, box.height), state[1])

    def _hours(self, box: Box, start: int, end: int) -> None:
        step = next(
            (one for one in (3600 * 6, _DAY, 7 * _DAY, 14 * _DAY) if (end - start) / one <= 16),
            30 * _DAY,
        )
        for time in range(start - start % step + step, end, step):
            x = box.left + box.width * (time - start) / (end - start)
            at = datetime.fromtimestamp(time, UTC)
            text = f"{at:%H:%M}" if time % _DAY else f"{at:%b %d}"
            self._write(text, x, box.bottom + 14, 9.5, _FAINT, side=0.5)

    def _legend(self, box: Box, legend: Sequence[tuple[str, str]]) -> None:
        x, y = box.left + 90, box.bottom - 12
        for text, colour in legend:
            self._fill(Box(x, y - 9, 11, 11), colour)
            x += 17 + self._write(text, x + 17, y, 10.5, _TEXT) + 18

    def _write(
        self,
        text: str,
        x: float,
        y: float,
        size: float,
        colour: str,
        *,
        side: float = 0,
        bold: bool = False,
    ) -> float:
        """Write a line and return its width; `side` is the part of it to the left of `x`."""
        weight = cairo.FONT_WEIGHT_BOLD if bold else cairo.FONT_WEIGHT_NORMAL
        self._cairo.select_font_face(_FONT, cairo.FONT_SLANT_NORMAL, weight)
        self._cairo.set_font_size(size)
        width = float(self._cairo.text_extents(text)[4])
        self._colour(colour)
        self._cairo.move_to(x - side * width, y)
        self._cairo.show_text(text)
        return width

    def _fill(self, box: Box, colour: str, opacity: float = 1.0) -> None:
        self._colour(colour, opacity)
        self._cairo.rectangle(box.left, box.top, box.width, box.height)
        self._cairo.fill()

    def _colour(self, colour: str, opacity: float = 1.0) -> None:
        text = _NAMED.get(colour, colour).lstrip("#")
        red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (0, 2, 4))
        self._cairo.set_source_rgba(red, green, blue, opacity)
