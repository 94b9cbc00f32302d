"""Graphite expressions for the lines of panels."""

from __future__ import annotations

from oura_pipeline.catalog.fields import Merge
from tools.dashboards.metrics import MetricInfo, metric_info
from tools.dashboards.model import Line, Panel, PanelStyle, Transform
from tools.dashboards.units import MINUTES, SECONDS, Unit

_PERSON = "$prefix.$person"
_SINGLE_VALUE = (PanelStyle.STAT, PanelStyle.GAUGE)
MEANS = {Transform.WEEK: "mean of 7 days", Transform.MONTH: "mean of 28 days"}


def target(line: Line, panel: Panel) -> str:
    """Return the expression for Graphite."""
    metric = metric_info(line.metric)
    expression = _expression(metric, line.how, panel.look)
    if scale := shown_unit(metric, panel).scale:
        expression = f"scale({expression}, {scale})"
    if line.everybody:
        # Counted from the end: a prefix may have dots.
        return f"aliasByNode({expression}, {-len(metric.path.split('.')) - 1})"
    if line.how is Transform.BY_SOURCE:
        return f"aliasByNode({expression}, -2)"
    return f"alias({expression}, '{label(line)}')"


def label(line: Line) -> str:
    """Return the name of a line in the legend."""
    return line.label or MEANS.get(line.how) or metric_info(line.metric).title


def shown_unit(metric: MetricInfo, panel: Panel) -> Unit:
    """Return the unit in which a panel shows a metric."""
    unit = metric.unit
    if panel.look in _SINGLE_VALUE:
        return unit
    return MINUTES if panel.minutes and unit is SECONDS else unit.graph or unit


def _expression(metric: MetricInfo, how: Transform, look: PanelStyle) -> str:
    name = f"{_PERSON}.{metric.path}"
    if how in MEANS:
        return f"movingAverage({name}, '{how.value}')"
    if how is Transform.PER_DAY:
        return f"summarize({name}, '1d', 'sum', false)"
    if how is Transform.BY_SOURCE:
        series, _, rest = metric.path.partition(".")
        return f"{_PERSON}.{series}.*.{rest}"
    if look in _SINGLE_VALUE:
        # Graphite leaves out a point exactly at the beginning of the range, which is where a range
        # of whole days has its first value.
        return f"timeShift({name}, '1s')" if metric.daily else f"consolidateBy({name}, 'last')"
    return _consolidated(metric, name)


def _consolidated(metric: MetricInfo, name: str) -> str:
    # Graphite-web merges points when there are more than pixels, by default to their mean. That is
    # right for levels and for daily amounts, but there is no mean of codes, and amounts at a time
    # have to be added up.
    if metric.field.merge is Merge.LAST or metric.codes:
        return f"consolidateBy({name}, 'last')"
    if metric.field.merge is Merge.SUM and not metric.daily:
        return f"consolidateBy({name}, 'sum')"
    return name
