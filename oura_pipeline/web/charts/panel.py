"""A panel of a dashboard: lines, bars or bands over time, or one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle

from markupsafe import Markup

from oura_pipeline.graphite.dashboards import Json, Series, codes, colours, number, shown, unit
from oura_pipeline.web.charts import svg

_HEIGHT, _BAND, _TOP, _AXIS = 150, 26, 8, 24  # px
_MARKS = 5  # below a panel, at most
_HOURS = (6, 12, 24)  # between marks; then days
_HOUR, _DAY = 3600, 86_400
# The definitions' colours are made for a dark page: site.css has two shades of each, by its name.
_NAMES = {
    **{"#5794F2": "blue", "#1F60C4": "navy", "#8AB8FF": "sky", "#FF9830": "orange"},
    **{"#B877D9": "purple", "#73BF69": "green", "#96D98D": "green", "#37872D": "forest"},
    **{"#F2495C": "red", "#FADE2A": "yellow", "#8E8E99": "grey", "#44464F": "slate"},
    "light-green": "green",
}
_PALETTE = ("green", "orange", "blue", "purple", "red", "yellow", "sky", "forest", "navy", "grey")


@dataclass(frozen=True)
class Label:
    """An entry of a legend: the name of a colour, what has it, and its newest value or share."""

    colour: str
    text: str
    value: str


@dataclass(frozen=True)
class Summary:
    """A series in numbers: the newest, the lowest, the mean and the highest value."""

    label: str
    newest: str
    lowest: str
    mean: str
    highest: str


def panel_chart(name: str, panel: Json, series: Sequence[Series], start: int, end: int) -> Markup:
    """Return the drawing of a panel over time.

    Args:
        name: unique on its page.
        panel: its definition.
        series: at least one with a value.
        start: where the time range begins, UTC seconds.
        end: where it ends.
    """
    is_bands = panel["type"] == "state-timeline"
    height, parts = (_bands if is_bands else _graph)(panel, series, start, end)
    bottom = _TOP + height
    return svg.chart(
        name,
        *svg.x_axis(_marks(start, end), _TOP, bottom),
        *parts,
        title=panel["title"],
        description=_description(panel, series, start, end),
        height=bottom + _AXIS,
        css_class="panel-chart bands" if is_bands else "panel-chart",
    )


def single_value(panel: Json, series: Sequence[Series]) -> tuple[str, str, str]:
    """Return the newest value as people write it, the name of its colour, and its day."""
    found = [point for one in series for point in one.known]
    if not found:
        return "–", "grey", ""
    value, time = found[-1]
    text, colour = shown(value, panel)
    return text, _NAMES.get(colour, colour), f"{datetime.fromtimestamp(time, UTC):%-d %b}"


def labels(panel: Json, series: Sequence[Series]) -> list[Label]:
    """Return the legend of a panel over time: the series, or what the colours of bands mean."""
    if panel["type"] == "state-timeline":
        states = codes(panel)
        values = [value for one in series for value, _ in one.known]
        share = {code: values.count(code) / len(values) for code in states} if values else {}
        return [
            Label(_NAMES.get(colour, colour), text, f"{share[code]:.0%}")
            for code, (text, colour) in states.items()
            if share.get(code)
        ]
    named = _colour_of(panel, series)
    return [
        Label(named[one.target], one.target, number(one.known[-1][0], panel))
        for one in series
        if one.known
    ]


def summaries(panel: Json, series: Sequence[Series]) -> list[Summary]:
    """Return every series in numbers; none for bands, whose codes are no amounts."""
    if panel["type"] == "state-timeline":
        return []
    return [_summary(one, panel) for one in series if one.known]


def _summary(series: Series, panel: Json) -> Summary:
    values = [value for value, _ in series.known]
    of = (values[-1], min(values), sum(values) / len(values), max(values))
    return Summary(series.target, *(number(value, panel) for value in of))


def _graph(
    panel: Json, series: Sequence[Series], start: int, end: int
) -> tuple[float, list[Markup]]:
    defaults = panel["fieldConfig"]["defaults"]
    custom, named = defaults["custom"], _colour_of(panel, series)
    tops = _stacked(series) if "stacking" in custom else [dict(_by_time(one)) for one in series]
    known = [value for one in tops for value in one.values()]
    limits = [defaults[key] for key in ("min", "max") if key in defaults]
    vertical = svg.scale([*known, *limits], _HEIGHT, intervals=4)
    drawn = []
    # The last one of a stack reaches highest: the others are drawn over it.
    for one, values in reversed([*zip(series, tops, strict=True)]):
        ink = f"ink-{named[one.target]}"
        if custom["drawStyle"] == "bars":
            steps = "".join(_bars(values, _step(one), vertical, start, end))
            drawn.append(svg.path(steps, f"filled {ink}"))
        else:
            gap = custom.get("spanNulls") or 0
            points = _connected(values, max(int(gap) / 1000, 1.5 * _step(one)))
            placed = [p and (p[0] - start, vertical.y(p[1])) for p in points]
            drawn.append(svg.path(svg.line(placed), f"line {ink}"))
    inside = svg.plot(*drawn, top=_TOP, width=end - start, height=_HEIGHT)
    return _HEIGHT, [*svg.y_axis(vertical, _TOP), inside]


def _bars(
    values: Mapping[int, float], step: int, vertical: svg.Scale, start: int, end: int
) -> Iterator[str]:
    zero = vertical.y(max(0, vertical.ticks[0]))
    for time, value in values.items():
        left, right = max(time - start, 0), min(time - start + 0.85 * step, end - start)
        yield f"M{left} {zero:.1f}V{vertical.y(value):.1f}H{right:.0f}V{zero:.1f}z"


def _bands(
    panel: Json, series: Sequence[Series], start: int, end: int
) -> tuple[float, list[Markup]]:
    shown_ones, states, parts = [one for one in series if one.known], codes(panel), []
    for row, one in enumerate(shown_ones):
        top, step = _TOP + row * _BAND, _step(one)
        parts.append(svg.side_label(one.target, top + _BAND / 2 + 4))
        for code, (_, colour) in states.items():
            times = [time - start for value, time in one.known if value == code]
            steps = "".join(f"M{at} 4h{step}V{_BAND}h{-step}z" for at in times)
            if steps:
                ink = f"filled ink-{_NAMES.get(colour, colour)}"
                band = svg.path(steps, ink)
                parts.append(svg.plot(band, top=top, width=end - start, height=_BAND))
    return _BAND * len(shown_ones), parts


def _by_time(series: Series) -> Iterator[tuple[int, float]]:
    return ((time, value) for value, time in series.known)


def _stacked(series: Sequence[Series]) -> list[dict[int, float]]:
    """Return the upper ends of bars that stand on each other, the first at the bottom."""
    reached: dict[int, float] = {}
    found = []
    for one in series:
        ends = {time: reached.get(time, 0.0) + value for time, value in _by_time(one)}
        reached |= ends
        found.append(ends)
    return found


def _connected(values: Mapping[int, float], gap: float) -> Iterator[tuple[int, float] | None]:
    """Yield points, with None where two are further apart than a gap of so many seconds."""
    before = None
    for time, value in values.items():
        if before is not None and time - before > gap:
            yield None
        yield time, value
        before = time


def _step(series: Series) -> int:
    times = [time for _, time in series.datapoints[:2]]
    return times[1] - times[0] if times[1:] else _DAY


def _colour_of(panel: Json, series: Sequence[Series]) -> dict[str, str]:
    fixed = {label: _NAMES.get(colour, "blue") for label, colour in colours(panel).items()}
    spare = cycle(name for name in _PALETTE if name not in fixed.values())
    return {one.target: fixed.get(one.target) or next(spare) for one in series}


def _marks(start: int, end: int) -> Iterator[tuple[float, str]]:
    """Yield a few round times: per cent, label."""
    hours = next((n for n in _HOURS if (end - start) / (n * _HOUR) <= _MARKS), 0)
    pause = hours * _HOUR or -(-(end - start) // (_MARKS * _DAY)) * _DAY
    for at in range(start - start % pause + pause, end, pause):
        text = f"{datetime.fromtimestamp(at, UTC):{'%H:%M' if pause < _DAY else '%-d %b'}}"
        yield 100 * (at - start) / (end - start), text


def _description(panel: Json, series: Sequence[Series], start: int, end: int) -> str:
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for at in (start, end - 1))
    said = "; ".join(f"{one.text} {one.value}" for one in labels(panel, series))
    what = "" if panel["type"] == "state-timeline" else ", the newest values"
    beside = f", in {unit(panel)}" if unit(panel) else ""
    return f"{first} to {last}{beside}{what}: {said}."
