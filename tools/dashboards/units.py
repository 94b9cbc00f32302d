"""Units of metrics, read from the descriptions in the table of document types."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from oura_pipeline.catalog.fields import Field

# The values at which colours begin; None: the lowest.
Steps = tuple[tuple[float | None, str], ...]


class UnknownUnit(LookupError):
    """A field whose description names no unit that a panel could show."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit as Grafana knows it.

    Attributes:
        id: Grafana's name of it.
        text: what people write.
        low: the lowest value of an axis; None: whatever the values are.
        high: the highest.
        decimals: how many a single value shows.
        steps: the values at which colours begin.
        graph: the unit of graphs; None: the same.
        scale: the factor for values of a graph.
    """

    id: str
    text: str
    low: float | None = None
    high: float | None = None
    decimals: int = 0
    steps: Steps = ()
    graph: Unit | None = None
    scale: str = ""


SCORE = Unit(
    id="none",
    text="score of 0 to 100",
    low=0,
    high=100,
    steps=((None, "red"), (60, "yellow"), (70, "light-green"), (85, "green")),
)
CODE = Unit(id="none", text="code")
# Grafana puts the ticks of an axis of seconds at multiples of 10,000, so graphs show hours.
HOURS = Unit(id="h", text="h", low=0, decimals=1, scale="0.000277777778")
MINUTES = Unit(id="m", text="min", low=0, scale="0.0166666667")
SECONDS = Unit(id="dthms", text="h:min:s", low=0, graph=HOURS)
_TIME_OF_DAY = Unit(id="dthms", text="h:min:s", graph=replace(HOURS, low=None))
COUNT = Unit(id="short", text="count", low=0)

# The first pattern that matches the description counts.
_UNITS: tuple[tuple[str, Unit], ...] = (
    (r"beats per minute", Unit(id="suffix: bpm", text="bpm")),
    (r"breaths per minute", Unit(id="suffix: /min", text="breaths per minute", decimals=1)),
    (r"\bms RMSSD\b", Unit(id="ms", text="ms RMSSD")),
    (r"°C", Unit(id="celsius", text="°C", decimals=2)),
    (r", kcal\b", Unit(id="suffix: kcal", text="kcal", low=0)),
    (r"\bMET-minutes\b", Unit(id="suffix: MET-min", text="MET-minutes", low=0)),
    (r", MET\b", Unit(id="suffix: MET", text="MET", low=0, decimals=1)),
    (r"ml/kg/min", Unit(id="suffix: ml/kg/min", text="ml/kg/min")),
    (r", m/s\b", Unit(id="velocityms", text="m/s", decimals=1)),
    (r", years\b", Unit(id="suffix: years", text="years")),
    (r", kg\b", Unit(id="masskg", text="kg", decimals=1)),
    (r", %", Unit(id="percent", text="%", high=100)),
    (r", s after midnight", _TIME_OF_DAY),
    (r", s\b", SECONDS),
    (r", m\b", Unit(id="lengthm", text="m")),
    (r", count\b", COUNT),
    (r"\b[01] to 100\b", SCORE),
)


def unit_of(field: Field) -> Unit:
    """Return the unit of a field.

    Raises:
        UnknownUnit: its description says none.
    """
    if codes_of(field):
        return CODE
    for pattern, unit in _UNITS:
        if re.search(pattern, field.description):
            return unit
    raise UnknownUnit(
        f"{field.name}: say the unit in its description, or in tools/dashboards/units.py"
    )


def codes_of(field: Field) -> dict[int, str]:
    """Return the meaning of each number, where a field holds codes."""
    if field.codes:
        return {number: text for text, number in field.codes.items()}
    _, colon, listed = field.description.partition(": ")
    pairs = re.findall(r"(\d) ([A-Za-z ]+)", listed if colon else "")
    return {int(number): text for number, text in pairs}
