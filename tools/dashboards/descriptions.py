"""Titles, descriptions and units of panels, from the table of document types."""

from __future__ import annotations

from collections.abc import Iterable

from oura_pipeline.catalog.fields import Merge
from tools.dashboards.metrics import MetricInfo, metric_info
from tools.dashboards.model import Panel, PanelStyle, Transform
from tools.dashboards.targets import label, shown_unit
from tools.dashboards.units import SCORE, Unit

_MOVING = {
    Transform.WEEK: "The mean of 7 days is the mean of a day and the 6 days before it.",
    Transform.MONTH: "The mean of 28 days is the mean of a day and the 27 days before it.",
}
_COLOURS_OF_SCORES = "Green from 85, light green from 70, yellow from 60, red below."


def title(panel: Panel) -> str:
    """Return the title of a panel."""
    return panel.title or metric_info(panel.lines[0].metric).title


def unit(panel: Panel) -> Unit:
    """Return the unit of all lines of a panel.

    Raises:
        ValueError: they have different units.
    """
    if panel.queries:
        return Unit(id=panel.unit, text=panel.unit, low=panel.low)
    units = {shown_unit(metric_info(line.metric), panel) for line in panel.lines}
    if len(units) != 1:
        raise ValueError(f"{title(panel)}: its lines have different units")
    return units.pop()


def description(panel: Panel) -> str:
    """Return what a panel's values are, their unit, and at which time they are."""
    if panel.queries:
        return panel.note
    metrics = [metric_info(line.metric) for line in panel.lines]
    texts = [*_meanings(panel, metrics), f"Shown in {unit(panel).text}.", panel.note]
    texts += dict.fromkeys(_MOVING[line.how] for line in panel.lines if line.how in _MOVING)
    texts += sorted({_when(metric) for metric in metrics})
    if any(_averaged(metric, panel.look) for metric in metrics):
        texts.append("With more days than pixels, a point is the mean of several days.")
    if panel.over:
        texts.append(f"Always shows the last {panel.over}.")
    if unit(panel) is SCORE and panel.look is PanelStyle.GAUGE:
        texts.append(_COLOURS_OF_SCORES)
    return "\n".join(text for text in texts if text)


def _meanings(panel: Panel, metrics: Iterable[MetricInfo]) -> list[str]:
    if len({line.metric for line in panel.lines}) == 1:
        return [metric_info(panel.lines[0].metric).field.description]
    pairs = zip(panel.lines, metrics, strict=True)
    found = {f"{label(line)}: {metric.field.description}" for line, metric in pairs}
    order = [f"{label(line)}: {metric_info(line.metric).field.description}" for line in panel.lines]
    return sorted(found, key=order.index)


def _when(metric: MetricInfo) -> str:
    if metric.daily:
        return "Daily values are at 00:00 UTC of Oura's day, whatever the time zone."
    return f"Values are at their own time, in steps of {_span(metric.interval)}."


def _span(seconds: int) -> str:
    if seconds % 60:
        return f"{seconds} seconds"
    return "a minute" if seconds == 60 else f"{seconds // 60} minutes"


def _averaged(metric: MetricInfo, look: PanelStyle) -> bool:
    graph = look in (PanelStyle.LINES, PanelStyle.BARS, PanelStyle.STACK)
    return graph and metric.daily and metric.field.merge is Merge.SUM
