"""What is asked of Graphite for a line of a panel.

What surprises: graphite-web thins out what has more points than a panel has pixels, by the mean.
That is right for levels, and for amounts of a day (the mean of some days is an amount of a day);
codes and latest values are thinned out by the last, and amounts at a time by the sum.
"""

from __future__ import annotations

from oura_pipeline.catalog.fields import Merge
from tools.dashboards.metrics import MetricInfo, metric_info
from tools.dashboards.model import Line, Panel, PanelStyle, Transform
from tools.dashboards.units import MINUTES, SECONDS, Unit

_PERSON = "$prefix.$person"
_ONE_VALUE = (PanelStyle.STAT, PanelStyle.GAUGE)
MEANS = {Transform.WEEK: "mean of 7 days", Transform.MONTH: "mean of 28 days"}


def target(line: Line, panel: Panel) -> str:
    """The expression that Graphite evaluates."""
    metric = metric_info(line.metric)
    expression = _made(metric, line.how, panel.look)
    if scale := shown_unit(metric, panel).scale:
        expression = f"scale({expression}, {scale})"
    if line.everybody:
        # Counted from the end: a prefix may have dots.
        return f"aliasByNode({expression}, {-len(metric.path.split('.')) - 1})"
    if line.how is Transform.BY_SOURCE:
        return f"aliasByNode({expression}, -2)"
    return f"alias({expression}, '{label(line)}')"


def label(line: Line) -> str:
    """What the legend calls a line."""
    return line.label or MEANS.get(line.how) or metric_info(line.metric).title


def shown_unit(metric: MetricInfo, panel: Panel) -> Unit:
    """The unit in which a panel shows a metric."""
    unit = metric.unit
    if panel.look in _ONE_VALUE:
        return unit
    return MINUTES if panel.minutes and unit is SECONDS else unit.graph or unit


def _made(metric: MetricInfo, how: Transform, look: PanelStyle) -> str:
    name = f"{_PERSON}.{metric.path}"
    if how in MEANS:
        return f"movingAverage({name}, '{how.value}')"
    if how is Transform.PER_DAY:
        return f"summarize({name}, '1d', 'sum', false)"
    if how is Transform.BY_SOURCE:
        series, _, rest = metric.path.partition(".")
        return f"{_PERSON}.{series}.*.{rest}"
    if look in _ONE_VALUE:
        # Graphite leaves out a point that stands exactly at the begin of the range, where a range
        # of whole days has its first value.
        return f"timeShift({name}, '1s')" if metric.daily else f"consolidateBy({name}, 'last')"
    return _thinned(metric, name)


def _thinned(metric: MetricInfo, name: str) -> str:
    if metric.field.merge is Merge.LAST or metric.codes:
        return f"consolidateBy({name}, 'last')"
    if metric.field.merge is Merge.SUM and not metric.daily:
        return f"consolidateBy({name}, 'sum')"
    return name
