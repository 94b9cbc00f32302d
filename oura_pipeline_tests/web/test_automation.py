"""Sensors and schedules that are stopped or late, as Dagster's UI tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from oura_pipeline.commands.group import cli
from oura_pipeline.oura.http import tls
from oura_pipeline.web.automation import FAILED, QUERY, Automation, State, automation
from oura_pipeline_tests.testing.http_server import QuietHandler, serving
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite

NOW = 1_800_000_000.0
DAY = 86_400.0


def sensor(name: str, ticked_ago: float | None, **more: Any) -> dict[str, Any]:
    """A sensor that runs by default and looks every 30 s."""
    state = {"status": more.pop("status", "RUNNING"), "ticks": ticks(ticked_ago)}
    return (
        {"name": name, "defaultStatus": "RUNNING", "minIntervalSeconds": 30}
        | more
        | {"sensorState": state}
    )


def schedule(name: str, ticked_ago: float | None, due_ago: float, **more: Any) -> dict[str, Any]:
    """A daily schedule that runs by default."""
    state = {"status": more.pop("status", "RUNNING"), "ticks": ticks(ticked_ago)}
    due = [NOW - due_ago - DAY, NOW - due_ago]
    return (
        {"name": name, "defaultStatus": "RUNNING", "potentialTickTimestamps": due}
        | more
        | {"scheduleState": state}
    )


def ticks(ago: float | None) -> list[dict[str, float]]:
    return [] if ago is None else [{"timestamp": NOW - ago}]


@contextmanager
def dagster(
    *sensors: dict[str, Any],
    schedules: tuple[dict[str, Any], ...] = (),
    jobs: tuple[dict[str, Any], ...] = (),
    dead: tuple[str, ...] = (),
) -> Iterator[str]:
    """Something that tells this of its sensors, schedules and jobs."""
    daemons = [
        {"daemonType": kind, "required": True, "healthy": kind not in dead}
        for kind in ("SENSOR", "SCHEDULER")
    ]
    node = {"sensors": sensors, "schedules": schedules, "jobs": jobs}
    data = {
        "instance": {"daemonHealth": {"allDaemonStatuses": daemons}},
        "repositoriesOrError": {"nodes": [node]},
        "runsOrError": {"count": 3},
    }

    class Answers(QuietHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": data}).encode())

    with serving(Answers) as url:
        yield url


def states(url: str) -> dict[str, State] | None:
    with httpx.Client(trust_env=False, verify=tls()) as http:
        found = automation(http, url, NOW)
    return None if found is None else {one.name: one.state for one in found}


def test_what_is_stopped_or_late_is_known() -> None:
    """What is off by default, and what has just begun, is neither."""
    with dagster(
        sensor("in_time", 45),
        sensor("late", 601),
        sensor("slow", 601, minIntervalSeconds=300),
        sensor("new", None),
        sensor("retired_people", 30, status="STOPPED"),
        schedules=(
            schedule("daily", 7200, due_ago=7200),
            schedule("missed", 7200 + DAY, due_ago=7200),
            schedule("due_just_now", 60 + DAY, due_ago=60),
            schedule("hourly", None, due_ago=60, defaultStatus="STOPPED", status="STOPPED"),
            schedule("never", None, due_ago=7200),
        ),
    ) as url:
        assert states(url) == {
            "in_time": State.RUNNING,
            "late": State.LATE,
            "slow": State.RUNNING,
            "new": State.RUNNING,
            "retired_people": State.STOPPED,
            "daily": State.RUNNING,
            "missed": State.LATE,
            "due_just_now": State.RUNNING,
            "hourly": State.OFF,
            "never": State.RUNNING,
        }


def test_without_a_daemon_all_are_late() -> None:
    with dagster(
        sensor("gaps", 5),
        schedules=(schedule("daily", 60, due_ago=60),),
        dead=("SENSOR", "SCHEDULER"),
    ) as url:
        assert states(url) == {"gaps": State.LATE, "daily": State.LATE}


def test_nobody_knows_what_runs_where_nothing_answers() -> None:
    assert states("http://127.0.0.1:9") is None


def test_the_queries_fit_dagsters_schema() -> None:
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    schema = create_schema().graphql_schema
    assert [validate(schema, parse(query)) for query in (QUERY, FAILED)] == [[], []]


def test_what_runs_by_itself_works() -> None:
    assert [one.works for one in (Automation(name="x", state=state) for state in State)] == [
        *(True, False, False, True)
    ]


@pytest.fixture
def stopped() -> Iterator[str]:
    """A Dagster in which somebody has stopped the deletion of people."""
    with dagster(sensor("retired_people", None, status="STOPPED"), sensor("gaps", None)) as url:
        yield url


def test_status_and_metrics_show_what_is_stopped(open_site: OpenSite, stopped: str) -> None:
    site = open_site(oura_dagster_url=stopped)
    browser = site.browser()
    browser.go("/operator")
    page = browser.send("/operator", token=OPERATOR)
    assert page.text_of("idle") == "✕ stopped retired_people"
    text = browser.http.get("/metrics").text
    assert "oura_dagster_up 1.0" in text
    assert 'oura_automation_works{name="retired_people"} 0.0' in text
    assert 'oura_automation_works{name="gaps"} 1.0' in text


def test_doctor_says_what_is_stopped(
    tmp_path: Path, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("OURA_DAGSTER_URL", stopped)
    monkeypatch.setenv("OURA_API_URL", "http://127.0.0.1:9")
    lines = CliRunner().invoke(cli, ["doctor"]).output.splitlines()
    (line,) = [line for line in lines if " Dagster " in line]
    assert line.split() == [
        *("no", "Dagster", "retired_people", "is", "stopped:", "switch", "it", "on", "at"),
        f"{stopped}/automation;",
        *["if", "all", "are", "late,", "start", "the", "daemon"],
    ]
