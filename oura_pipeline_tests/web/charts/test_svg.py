"""Elements of SVG, lines, scales and axes: what is drawn where, to the character."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markupsafe import Markup

from oura_pipeline.web.charts import svg
from oura_pipeline.web.charts.svg import (
    Scale,
    chart,
    dots,
    element,
    line,
    plot,
    scale,
    x_axis,
    y_axis,
)

STYLE = (Path(svg.__file__).parents[1] / "static" / "site.css").read_text(encoding="utf-8")


def test_elements_escape_their_content() -> None:
    """Text and attributes; only elements stay what they are."""
    evil = "\"><script>alert('1')</script>&"
    inner = element("title", evil, id=evil)
    escaped = "&#34;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;"
    assert inner == f'<title id="{escaped}">{escaped}</title>'
    assert element("g", inner, class_="a", aria_hidden="true") == (
        f'<g class="a" aria-hidden="true">{inner}</g>'
    )
    assert isinstance(inner, Markup)


def test_numbers_are_short() -> None:
    """Two decimals at most, and no minus before a zero."""
    assert element("path", d="", x=1.0, y=2.346, r=-0.001, width=960) == (
        '<path d="" x="1" y="2.35" r="0" width="960"/>'
    )


@pytest.mark.parametrize(
    ("points", "steps"),
    [
        ([], ""),
        ([None, None], ""),
        ([(0, 1)], "M0 1h0"),
        ([(0, 1), (1.5, 2)], "M0 1L1.5 2"),
        ([(0, 1), None, (2, 3), (3, 4), None, (5, 6)], "M0 1h0M2 3L3 4M5 6h0"),
    ],
)
def test_a_line_has_gaps_and_single_points(
    points: list[tuple[float, float] | None], steps: str
) -> None:
    """Nothing is drawn across what is missing, and what stands alone can be seen."""
    assert line(points) == steps


def test_dots_are_one_path() -> None:
    """However many there are."""
    assert dots([(0.5, 10), (1.5, 20)]) == "M0.5 10h0M1.5 20h0"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([61], (61, 62)),
        ([50, 50.5], (50, 51)),
        ([43, 68], (40, 50, 60, 70)),
        ([19, 70], (0, 25, 50, 75)),
        ([0, 0], (0, 1)),
        ([-3, 4], (-5, 0, 5)),
        ([1, 5000], (0, 2000, 4000, 6000)),
        ([1e9, 1e9 + 7], (1000000000, 1000000005, 1000000010)),
        ([-1e12, 1e12], (-1000000000000, 0, 1000000000000)),
    ],
)
def test_a_scale_ends_at_round_values(values: list[float], ticks: tuple[int, ...]) -> None:
    """With few parts, around all of the values, and never without height."""
    made = scale(values, 60)
    assert made == Scale(ticks, 60)
    assert (made.y(ticks[-1]), made.y(ticks[0])) == (0, 60)


def test_axes_are_lines_with_labels() -> None:
    """Below the middle of a rule across, to the left of one for a value."""
    assert "".join(x_axis([(0, "22:00"), (50, "02:00"), (99, "06:00")], 5, 80)) == (
        '<line class="rule" x1="0%" x2="0%" y1="5" y2="80"/>'
        '<text class="label" x="0%" y="97" text-anchor="middle">22:00</text>'
        '<line class="rule" x1="50%" x2="50%" y1="5" y2="80"/>'
        '<text class="label" x="50%" y="97" text-anchor="middle">02:00</text>'
        '<line class="rule" x1="99%" x2="99%" y1="5" y2="80"/>'
        '<text class="label" x="99%" y="97" text-anchor="middle">06:00</text>'
    )
    assert "".join(y_axis(Scale((40, 50), 60), 10)) == (
        '<line class="rule" x2="100%" y1="70" y2="70"/>'
        '<text class="label" x="-8" y="74" text-anchor="end">40</text>'
        '<line class="rule" x2="100%" y1="10" y2="10"/>'
        '<text class="label" x="-8" y="14" text-anchor="end">50</text>'
    )


def test_a_chart_has_a_title_and_description() -> None:
    """Its title and description are read to who cannot see it; only its plot is stretched."""
    drawn = chart(
        "n",
        plot(top=5, width=90, height=60),
        title="T",
        description="D",
        height=90,
        css_class="trend",
    )
    assert drawn == (
        '<svg class="chart trend" role="img" aria-labelledby="n-title n-about" width="100%" '
        'height="90"><title id="n-title">T</title><desc id="n-about">D</desc>'
        '<svg class="plot" y="5" width="100%" height="60" viewBox="0 0 90 60" '
        'preserveAspectRatio="none"/></svg>'
    )


DRAWN = ["awake", "rem", "light", "deep", "heart", "hrv", "dots", "accent", "bad", "warn", "focus"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("colour", [*DRAWN, "soft", "ink"])
def test_lines_have_enough_contrast(scheme: str, colour: str) -> None:
    """WCAG: 3 to 1 for shapes and 4.5 to 1 for text, on the page and on its cards."""
    colours = _colours(scheme)
    least = 4.5 if colour in ("soft", "ink") else 3
    for paper in ("paper", "surface"):
        assert _contrast(colours[colour], colours[paper]) >= least, (colour, paper)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_adjacent_phases_differ_in_position_too(scheme: str) -> None:
    """Each has a colour of its own, besides its row."""
    colours = _colours(scheme)
    assert len({colours[name] for name in ("awake", "rem", "light", "deep")}) == 4


def _colours(scheme: str) -> dict[str, str]:
    """The colours of a scheme as they stand in the style sheet."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    named = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")
    return dict(named.findall(light)) | (dict(named.findall(dark)) if scheme == "dark" else {})


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
