"""Checks of a dashboard's JSON, alone and against a real graphite-web."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, get_args

import httpx
from grafana_foundation_sdk.models import units
from jsonschema import Draft202012Validator

from oura_pipeline_tests.tools.dashboards.people_in_graphite import PeopleInGraphite
from oura_pipeline_tests.tools.dashboards.schema import DASHBOARD

Json = dict[str, Any]
SECONDS = {"h": 3600, "d": 86400}
KNOWN_UNITS = {value for name, value in vars(units).items() if isinstance(value, str)} | {
    argument for annotation in units.__annotations__.values() for argument in get_args(annotation)
}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_VALIDATOR = Draft202012Validator(DASHBOARD)


def faults(board: Json) -> list[str]:
    """Everything that is wrong with the JSON itself."""
    return [
        *(f"schema: {error.json_path}" for error in _VALIDATOR.iter_errors(board)),
        *_ids(board),
        *_variables(board),
        *_sources(board),
        *_places(board),
        *_units(board),
    ]


def panels(board: Json) -> list[Json]:
    """Everything but the headings."""
    return [one for one in board["panels"] if one["type"] != "row"]


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of variables, as Grafana fills them in; an unknown one stays."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def span(range_: str) -> int:
    """The length of `now-90d` or `14d`, in seconds."""
    number, unit = re.fullmatch(r"(?:now-)?(\d+)([dh])", range_).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def answers(
    board: Json, shown: PeopleInGraphite, values: Mapping[str, str], start: int | None = None
) -> Iterator[tuple[Json, dict[str, list[float]]]]:
    """Each panel that asks Graphite, and the values of each of its targets.

    From `start`, or over the time that Grafana shows at first.
    """
    for panel in panels(board):
        begin = shown.now - span(panel.get("timeFrom") or board["time"]["from"])
        targets = [filled(asked["target"], values) for asked in panel["targets"]]
        yield panel, _values(shown, targets, begin if start is None else start)


def _values(shown: PeopleInGraphite, targets: list[str], start: int) -> dict[str, list[float]]:
    """All targets in one question, as Grafana asks; one by one where not all have an answer."""
    found = [_numbers(one) for one in shown.render(targets, start, shown.now)]
    if len(found) == len(targets):
        # They come in the order in which they were asked for.
        return dict(zip(targets, found, strict=True))
    return {
        target: [value for one in shown.render(target, start, shown.now) for value in _numbers(one)]
        for target in targets
    }


def _numbers(answer: Json) -> list[float]:
    return [value for value, _ in answer["datapoints"] if value is not None]


def unanswered(board: Json, shown: PeopleInGraphite, values: Mapping[str, str]) -> list[str]:
    """The targets to which graphite-web has no answer, or only an empty one."""
    try:
        return [
            target
            for _, by_target in answers(board, shown, values)
            for target, found in by_target.items()
            if not found
        ]
    except httpx.HTTPStatusError as error:
        return [f"HTTP {error.response.status_code}"]


def _ids(board: Json) -> list[str]:
    ids = Counter(one["id"] for one in board["panels"])
    letters = [
        f"panel {one['id']}: two targets have one refId"
        for one in panels(board)
        if len({asked["refId"] for asked in one["targets"]}) < len(one["targets"])
    ]
    return [f"id {number} is there twice" for number, count in ids.items() if count > 1] + letters


def _variables(board: Json) -> list[str]:
    defined = {one["name"] for one in board["templating"].get("list", ())}
    used = set(_VARIABLE.findall(" ".join(_texts(board))))
    return [f"${name} is not defined" for name in sorted(used - defined)] + [
        f"${name} is never used" for name in sorted(defined - used)
    ]


def _texts(board: Json) -> Iterator[str]:
    for variable in board["templating"].get("list", ()):
        yield variable["query"]
    for one in board["panels"]:
        yield one["title"]
        yield one.get("datasource", {}).get("uid", "")
        yield from (asked.get("target") or asked["expr"] for asked in one.get("targets", ()))


def _sources(board: Json) -> list[str]:
    return [
        f"panel {one['id']}: a target has another data source"
        for one in panels(board)
        if any(asked["datasource"] != one["datasource"] for asked in one["targets"])
    ]


def _places(board: Json) -> list[str]:
    places = {one["id"]: one["gridPos"] for one in board["panels"]}
    return [
        f"panels {first} and {second} overlap"
        for first, second in combinations(places, 2)
        if _overlap(places[first], places[second])
    ] + [f"panel {number} is too wide" for number, at in places.items() if at["x"] + at["w"] > 24]


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def _units(board: Json) -> list[str]:
    named: Iterable[tuple[int, str]] = (
        (one["id"], one["fieldConfig"]["defaults"]["unit"]) for one in panels(board)
    )
    return [
        f"panel {number}: Grafana has no unit {unit!r}"
        for number, unit in named
        if unit not in KNOWN_UNITS and not unit.startswith("suffix: ")
    ]
