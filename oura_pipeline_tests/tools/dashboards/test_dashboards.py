"""The committed dashboards are those that the code builds, whole and in order."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.catalog.fields import Field
from oura_pipeline.catalog.metrics import known_metrics
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.tools.dashboards.dashboard_checks import faults, panels
from tools.dashboards import descriptions
from tools.dashboards.files import DASHBOARDS, dashboard_path, generated_files
from tools.dashboards.grafana_json import round_trip, to_json
from tools.dashboards.metrics import UnknownMetric, metric_info
from tools.dashboards.model import Dashboard, Line, Panel, PanelStyle, Row
from tools.dashboards.people import PEOPLE_DASHBOARDS
from tools.dashboards.units import UnknownUnit, codes_of, unit_of

BOARDS = [pytest.param(one, id=one.uid) for one in DASHBOARDS]


def committed(dashboard: Dashboard) -> dict[str, Any]:
    text = (ROOT / dashboard_path(dashboard.uid)).read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_what_is_committed_is_what_the_code_builds() -> None:
    """Every generated file below deploy/, to the letter, and no other dashboard."""
    texts = generated_files()
    assert {path: (ROOT / path).read_text(encoding="utf-8") for path in texts} == texts
    folder = ROOT / "deploy/grafana/dashboards"
    assert {path.relative_to(ROOT) for path in folder.iterdir()} == {
        dashboard_path(one.uid) for one in DASHBOARDS
    }


def test_provisioning_changes_nothing_that_a_grafana_has() -> None:
    """Sources of names of our own, which are not the default; dashboards choose them at first."""
    folder = ROOT / "deploy/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/oura.yaml").read_text(encoding="utf-8"))
    named = [(one["name"], one["uid"], "isDefault" in one) for one in sources["datasources"]]
    assert named == [
        ("Oura Graphite", "oura-graphite", False),
        ("Oura Prometheus", "oura-prometheus", False),
    ]
    assert set(sources) == {"apiVersion", "datasources"}  # and deletes none
    chosen = {
        (variable["name"], variable["query"], variable["current"]["value"])
        for one in DASHBOARDS
        for variable in committed(one)["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert chosen == {
        ("datasource", "graphite", "oura-graphite"),
        ("prometheus_datasource", "prometheus", "oura-prometheus"),
    }


def test_carbons_files_are_those_of_the_command() -> None:
    """deploy/graphite/ holds what `oura-pipeline graphite schemas` writes."""
    texts = {path.name: text for path, text in generated_files().items() if "storage-" in path.name}
    assert texts == {
        "storage-schemas.conf": storage_schemas(),
        "storage-aggregation.conf": storage_aggregation(),
    }


@pytest.mark.parametrize("dashboard", BOARDS)
def test_a_dashboard_is_what_it_says_it_is(dashboard: Dashboard) -> None:
    """Strict schema, unique ids, defined variables, no overlaps, known units and sources."""
    assert faults(committed(dashboard)) == []


@pytest.mark.parametrize("dashboard", BOARDS)
def test_a_dashboard_survives_the_sdk(dashboard: Dashboard) -> None:
    """The SDK's models read it and write the same."""
    text = to_json(dashboard)
    assert round_trip(text) == text


def test_almost_every_metric_of_the_table_has_a_unit() -> None:
    """Those that have none are listed here, and stand on no dashboard."""
    without = set()
    for metric in (
        metric for document_type in DOCUMENT_TYPES for metric in known_metrics(document_type)
    ):
        path = f"{metric.series}.{metric.name}"
        try:
            assert metric_info(path).unit
        except UnknownUnit:
            without.add(path)
    sleeps = ("period", "readiness_score_delta", "sleep_score_delta")
    assert without == {"ring.size"} | {f"{s}.{name}" for s in ("sleep", "nap") for name in sleeps}


@pytest.mark.parametrize("metric", ["sleep.scores", "daily_sleep.score", "hr", "tag.text"])
def test_a_metric_that_the_table_does_not_have_builds_nothing(metric: str) -> None:
    """A dashboard cannot ask for what is never sent."""
    panel = Panel(lines=(Line(metric),))
    board = Dashboard(
        uid="oura-x", title="X", description="X.", start="now-1d", rows=(Row("X", (panel,)),)
    )
    with pytest.raises(UnknownMetric, match=re.escape(f"{metric!r} is no metric of the table")):
        to_json(board)


def test_a_panel_has_one_unit() -> None:
    """Beats and steps do not share an axis."""
    panel = Panel(title="Both", lines=(Line("hr.bpm"), Line("activity.steps")))
    with pytest.raises(ValueError, match="Both: its lines have different units"):
        descriptions.unit(panel)


def test_a_field_without_a_unit_is_refused() -> None:
    """Its description has to say one."""
    with pytest.raises(UnknownUnit, match="quiet: say the unit in its description"):
        unit_of(Field("quiet", kinds.NUMBER, "Something."))


@pytest.mark.parametrize(
    ("metric", "unit", "text"),
    [
        ("sleep.score", "none", "score of 0 to 100"),
        ("sleep.contrib.latency", "none", "score of 0 to 100"),
        ("sleep.average_hrv", "ms", "ms RMSSD"),
        ("sleep.average_breath", "suffix: /min", "breaths per minute"),
        ("sleep.efficiency", "percent", "%"),
        ("sleep.latency", "dthms", "h:min:s"),
        ("sleep_time.optimal_bedtime.start_offset", "dthms", "h:min:s"),
        ("sleep.sleep_phase_5_min", "none", "code"),
        ("hr.bpm", "suffix: bpm", "bpm"),
        ("activity.steps", "short", "count"),
        ("activity.met", "suffix: MET", "MET"),
        ("activity.low_activity_met_minutes", "suffix: MET-min", "MET-minutes"),
        ("activity.total_calories", "suffix: kcal", "kcal"),
        ("activity.target_meters", "lengthm", "m"),
        ("readiness.temperature_deviation", "celsius", "°C"),
        ("spo2.daily_average", "percent", "%"),
        ("cardiovascular_age.vascular_age", "suffix: years", "years"),
        ("cardiovascular_age.pulse_wave_velocity", "velocityms", "m/s"),
        ("vo2_max.vo2_max", "suffix: ml/kg/min", "ml/kg/min"),
        ("profile.weight", "masskg", "kg"),
        ("resilience.contrib.stress", "none", "score of 0 to 100"),
    ],
)
def test_units_come_from_the_descriptions(metric: str, unit: str, text: str) -> None:
    """As Grafana calls them, and as people do."""
    found = metric_info(metric).unit
    assert (found.id, found.text) == (unit, text)


@pytest.mark.parametrize(
    ("metric", "codes"),
    [
        ("sleep.sleep_phase_30_sec", {1: "deep", 2: "light", 3: "REM", 4: "awake"}),
        ("sleep.movement_30_sec", {1: "none", 2: "restless", 3: "tossing", 4: "active"}),
        (
            "activity.class_5_min",
            {0: "not worn", 1: "rest", 2: "inactive", 3: "low", 4: "medium", 5: "high"},
        ),
        ("stress.day_summary", {1: "restored", 2: "normal", 3: "stressful"}),
        (
            "resilience.level",
            {1: "limited", 2: "adequate", 3: "solid", 4: "strong", 5: "exceptional"},
        ),
        ("sleep.score", {}),
    ],
)
def test_codes_come_from_the_table(metric: str, codes: dict[int, str]) -> None:
    """The numbers that are sent, with the words of the table."""
    assert codes_of(metric_info(metric).field) == codes


@pytest.mark.parametrize("dashboard", [pytest.param(one, id=one.uid) for one in PEOPLE_DASHBOARDS])
def test_a_panel_says_what_the_table_says(dashboard: Dashboard) -> None:
    """Every field's description, the unit, and when a value stands where."""
    shown = [panel for row in dashboard.rows for panel in row.panels]
    for panel, built in zip(shown, panels(committed(dashboard)), strict=True):
        said = built["description"]
        for line in panel.lines:
            metric = metric_info(line.metric)
            assert metric.field.description in said
            assert ("00:00 UTC" in said) or not metric.daily
        assert f"Shown in {descriptions.unit(panel).text}." in said
        if panel.look is PanelStyle.STATES:
            assert built["fieldConfig"]["defaults"]["mappings"]


def test_heart_rate_variability_is_said_to_be_rmssd() -> None:
    """And contributors to be scores, whatever their names suggest."""
    texts = {
        asked["target"]: (panel["description"], panel["fieldConfig"]["defaults"]["unit"])
        for one in PEOPLE_DASHBOARDS
        for panel in panels(committed(one))
        for asked in panel["targets"]
    }
    hrv = [text for target, text in texts.items() if re.search(r"\bhrv|_hrv", target)]
    assert hrv
    for target, (said, unit) in texts.items():
        if ".contrib." in target:
            assert "score of 1 to 100" in said or "0 to 100" in said
            assert unit == "none"
        elif "hrv" in target:
            assert "ms RMSSD" in said
            assert unit == "ms"


def _no_description(board: dict[str, Any]) -> None:
    del panels(board)[0]["description"]


def _undefined_variable(board: dict[str, Any]) -> None:
    panels(board)[0]["targets"][0]["target"] = "$prefix.$somebody.sleep.score"


def _duplicate_id(board: dict[str, Any]) -> None:
    panels(board)[1]["id"] = panels(board)[0]["id"]


def _bad_unit(board: dict[str, Any]) -> None:
    panels(board)[0]["fieldConfig"]["defaults"]["unit"] = "furlongs"


def _misspelt(board: dict[str, Any]) -> None:
    panels(board)[0]["fieldConfig"]["defaults"]["custom"]["drawstyle"] = "line"


def _bad_word(board: dict[str, Any]) -> None:
    panels(board)[0]["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "lines"


def _overlap(board: dict[str, Any]) -> None:
    panels(board)[1]["gridPos"] = dict(panels(board)[0]["gridPos"])


def _other_source(board: dict[str, Any]) -> None:
    panels(board)[0]["targets"][0]["datasource"]["uid"] = "influx"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_description, "schema: $.panels[1]"),
        (_undefined_variable, "$somebody is not defined"),
        (_duplicate_id, "id 2 is there twice"),
        (_bad_unit, "panel 2: Grafana has no unit 'furlongs'"),
        (_misspelt, "schema: $.panels[1]"),
        (_bad_word, "schema: $.panels[1]"),
        (_overlap, "panels 2 and 3 overlap"),
        (_other_source, "panel 2: a target has another data source"),
    ],
)
def test_the_checker_finds(spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    """Each fault that was sown."""
    board = copy.deepcopy(committed(next(one for one in DASHBOARDS if one.uid == "oura-sleep")))
    spoil(board)
    assert said in faults(board)
