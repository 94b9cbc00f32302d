"""A strict JSON Schema of Grafana's dashboards, for the parts that ours use.

Written from Grafana's documentation and the SDK's models. A dashboard that it refuses may be a good
one that uses something new. `dashboard_checks.py` checks what a schema cannot express.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SAID: Schema = {"type": "string", "minLength": 1}
YES_NO: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
COLOUR: Schema = {
    "type": "string",
    "pattern": "^(#[0-9A-F]{6}|blue|(light-)?green|orange|red|yellow)$",
}


def one_of(*values: object) -> Schema:
    return {"enum": list(values)}


def listed(item: Schema, **more: object) -> Schema:
    return {"type": "array", "items": item, **more}


def exactly(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    """An object with these parts, and none that is misspelt."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": sorted(required),
        "additionalProperties": False,
    }


def source(kind: str, variable: str) -> Schema:
    return exactly(type=one_of(kind), uid=one_of(f"${{{variable}}}"))


GRAPHITE = source("graphite", "datasource")
PROMETHEUS = source("prometheus", "prometheus_datasource")
TARGET = {
    "oneOf": [
        exactly(datasource=GRAPHITE, refId=SAID, target=SAID, textEditor=one_of(True)),
        exactly(
            datasource=PROMETHEUS,
            refId=SAID,
            expr=SAID,
            legendFormat=SAID,
            range=one_of(True),
            instant=one_of(False),
        ),
    ]
}
MAPPING = exactly(
    type=one_of("value"),
    options={
        "type": "object",
        "additionalProperties": exactly(text=SAID, color=COLOUR, index=COUNT),
    },
)
THRESHOLDS = exactly(
    mode=one_of("absolute"),
    steps=listed(exactly(color=COLOUR, value={"type": ["number", "null"]}), minItems=1),
)
CUSTOM_GRAPH = exactly(
    {
        "barAlignment": one_of(-1, 0, 1),
        "fillOpacity": {"type": "integer", "minimum": 0, "maximum": 100},
        "stacking": exactly(group=SAID, mode=one_of("none", "normal", "percent")),
    },
    drawStyle=one_of("line", "bars", "points"),
    lineWidth=COUNT,
    pointSize=COUNT,
    showPoints=one_of("auto", "always", "never"),
    spanNulls={"type": ["boolean", "number"]},
)
OVERRIDE = exactly(
    matcher=exactly(id=one_of("byName"), options=SAID),
    properties=listed(
        {
            "oneOf": [
                exactly(id=one_of("color"), value=exactly(mode=one_of("fixed"), fixedColor=COLOUR)),
                exactly(id=one_of("custom.drawStyle"), value=one_of("line", "bars")),
                exactly(id=one_of("custom.fillOpacity"), value=COUNT),
            ]
        }
    ),
)
LEGEND = exactly(
    calcs=listed(TEXT),
    displayMode=one_of("list", "table", "hidden"),
    placement=one_of("bottom", "right"),
    showLegend=YES_NO,
)
TOOLTIP = exactly(mode=one_of("single", "multi", "none"), sort=one_of("asc", "desc", "none"))
LATEST = exactly(calcs=listed(one_of("lastNotNull")), values=YES_NO)
ORIENTATION = one_of("auto", "vertical", "horizontal", "")
AUTO = one_of("auto", "center", "inverted", "value", "value_and_name", "name", "none", "standard")
OPTIONS = {
    "timeseries": exactly(legend=LEGEND, tooltip=TOOLTIP),
    "state-timeline": exactly(
        alignValue=one_of("left", "center", "right"),
        legend=LEGEND,
        mergeValues=YES_NO,
        perPage=COUNT,
        rowHeight=NUMBER,
        showValue=one_of("auto", "always", "never"),
        tooltip=TOOLTIP,
    ),
    "stat": exactly(
        colorMode=one_of("value", "background", "none"),
        graphMode=one_of("none", "line", "area"),
        justifyMode=AUTO,
        orientation=ORIENTATION,
        percentChangeColorMode=AUTO,
        reduceOptions=LATEST,
        showPercentChange=YES_NO,
        textMode=AUTO,
        wideLayout=YES_NO,
    ),
    "gauge": exactly(
        minVizHeight=COUNT,
        minVizWidth=COUNT,
        orientation=ORIENTATION,
        reduceOptions=LATEST,
        showThresholdLabels=YES_NO,
        showThresholdMarkers=YES_NO,
        sizing=one_of("auto", "manual"),
    ),
}
CUSTOM = {
    "timeseries": CUSTOM_GRAPH,
    "state-timeline": exactly(fillOpacity=COUNT, lineWidth=COUNT),
    "stat": exactly(),
    "gauge": exactly(),
}
PLACE = exactly(h=COUNT, w=COUNT, x=COUNT, y=COUNT)


def panel(kind: str) -> Schema:
    defaults = exactly(
        {
            "color": exactly(mode=one_of("thresholds", "palette-classic")),
            "custom": CUSTOM[kind],
            "mappings": listed(MAPPING),
            "min": NUMBER,
            "max": NUMBER,
        },
        decimals=COUNT,
        noValue=SAID,
        thresholds=THRESHOLDS,
        unit=SAID,
    )
    return exactly(
        {"timeFrom": {"type": "string", "pattern": "^[0-9]+[dh]$"}},
        type=one_of(kind),
        id={"type": "integer", "minimum": 1},
        title=SAID,
        description=SAID,
        datasource={"oneOf": [GRAPHITE, PROMETHEUS]},
        fieldConfig=exactly(defaults=defaults, overrides=listed(OVERRIDE)),
        gridPos=PLACE,
        options=OPTIONS[kind],
        repeatDirection=one_of("h"),
        targets=listed(TARGET, minItems=1),
        transparent=YES_NO,
    )


ROW = exactly(
    {"repeat": one_of("person")},
    type=one_of("row"),
    id={"type": "integer", "minimum": 1},
    title=SAID,
    collapsed=one_of(False),
    gridPos=PLACE,
    panels={"type": "array", "maxItems": 0},
)
_SAME = {
    "allowCustomValue": YES_NO,
    "auto": YES_NO,
    "auto_count": COUNT,
    "auto_min": TEXT,
    "includeAll": YES_NO,
    "label": SAID,
    "multi": YES_NO,
    "name": SAID,
    "query": SAID,
    "skipUrlSync": YES_NO,
}
SOURCES = ("oura-graphite", "oura-prometheus")
VARIABLE = {
    "oneOf": [
        exactly(**_SAME, type=one_of("constant"), hide=one_of(2)),
        exactly(
            **_SAME,
            type=one_of("datasource"),
            current=exactly(selected=YES_NO, text=SAID, value=one_of(*SOURCES)),
        ),
        exactly(
            {"current": exactly(selected=YES_NO, text=SAID, value=SAID)},
            **_SAME,
            type=one_of("query"),
            datasource=GRAPHITE,
            refresh=one_of(1, 2),
            sort=COUNT,
        ),
    ]
}
LINK = exactly(
    asDropdown=YES_NO,
    icon=SAID,
    includeVars=YES_NO,
    keepTime=YES_NO,
    tags=listed(SAID, minItems=1),
    targetBlank=YES_NO,
    title=SAID,
    tooltip=SAID,
    type=one_of("dashboards"),
)
DASHBOARD = exactly(
    annotations=exactly({"list": listed({})}),
    description=SAID,
    editable=YES_NO,
    fiscalYearStartMonth=COUNT,
    graphTooltip=one_of(0, 1, 2),
    links=listed(LINK),
    panels=listed({"oneOf": [ROW, *(panel(kind) for kind in OPTIONS)]}, minItems=1),
    refresh=one_of("", "1m", "5m"),
    schemaVersion={"type": "integer", "minimum": 36},
    tags=listed(one_of("oura")),
    templating=exactly({"list": listed(VARIABLE)}),
    time=exactly(**{"from": SAID, "to": one_of("now")}),
    timezone=one_of("utc", "browser"),
    title=SAID,
    uid={"type": "string", "pattern": "^oura-[a-z]+$"},
)
