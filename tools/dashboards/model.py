"""What a dashboard is made of, before Grafana's own words: rows of panels that name metrics.

What surprises: a panel has no title, description or unit of its own where it shows one metric; it
says what the table of document types says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tools.dashboards.units import Steps


class PanelStyle(Enum):
    """How a panel shows its values."""

    LINES = "lines"
    BARS = "bars"
    STACK = "bars on top of each other"
    STATES = "a band of states"
    STAT = "the latest value, and its course"
    GAUGE = "the latest value on a dial"


class Transform(Enum):
    """What becomes of a metric before it is shown."""

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
        how: what becomes of it.
        label: what the legend calls it; empty: as the table does.
        colour: of its line; empty: Grafana chooses.
        everybody: whether it stands for several people, and the legend names them.
    """

    metric: str
    how: Transform = Transform.AS_IS
    label: str = ""
    colour: str = ""
    everybody: bool = False


@dataclass(frozen=True)
class PrometheusQuery:
    """One question to Prometheus in a panel."""

    expression: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        lines: what it shows of people; or
        queries: what it asks Prometheus.
        title: what stands above it; empty: the name of its only metric.
        look: how it shows that.
        width: of the 24 columns of the screen.
        height: in rows of about 30 pixels.
        note: what its description says beside what the table says.
        unit: Grafana's name of the unit; empty: that of the metrics.
        low: the lowest value of the axis; None: that of the unit.
        high: the highest.
        steps: values from which another colour holds, with the colours; none: those of the unit.
        minutes: whether a graph shows seconds as minutes rather than hours.
        over: a time up to now that holds for this panel alone, like `14d`.
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
        per_person: whether the row stands there once for each person.
    """

    title: str
    panels: tuple[Panel, ...]
    per_person: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard.

    Attributes:
        uid: its name in addresses and of its file.
        title: its name for people.
        description: what it is for, in one sentence or two.
        start: the begin of the time it shows at first, like `now-90d`.
        rows: what it shows.
        everybody: whether several people can be chosen.
        people: whether it is about people at all.
        refresh: how often it asks anew; empty: when it is opened.
        timezone: of its clock. Days stand at 00:00 UTC; minutes are read in the zone of the reader.
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
