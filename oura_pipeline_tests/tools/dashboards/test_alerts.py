"""Prometheus takes the rules of the alerts, and each fires when it should and not before."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program
from tools.dashboards.alerts import ALERTS, rules

PROMTOOL = Path("/usr/bin/promtool")
SEEN_AFTER = "8h"
# By alert: a series, its highest or lowest value without an alert, one with, and what is said then.
CASES = {
    "OuraSiteDown": (
        'up{job="oura"}',
        *(1, 0),
        "The site does not answer: nobody can sign in, and webhook events are refused.",
    ),
    "OuraSignInRequired": (
        'oura_people{state="sign_in_required"}',
        *(0, 2),
        "2 people have to sign in again; nothing is fetched of them until then.",
    ),
    "OuraFetchLate": (
        "oura_fetch_late_seconds",
        *(7200, 10800),
        "Oura should have been asked for somebody 3h 0m 0s ago.",
    ),
    "OuraDaysFailed": (
        "oura_failed_days",
        *(10, 11),
        "11 days could not be fetched, and asking again did not help.",
    ),
    "OuraAutomationStopped": (
        'oura_automation_works{name="gaps"}',
        *(1, 0),
        "The sensor or schedule gaps is stopped or late.",
    ),
    "OuraDagsterDown": (
        "oura_dagster_up",
        *(1, 0),
        "Dagster's UI does not answer at OURA_DAGSTER_URL: whether sensors run is unknown.",
    ),
    "OuraRunsFailed": (
        "oura_runs_failed",
        *(0, 3),
        "3 runs of the last 24 hours failed, or their processes died.",
    ),
    "OuraDeletionLate": (
        "oura_deletions_late",
        *(0, 1),
        "1 people left, and their data should have been deleted by now.",
    ),
    "OuraSubscriptionsExpire": (
        "oura_subscriptions_expire_in_days",
        *(3, 2.5),
        "A webhook subscription ends in 2.5 days.",
    ),
    "OuraWebhooksWaiting": (
        "oura_inbox_oldest_seconds",
        *(1800, 1860),
        "A webhook event has been waiting for 31m 0s.",
    ),
    "OuraPointsLost": (
        "oura_pushes_lost",
        *(0, 4),
        "Points of 4 days were sent and are not in Graphite: carbon drops them.",
    ),
    "OuraPushesWaiting": (
        "oura_pushes_oldest_seconds",
        *(3600, 7200),
        "Days have been waiting to be pushed for 2h 0m 0s.",
    ),
    "OuraDiskFull": (
        "oura_disk_free_bytes",
        *(1000, 999),
        "The disk of the data folder lacks room: nothing may land or be published soon.",
    ),
}
LABELS = {"OuraSiteDown": {"job": "oura"}, "OuraAutomationStopped": {"name": "gaps"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The rules, in a file."""
    require_program(PROMTOOL, "prometheus")
    path = tmp_path / "rules.yml"
    path.write_text(rules(), encoding="utf-8")
    return path


def test_every_alert_fires_when_it_should_and_not_before(file: Path) -> None:
    """By Prometheus' own tool for testing rules."""
    assert list(CASES) == [alert.name for alert in ALERTS]
    cases = [case for name in CASES for case in (calm(name), alarming(name))]
    tests = {"rule_files": [str(file)], "evaluation_interval": "10m", "tests": cases}
    path = file.with_name("tests.yml")
    path.write_text(json.dumps(tests), encoding="utf-8")
    done = subprocess.run(
        [PROMTOOL, "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def calm(name: str) -> dict[str, Any]:
    series, value, _, _ = CASES[name]
    return case(series, value, {"alertname": name, "exp_alerts": []})


def alarming(name: str) -> dict[str, Any]:
    (alert,) = (one for one in ALERTS if one.name == name)
    series, _, value, said = CASES[name]
    severity = {"severity": "critical" if alert.urgent else "warning"}
    fired = {
        "exp_labels": severity | LABELS.get(name, {}),
        "exp_annotations": {"summary": said, "description": alert.do},
    }
    return case(series, value, {"alertname": name, "exp_alerts": [fired]})


def case(series: str, value: float, expected: dict[str, Any]) -> dict[str, Any]:
    needed = {"series": "oura_disk_needed_bytes", "values": "1000+0x60"}
    return {
        "interval": "10m",
        "input_series": [{"series": series, "values": f"{value}+0x60"}, needed],
        "alert_rule_test": [{"eval_time": SEEN_AFTER, **expected}],
    }


def test_the_configuration_names_the_rules_and_asks_with_the_operators_token(
    file: Path, tmp_path: Path
) -> None:
    """As promtool reads it, once the token is where a container has it."""
    token = tmp_path / "token"
    token.touch()
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "oura-alerts.yml").write_bytes(file.read_bytes())
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/run/secrets/operator_token", str(token)), encoding="utf-8")
    done = subprocess.run(
        [PROMTOOL, "check", "config", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout
