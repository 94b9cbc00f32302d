"""Dashboards, rows, panels and lines, independent of Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tools.dashboards.units import Steps

# Of our own, so that provisioning changes no data source that a Grafana has already.
SOURCE_NAMES = {"graphite": "Oura Graphite", "prometheus": "Oura Prometheus"}


def source_uid(kind: str) -> str:
    """Return the uid under which a data source of ours is provisioned."""
    return f"oura-{kind}"


class PanelStyle(Enum):
    """How a panel shows its values."""

    LINES = "lines"
    BARS = "bars"
    STACK = "stacked bars"
    STATES = "a band of states"
    STAT = "the latest value and a sparkline"
    GAUGE = "the latest value on a dial"


class Transform(Enum):
    """What is done to a metric before it is shown."""

    AS_IS = "as it is"
    WEEK = "7d"
    MONTH = "28d"
    PER_DAY = "added up per day"
    BY_SOURCE = "a line for each source"


@dataclass(frozen=True)
class Line:
    """One metric in a panel.

    Attributes:
        metric: its series and name.
        label: its name in the legend; empty: the metric's name in words.
        colour: of its line; empty: Grafana chooses.
        how: what is done to it.
        everybody: whether it is several people's, whom the legend names.
    """

    metric: str
    label: str = ""
    colour: str = ""
    how: Transform = Transform.AS_IS
    everybody: bool = False


@dataclass(frozen=True)
class PrometheusQuery:
    """One Prometheus query of a panel."""

    expression: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        lines: metrics from Graphite; or
        queries: what it asks Prometheus.
        title: its heading; empty: the name of its only metric.
        look: how it shows the values.
        width: of the 24 columns of the screen.
        height: in rows of about 30 pixels.
        note: an addition to the description that comes from the table.
        unit: Grafana's name of the unit; empty: that of the metrics.
        low: the lowest value of the axis; None: that of the unit.
        high: the highest.
        steps: the values at which colours begin; none: those of the unit.
        minutes: whether a graph shows seconds as minutes rather than hours.
        over: a time range up to now for this panel alone, like `14d`.
    """

    lines: tuple[Line, ...] = ()
    queries: tuple[PrometheusQuery, ...] = ()
    title: str = ""
    look: PanelStyle = PanelStyle.LINES
    width: int = 12
    height: int = 8
    note: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    steps: Steps = ()
    minutes: bool = False
    over: str = ""


@dataclass(frozen=True)
class Row:
    """Panels under a heading.

    Attributes:
        title: the heading.
        panels: in the order of reading.
        per_person: whether the row is repeated for each person.
    """

    title: str
    panels: tuple[Panel, ...]
    per_person: bool = False


def row(title: str, *panels: Panel, per_person: bool = False) -> Row:
    """Return a row, with its panels written one after the other."""
    return Row(title, panels, per_person)


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard.

    Attributes:
        uid: its name in URLs, and of its file.
        title: its heading.
        description: what it is for, in a sentence or two.
        start: the beginning of its default time range, like `now-90d`.
        rows: what it shows.
        everybody: whether several people can be chosen.
        people: whether it is about people at all.
        refresh: how often it is reloaded; empty: when it is opened.
        timezone: `utc` for daily values, which are at 00:00 UTC; `browser` for values of minutes.
    """

    uid: str
    title: str
    description: str
    start: str
    rows: tuple[Row, ...]
    everybody: bool = False
    people: bool = True
    refresh: str = ""
    timezone: str = "utc"
