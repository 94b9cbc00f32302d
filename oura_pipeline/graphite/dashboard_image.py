"""Draw a dashboard without Grafana: graphite-web draws the graphs, cairo the rest.

It does not look like Grafana: legends, axes and gaps are graphite-web's. Panels of Prometheus are
not drawn.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from oura_pipeline.graphite.canvas import Box, Canvas
from oura_pipeline.graphite.metric_names import child_names

WIDTH = 1440  # pixels
_COLUMN, _UNIT, _GAP, _TITLE = WIDTH / 24, 34, 8, 30
_PACKAGE = Path(__file__).resolve().parents[1]
FOLDER = Path("deploy/grafana")  # from the root of the repository, and of the wheel's package
_SECONDS = {"d": 86400, "h": 3600}
_PALETTE = (
    *("73BF69", "F2CC0C", "8AB8FF", "FF780A", "F2495C", "5794F2"),
    *("B877D9", "C8F2C2", "FADE2A", "CA95E5"),
)
_UNITS = {
    **{"none": "", "short": "", "celsius": "°C", "percent": "%", "m": "min"},
    **{"lengthm": "m", "velocityms": "m/s", "masskg": "kg"},
}
_STYLE = {
    **{"bgcolor": "181B1F", "fgcolor": "AEB4BF", "fontName": "DejaVu Sans", "fontSize": "9"},
    **{"majorGridLineColor": "2E333B", "minorGridLineColor": "22262C", "minorY": "0"},
    # Graphite-web hides the legend of more than ten lines, unless it is told not to.
    **{"uniqueLegend": "true", "hideLegend": "false"},
    # Values are in the unit of the panel already: no "k" and "M" after them.
    **{"yUnitSystem": "none", "areaAlpha": "0.75", "margin": "6", "tz": "UTC", "format": "png"},
}

_Json = dict[str, Any]


@dataclass(frozen=True)
class _Tile:
    panel: _Json
    box: Box
    person: str


def draw(
    render_url: str, dashboard: str, path: Path, *, person: str, first: date, last: date
) -> None:
    """Draw a dashboard of people into a PNG file.

    Args:
        render_url: address of graphite-web.
        dashboard: its uid, like `oura-sleep`.
        path: the file to write.
        person: whose values; a dashboard of everybody shows everybody in Graphite.
        first: the first day to show, UTC.
        last: the last day.

    Raises:
        httpx.HTTPError: graphite-web does not answer.
        GraphiteUnavailable: it does not answer like graphite-web.
    """
    # The committed JSON, not the code that builds it: that would need Grafana's SDK.
    board = json.loads(_file(dashboard).read_text(encoding="utf-8"))
    prefix = next(one["query"] for one in board["templating"]["list"] if one["name"] == "prefix")
    with httpx.Client(timeout=120) as http:
        everybody = sorted(child_names(http, render_url, prefix))
        shows_everybody = _shows_everybody(board)
        shown = everybody if shows_everybody else [person]
        tiles = list(_tiles(board["panels"], shown))
        renderer = _Renderer(http, render_url, prefix, _midnight(first), _midnight(last) + 86400)
        canvas = Canvas(WIDTH, int(max(tile.box.bottom for tile in tiles)) + _GAP)
        days = f"{first:%-d %B} to {last:%-d %B %Y}"
        whose = "everybody" if shows_everybody else person
        canvas.heading(board["title"], f"{whose} · {days} · drawn by graphite-web, not Grafana")
        for tile in tiles:
            renderer.draw(canvas, tile)
    canvas.write(path)


def dashboard_path(uid: str) -> Path:
    """Return where the JSON of a dashboard lies, from the root of the repository."""
    return FOLDER / "dashboards" / f"{uid}.json"


def _file(dashboard: str) -> Path:
    """Return the committed JSON: in the checkout, or in the installed package."""
    inside = _PACKAGE / dashboard_path(dashboard)
    return inside if inside.exists() else _PACKAGE.parent / dashboard_path(dashboard)


def _tiles(panels: Sequence[_Json], people: Sequence[str]) -> Iterator[_Tile]:
    """Yield panels with their positions; a row per person is repeated for each of them."""
    all_of_them = "{" + ",".join(people) + "}" if people[1:] else "".join(people)
    top = 56.0
    for row, members in _rows(panels):
        for name in people if "repeat" in row else [all_of_them]:
            yield _Tile(row | {"title": row["title"].replace("$person", name)}, _line(top), name)
            top += _TITLE + 4
            height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in members)
            base = min(one["gridPos"]["y"] for one in members)
            for one in members:
                yield _Tile(one, _box(one["gridPos"], base, top), name)
            top += (height - base) * _UNIT


def _rows(panels: Sequence[_Json]) -> list[tuple[_Json, list[_Json]]]:
    rows: list[tuple[_Json, list[_Json]]] = []
    for panel in panels:
        if panel["type"] == "row":
            rows.append((panel, []))
        else:
            rows[-1][1].append(panel)
    return rows


def _line(top: float) -> Box:
    return Box(_GAP, top, WIDTH - 2 * _GAP, _TITLE)


def _box(grid: dict[str, int], base: int, top: float) -> Box:
    left, height = grid["x"] * _COLUMN, grid["h"] * _UNIT
    box = Box(left, top + (grid["y"] - base) * _UNIT, grid["w"] * _COLUMN, height)
    return box.inner(_GAP / 2)


class _Renderer:
    """Draws panels of one dashboard, with values of one time range."""

    def __init__(self, http: httpx.Client, url: str, prefix: str, start: int, end: int) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/render"
        self._prefix = prefix
        self._start = start
        self._end = end

    def draw(self, canvas: Canvas, tile: _Tile) -> None:
        if tile.panel["type"] == "row":
            canvas.row(tile.box, tile.panel["title"])
            return
        graph = tile.panel["type"] == "timeseries"
        unit = _unit(tile.panel) if graph else ""
        inside = canvas.card(tile.box, tile.panel["title"], unit)
        if graph:
            canvas.picture(inside, self._graph(tile, inside))
        elif tile.panel["type"] == "state-timeline":
            self._states(canvas, tile, inside)
        else:
            self._value(canvas, tile, inside)

    def _graph(self, tile: _Tile, inside: Box) -> io.BytesIO:
        defaults = tile.panel["fieldConfig"]["defaults"]
        size = {"width": str(int(inside.width)), "height": str(int(inside.height))}
        limits = {
            f"y{key.title()}": str(defaults[key]) for key in ("min", "max") if key in defaults
        }
        colours = {"colorList": ",".join(self._colours(tile.panel))}
        asked = _STYLE | size | limits | colours | _style(tile.panel) | self._range(tile.panel)
        return io.BytesIO(self._ask(tile, asked).content)

    def _states(self, canvas: Canvas, tile: _Tile, inside: Box) -> None:
        asked = self._range(tile.panel) | {"format": "json"}
        codes = _codes(tile.panel)
        bands = [
            (one["target"], [(time, codes.get(value)) for value, time in one["datapoints"]])
            for one in self._ask(tile, asked).json()
        ]
        start, end = int(asked["from"]), int(asked["until"])
        canvas.bands(inside, bands, start, end, list(codes.values()))

    def _value(self, canvas: Canvas, tile: _Tile, inside: Box) -> None:
        asked = self._range(tile.panel) | {"format": "json", "noNullPoints": "true"}
        found = [one for one in self._ask(tile, asked).json() if one["datapoints"]]
        values = [value for value, _ in found[0]["datapoints"]] if found else []
        defaults = tile.panel["fieldConfig"]["defaults"]
        text, colour = _shown(values[-1], tile.panel) if values else ("–", "#8E8E99")
        if tile.panel["type"] == "gauge":
            low, high = defaults["min"], defaults["max"]
            share = (values[-1] - low) / (high - low) if values else 0.0
            canvas.dial(inside, share, text, colour)
        else:
            canvas.value(inside, text, colour)

    def _ask(self, tile: _Tile, asked: dict[str, str]) -> httpx.Response:
        names = {"$prefix": self._prefix, "$person": tile.person}
        targets = [
            re.sub(r"\$(prefix|person)", lambda found: names[found[0]], one["target"])
            for one in tile.panel["targets"]
        ]
        return self._http.post(self._url, data=asked | {"target": targets}).raise_for_status()

    def _range(self, panel: _Json) -> dict[str, str]:
        start = self._start
        if over := panel.get("timeFrom"):
            start = max(self._end - int(over[:-1]) * _SECONDS[over[-1]], self._start)
        # `from` is exclusive: a second earlier, or the first point would be missing.
        hours = self._end - start <= 3 * 86400
        return {
            "from": str(start - 1),
            "until": str(self._end - 1),
            "xFormat": "%a %H:%M" if hours else "%d %b",
        }

    def _colours(self, panel: _Json) -> list[str]:
        fixed = {
            one["matcher"]["options"]: one["properties"][0]["value"]["fixedColor"].lstrip("#")
            for one in panel["fieldConfig"]["overrides"]
        }
        labels = [re.search(r"'([^']*)'\)$", one["target"]) for one in panel["targets"]]
        spare = iter(_PALETTE * 3)
        if not fixed:
            return list(_PALETTE)
        return [fixed.get(label[1], next(spare)) if label else next(spare) for label in labels]


def _style(panel: _Json) -> dict[str, str]:
    """Return graphite-web's options for lines, bars or stacked bars."""
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom["drawStyle"] != "bars":
        return {"lineMode": "connected", "connectedLimit": "15", "lineWidth": "1.6"}
    area = "stacked" if "stacking" in custom else "first"
    return {"lineMode": "staircase", "areaMode": area, "lineWidth": "1"}


def _codes(panel: _Json) -> dict[float, tuple[str, str]]:
    """Return the text and the colour of each code."""
    options = panel["fieldConfig"]["defaults"].get("mappings", [{"options": {}}])[0]["options"]
    return {float(code): (one["text"], one["color"]) for code, one in options.items()}


def _shown(value: float, panel: _Json) -> tuple[str, str]:
    """Return a value as people write it, and its colour."""
    defaults = panel["fieldConfig"]["defaults"]
    if found := _codes(panel).get(value):
        return found
    steps = defaults["thresholds"]["steps"]
    colour = [one["color"] for one in steps if one["value"] is None or value >= one["value"]][-1]
    if defaults["unit"] == "dthms":
        return f"{int(value) // 3600}:{int(value) % 3600 // 60:02} h", colour
    return f"{value:,.{defaults['decimals']}f} {_unit(panel)}".strip(), colour


def _unit(panel: _Json) -> str:
    """Return the unit as people write it."""
    unit = str(panel["fieldConfig"]["defaults"]["unit"])
    return _UNITS.get(unit, unit.removeprefix("suffix: "))


def _shows_everybody(board: _Json) -> bool:
    return any(one["name"] == "person" and one["multi"] for one in board["templating"]["list"])


def _midnight(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp())
