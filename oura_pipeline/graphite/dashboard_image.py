"""Draw a dashboard without Grafana: graphite-web draws the graphs, cairo the rest.

It does not look like Grafana: legends, axes and gaps are graphite-web's. Panels of Prometheus are
not drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from oura_pipeline.graphite.canvas import Box, Canvas
from oura_pipeline.graphite.dashboards import (
    Json,
    Series,
    ask,
    codes,
    panel_start,
    read_dashboard,
    rows,
    shown,
    shows_everybody,
    targets,
    unit,
)
from oura_pipeline.graphite.metric_names import child_names

WIDTH = 1440  # pixels
_COLUMN, _UNIT, _GAP, _TITLE = WIDTH / 24, 34, 8, 30
_PALETTE = (
    *("73BF69", "F2CC0C", "8AB8FF", "FF780A", "F2495C", "5794F2"),
    *("B877D9", "C8F2C2", "FADE2A", "CA95E5"),
)
_STYLE = {
    **{"bgcolor": "181B1F", "fgcolor": "AEB4BF", "fontName": "DejaVu Sans", "fontSize": "9"},
    **{"majorGridLineColor": "2E333B", "minorGridLineColor": "22262C", "minorY": "0"},
    # Graphite-web hides the legend of more than ten lines, unless it is told not to.
    **{"uniqueLegend": "true", "hideLegend": "false"},
    # Values are in the unit of the panel already: no "k" and "M" after them.
    **{"yUnitSystem": "none", "areaAlpha": "0.75", "margin": "6", "tz": "UTC", "format": "png"},
}


@dataclass(frozen=True)
class _Tile:
    panel: Json
    box: Box
    people: Sequence[str]


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
        GraphiteUnavailable, msgspec.MsgspecError: it does not answer like graphite-web.
    """
    board = read_dashboard(dashboard)
    prefix = next(one["query"] for one in board["templating"]["list"] if one["name"] == "prefix")
    with httpx.Client(timeout=120) as http:
        everybody = sorted(child_names(http, render_url, prefix))
        people = everybody if shows_everybody(board) else [person]
        tiles = list(_tiles(board, people))
        renderer = _Renderer(http, render_url, prefix, _midnight(first), _midnight(last) + 86400)
        canvas = Canvas(WIDTH, int(max(tile.box.bottom for tile in tiles)) + _GAP)
        days = f"{first:%-d %B} to {last:%-d %B %Y}"
        whose = "everybody" if shows_everybody(board) else person
        canvas.heading(board["title"], f"{whose} · {days} · drawn by graphite-web, not Grafana")
        for tile in tiles:
            renderer.draw(canvas, tile)
    canvas.write(path)


def _tiles(board: Json, people: Sequence[str]) -> Iterator[_Tile]:
    """Yield panels with their positions; a row per person is repeated for each of them."""
    top = 56.0
    for row, members in rows(board):
        for names in [[one] for one in people] if "repeat" in row else [people]:
            title = row["title"].replace("$person", "".join(names[:1]))
            yield _Tile(row | {"title": title}, _line(top), names)
            top += _TITLE + 4
            height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in members)
            base = min(one["gridPos"]["y"] for one in members)
            for one in members:
                yield _Tile(one, _box(one["gridPos"], base, top), names)
            top += (height - base) * _UNIT


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
        self._url = url.rstrip("/")
        self._prefix = prefix
        self._start = start
        self._end = end

    def draw(self, canvas: Canvas, tile: _Tile) -> None:
        if tile.panel["type"] == "row":
            canvas.row(tile.box, tile.panel["title"])
            return
        graph = tile.panel["type"] == "timeseries"
        inside = canvas.card(tile.box, tile.panel["title"], unit(tile.panel) if graph else "")
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
        asked = self._range(tile.panel)
        texts = codes(tile.panel)
        bands = [
            (
                one.target,
                [
                    (time, None if value is None else texts.get(value))
                    for value, time in one.datapoints
                ],
            )
            for one in self._series(tile, asked)
        ]
        start, end = int(asked["from"]), int(asked["until"])
        canvas.bands(inside, bands, start, end, list(texts.values()))

    def _value(self, canvas: Canvas, tile: _Tile, inside: Box) -> None:
        found = [one.known for one in self._series(tile, self._range(tile.panel)) if one.known]
        values = [value for value, _ in found[0]] if found else []
        defaults = tile.panel["fieldConfig"]["defaults"]
        text, colour = shown(values[-1], tile.panel) if values else ("–", "#8E8E99")
        if tile.panel["type"] == "gauge":
            low, high = defaults["min"], defaults["max"]
            share = (values[-1] - low) / (high - low) if values else 0.0
            canvas.dial(inside, share, text, colour)
        else:
            canvas.value(inside, text, colour)

    def _ask(self, tile: _Tile, asked: dict[str, str]) -> httpx.Response:
        form = asked | {"target": targets(tile.panel, self._prefix, tile.people)}
        return self._http.post(f"{self._url}/render", data=form).raise_for_status()

    def _series(self, tile: _Tile, asked: dict[str, str]) -> list[Series]:
        form = asked | {"target": targets(tile.panel, self._prefix, tile.people)}
        return ask(self._http, self._url, form)

    def _range(self, panel: Json) -> dict[str, str]:
        start = panel_start(panel, self._start, self._end)
        # `from` is exclusive: a second earlier, or the first point would be missing.
        hours = self._end - start <= 3 * 86400
        return {
            "from": str(start - 1),
            "until": str(self._end - 1),
            "xFormat": "%a %H:%M" if hours else "%d %b",
        }

    def _colours(self, panel: Json) -> list[str]:
        fixed = {
            one["matcher"]["options"]: one["properties"][0]["value"]["fixedColor"].lstrip("#")
            for one in panel["fieldConfig"]["overrides"]
        }
        labels = [re.search(r"'([^']*)'\)$", one["target"]) for one in panel["targets"]]
        spare = iter(_PALETTE * 3)
        if not fixed:
            return list(_PALETTE)
        return [fixed.get(label[1], next(spare)) if label else next(spare) for label in labels]


def _style(panel: Json) -> dict[str, str]:
    """Return graphite-web's options for lines, bars or stacked bars."""
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom["drawStyle"] != "bars":
        return {"lineMode": "connected", "connectedLimit": "15", "lineWidth": "1.6"}
    area = "stacked" if "stacking" in custom else "first"
    return {"lineMode": "staircase", "areaMode": area, "lineWidth": "1"}


def _midnight(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp())
