"""The dashboards of people as their JSON defines them, and what graphite-web has for a panel."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec

FOLDER = Path("deploy/grafana")  # from the root of the repository, and of the wheel's package
UIDS = ("oura-day", "oura-sleep", "oura-heart", "oura-activity", "oura-stress", "oura-leaderboard")
"""Those that are about people; that of the pipeline's health asks Prometheus."""
SECONDS = {"d": 86400, "h": 3600}
_PACKAGE = Path(__file__).resolve().parents[1]
_UNITS = {
    **{"none": "", "short": "", "celsius": "°C", "percent": "%", "m": "min"},
    **{"lengthm": "m", "velocityms": "m/s", "masskg": "kg"},
}

Json = dict[str, Any]


class Series(msgspec.Struct, frozen=True):
    """What graphite-web returns for a target: values, or None, with their times in UTC seconds."""

    target: str
    datapoints: list[tuple[float | None, int]]

    @property
    def known(self) -> list[tuple[float, int]]:
        """The points that have a value."""
        return [(value, time) for value, time in self.datapoints if value is not None]


_ANSWER = msgspec.json.Decoder(list[Series])


def dashboard_path(uid: str) -> Path:
    """Return where the JSON of a dashboard lies, from the root of the repository."""
    return FOLDER / "dashboards" / f"{uid}.json"


def dashboards_folder() -> Path:
    """Return the folder of the dashboards: in the installed package, or in the checkout."""
    inside = _PACKAGE / FOLDER / "dashboards"
    return inside if inside.exists() else _PACKAGE.parent / FOLDER / "dashboards"


@cache
def read_dashboard(uid: str) -> Json:
    """Return a dashboard; it is shared, so leave it as it is."""
    # The committed JSON, not the code that builds it: that would need Grafana's SDK.
    path = dashboards_folder() / dashboard_path(uid).name
    board: Json = json.loads(path.read_text(encoding="utf-8"))
    return board


def rows(board: Json) -> list[tuple[Json, list[Json]]]:
    """Return the rows of a dashboard, each with its panels."""
    found: list[tuple[Json, list[Json]]] = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            found.append((panel, []))
        else:
            found[-1][1].append(panel)
    return found


def shows_everybody(board: Json) -> bool:
    """Return whether a dashboard shows several people at once."""
    return any(one["name"] == "person" and one["multi"] for one in board["templating"]["list"])


def targets(panel: Json, prefix: str, people: Sequence[str]) -> list[str]:
    """Return what a panel asks graphite-web for, about these people."""
    person = "{" + ",".join(people) + "}" if people[1:] else "".join(people)
    names = {"$prefix": prefix, "$person": person}
    return [
        re.sub(r"\$(prefix|person)", lambda found: names[found[0]], one["target"])
        for one in panel["targets"]
    ]


def ask(http: httpx.Client, render_url: str, asked: Mapping[str, Any]) -> list[Series]:
    """Return graphite-web's answer.

    Args:
        http: the client to ask with.
        render_url: address of graphite-web.
        asked: the parameters of a query.

    Raises:
        httpx.HTTPError: it does not answer.
        msgspec.MsgspecError: it does not answer in numbers.
    """
    form = {"format": "json", **asked}
    answer = http.post(f"{render_url.rstrip('/')}/render", data=form).raise_for_status()
    return _ANSWER.decode(answer.content)


def panel_start(panel: Json, start: int, end: int) -> int:
    """Return where the time range of a panel begins, which may have one of its own."""
    if over := panel.get("timeFrom"):
        return end - int(over[:-1]) * SECONDS[over[-1]]
    return start


def codes(panel: Json) -> dict[float, tuple[str, str]]:
    """Return the text and the colour of each code."""
    options = panel["fieldConfig"]["defaults"].get("mappings", [{"options": {}}])[0]["options"]
    return {float(code): (one["text"], one["color"]) for code, one in options.items()}


def colours(panel: Json) -> dict[str, str]:
    """Return the colours of series that have one of their own, by their labels."""
    return {
        one["matcher"]["options"]: one["properties"][0]["value"]["fixedColor"]
        for one in panel["fieldConfig"]["overrides"]
    }


def shown(value: float, panel: Json) -> tuple[str, str]:
    """Return a value as people write it, and its colour."""
    defaults = panel["fieldConfig"]["defaults"]
    if found := codes(panel).get(value):
        return found
    steps = defaults["thresholds"]["steps"]
    colour = [one["color"] for one in steps if one["value"] is None or value >= one["value"]][-1]
    return number(value, panel), colour


def number(value: float, panel: Json) -> str:
    """Return a number as people write it, with its unit."""
    defaults = panel["fieldConfig"]["defaults"]
    if defaults["unit"] == "dthms":
        return f"{int(value) // 3600}:{int(value) % 3600 // 60:02} h"
    return f"{value:,.{defaults['decimals']}f} {unit(panel)}".strip()


def unit(panel: Json) -> str:
    """Return the unit as people write it."""
    name = str(panel["fieldConfig"]["defaults"]["unit"])
    return _UNITS.get(name, name.removeprefix("suffix: "))
