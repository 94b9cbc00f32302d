"""Dashboards as Grafana's classic JSON (v1), which every Grafana since 10 imports.

The only module that needs grafana-foundation-sdk.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

from tools.dashboards import descriptions
from tools.dashboards.metrics import metric_info
from tools.dashboards.model import SOURCE_NAMES, Dashboard, Line, Panel, PanelStyle, Row, source_uid
from tools.dashboards.targets import MEANS, label, target
from tools.dashboards.units import Unit

with warnings.catch_warnings():
    # The SDK deprecates v1 in favour of v2, which Grafana before 12 does not import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as options
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.builders import gauge, prometheus, stat, statetimeline, timeseries
    from grafana_foundation_sdk.cog import plugins, runtime
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.variants import Dataquery
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as model

TAG = "oura"
# Variables of different names: a link to another dashboard carries them along.
GRAPHITE = model.DataSourceRef(type_val="graphite", uid="${datasource}")
PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="${prometheus_datasource}")
_DAY_MS = 86_400_000
# Lines continue over gaps of at most three days, or a quarter of an hour.
_GAP_OF_DAYS, _GAP_WITHIN_A_DAY = 3 * _DAY_MS, 15 * 60_000
_BLUE = ((None, "blue"),)
# Colours of codes, by the texts in the table of document types.
_COLOURS = {
    **{"deep": "#1F60C4", "light": "#8AB8FF", "REM": "#B877D9", "awake": "#FF9830"},
    **{"not worn": "#44464F", "rest": "#1F60C4", "inactive": "#8E8E99"},
    **{"low": "#FADE2A", "medium": "#FF9830", "high": "#F2495C"},
    **{"none": "#1F60C4", "restless": "#8AB8FF", "tossing": "#FF9830", "active": "#F2495C"},
    **{"restored": "#73BF69", "normal": "#5794F2", "stressful": "#F2495C"},
    **{"limited": "#F2495C", "adequate": "#FF9830", "solid": "#FADE2A"},
    **{"strong": "#96D98D", "exceptional": "#37872D"},
}
_GREY = "#8E8E99"

_AnyPanel = timeseries.Panel | statetimeline.Panel | stat.Panel | gauge.Panel


class GraphiteQuery(Dataquery):
    """A target of Grafana's Graphite data source, for which the SDK has no type."""

    def __init__(self, target: str, ref_id: str) -> None:
        self.target = target
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        return {
            "target": self.target,
            "refId": self.ref_id,
            "textEditor": True,
            "datasource": {"type": GRAPHITE.type_val, "uid": GRAPHITE.uid},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(data["target"], data["refId"])


class _Graphite(Builder[GraphiteQuery]):
    def __init__(self, target: str, ref_id: str) -> None:
        self._query = GraphiteQuery(target, ref_id)

    def build(self) -> GraphiteQuery:
        return self._query


def to_json(dashboard: Dashboard) -> str:
    """Return the JSON of a dashboard, the same every time."""
    return _encoded(_dashboard(dashboard).build())


def round_trip(text: str) -> str:
    """Return the JSON as the SDK's models read and write it: the same, if they know all of it."""
    plugins.register_default_plugins()
    runtime.register_dataquery_variant(
        runtime.DataqueryConfig(identifier="graphite", from_json_hook=GraphiteQuery.from_json)
    )
    dashboard = model.Dashboard.from_json(json.loads(text))
    for link in dashboard.links or ():
        _show_inline(link)
    return _encoded(dashboard)


def _encoded(dashboard: model.Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(dashboard) + "\n"


def _dashboard(dashboard: Dashboard) -> build.Dashboard:
    built = (
        build.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([TAG])
        .timezone(dashboard.timezone)
        .time(dashboard.start, "now")
        .refresh(dashboard.refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(_DashboardLinks())
    )
    built.with_variable(_datasource(GRAPHITE if dashboard.people else PROMETHEUS))
    if dashboard.people:
        built.with_variable(_prefix()).with_variable(_person(several=dashboard.everybody))
    number = 0
    for row in dashboard.rows:
        number += 1
        built.with_row(_row(row, number))
        for panel in row.panels:
            number += 1
            built.with_panel(_panel(panel, number))
    return built


class _DashboardLinks(Builder[model.DashboardLink]):
    """Links to all dashboards of the tag, side by side."""

    def build(self) -> model.DashboardLink:
        link = model.DashboardLink(
            title="Oura",
            type_val=model.DashboardLinkType.DASHBOARDS,
            icon="external link",
            tooltip="Other dashboards",
            tags=[TAG],
            include_vars=True,
        )
        _show_inline(link)
        return link


def _show_inline(link: model.DashboardLink) -> None:
    # The SDK's default value hides the links in a menu.
    link.placement = None  # type: ignore[assignment]


def _datasource(source: model.DataSourceRef) -> build.DatasourceVariable:
    """Return the variable that a source is named by: ours at first, else Grafana's first one."""
    kind = str(source.type_val)
    ours = model.VariableOption(selected=True, text=SOURCE_NAMES[kind], value=source_uid(kind))
    name = str(source.uid).strip("${}")
    return build.DatasourceVariable(name).label("Source").type(kind).current(ours)


def _prefix() -> build.ConstantVariable:
    return build.ConstantVariable("prefix").label("Prefix").value("bio")


def _person(*, several: bool) -> build.QueryVariable:
    variable = (
        build.QueryVariable("person")
        .label("Person")
        .datasource(GRAPHITE)
        .query("$prefix.*")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(several)
        .include_all(several)
    )
    if several:
        variable.current(model.VariableOption(selected=True, text="All", value="$__all"))
    return variable


def _row(row: Row, number: int) -> build.Row:
    built = build.Row(row.title).id(number)
    return built.repeat("person") if row.per_person else built


def _panel(panel: Panel, number: int) -> _AnyPanel:
    unit = descriptions.unit(panel)
    built = _empty_panel(panel)
    built.id(number).title(descriptions.title(panel)).description(descriptions.description(panel))
    built.span(panel.width).height(panel.height).unit(unit.id).decimals(unit.decimals)
    built.thresholds(_thresholds(panel, unit)).no_value("–")
    _set_limits(built, panel, unit)
    _map_codes(built, panel)
    if panel.over:
        built.time_from(panel.over)
    _add_queries(built, panel)
    return built


def _add_queries(built: _AnyPanel, panel: Panel) -> None:
    built.datasource(PROMETHEUS if panel.queries else GRAPHITE)
    for letter, line in zip("ABCDEFGHIJ", panel.lines, strict=False):
        built.with_target(_Graphite(target(line, panel), letter))
        if properties := list(_overrides(line, panel.look)):
            built.override_by_name(label(line), properties)
    for letter, query in zip("ABCDEFGHIJ", panel.queries, strict=False):
        built.with_target(
            prometheus.Dataquery()
            .expr(query.expression)
            .legend_format(query.label)
            .ref_id(letter)
            .datasource(PROMETHEUS)
            .range()
        )


def _overrides(line: Line, look: PanelStyle) -> Iterator[model.DynamicConfigValue]:
    """Yield the properties of a single line: its colour, and that a mean among bars is a line."""
    if line.colour:
        yield model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": line.colour})
    if look is PanelStyle.BARS and line.how in MEANS:
        yield model.DynamicConfigValue("custom.drawStyle", common.GraphDrawStyle.LINE)
        yield model.DynamicConfigValue("custom.fillOpacity", 0)


def _set_limits(built: _AnyPanel, panel: Panel, unit: Unit) -> None:
    low = unit.low if panel.low is None else panel.low
    high = unit.high if panel.high is None else panel.high
    if low is not None:
        built.min(low)
    if high is not None:
        built.max(high)


def _map_codes(built: _AnyPanel, panel: Panel) -> None:
    codes = {
        code: text for line in panel.lines for code, text in metric_info(line.metric).codes.items()
    }
    if codes:
        results = {
            str(code): model.ValueMappingResult(text=text, color=_COLOURS.get(text, _GREY), index=i)
            for i, (code, text) in enumerate(sorted(codes.items()))
        }
        built.mappings([model.ValueMap(options=results)])


def _thresholds(panel: Panel, unit: Unit) -> build.ThresholdsConfig:
    steps = _steps(panel.steps or unit.steps or _BLUE)
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _steps(steps: Iterable[tuple[float | None, str]]) -> list[model.Threshold]:
    return [model.Threshold(value=value, color=colour) for value, colour in steps]


def _empty_panel(panel: Panel) -> _AnyPanel:
    """Return an empty panel of the right type."""
    match panel.look:
        case PanelStyle.STATES:
            return _states()
        case PanelStyle.STAT:
            return _stat()
        case PanelStyle.GAUGE:
            return _gauge()
        case PanelStyle.BARS:
            return _bars(panel)
        case PanelStyle.STACK:
            return _stack(panel)
        case _:
            return _graph(panel)


def _legend() -> options.VizLegendOptions:
    return (
        options.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _graph(panel: Panel) -> timeseries.Panel:
    daily = all(metric_info(line.metric).daily for line in panel.lines) and bool(panel.lines)
    gap = _GAP_OF_DAYS if daily else _GAP_WITHIN_A_DAY
    return (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .draw_style(common.GraphDrawStyle.LINE)
        .line_width(2)
        .point_size(4)
        .show_points(common.VisibilityMode.AUTO)
        .span_nulls(gap)
        .color_scheme(_by(model.FieldColorModeId.PALETTE_CLASSIC))
    )


def _bars(panel: Panel) -> timeseries.Panel:
    # A day's value is at its beginning: its bar begins there, too.
    return (
        _graph(panel)
        .draw_style(common.GraphDrawStyle.BARS)
        .bar_alignment(common.BarAlignment.AFTER)
        .fill_opacity(70)
        .line_width(1)
        .span_nulls(False)
    )


def _stack(panel: Panel) -> timeseries.Panel:
    stacking = options.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    return _bars(panel).stacking(stacking).fill_opacity(90)


def _states() -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .legend(_legend())
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .line_width(0)
        .fill_opacity(90)
    )


def _by(mode: model.FieldColorModeId) -> build.FieldColor:
    return build.FieldColor().mode(mode)


def _latest() -> options.ReduceDataOptions:
    return options.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _stat() -> stat.Panel:
    return (
        stat.Panel()
        .reduce_options(_latest())
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .color_scheme(_by(model.FieldColorModeId.THRESHOLDS))
    )


def _gauge() -> gauge.Panel:
    return (
        gauge.Panel()
        .reduce_options(_latest())
        .show_threshold_markers(True)
        .color_scheme(_by(model.FieldColorModeId.THRESHOLDS))
    )
