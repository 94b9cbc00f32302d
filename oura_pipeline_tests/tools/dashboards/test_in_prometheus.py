"""Every question of pipeline health has an answer in a real Prometheus that asks a real site."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from oura_pipeline.catalog.document_types import get_document_type
from oura_pipeline.oura.http import tls
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline.settings import read_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.subscriptions import maintain
from oura_pipeline.web.server import listen, running_site, socket_url
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program
from oura_pipeline_tests.testing.world import environment, sandbox_tokens
from oura_pipeline_tests.tools.dashboards.dashboard_checks import panels
from oura_pipeline_tests.tools.dashboards.people_in_graphite import LAST
from oura_pipeline_tests.web.test_automation import dagster, sensor
from tools.dashboards.alerts import ALERTS
from tools.dashboards.files import dashboard_path
from tools.dashboards.pipeline_health import PIPELINE_HEALTH

PROMETHEUS = Path("/usr/bin/prometheus")
BOARD = json.loads((ROOT / dashboard_path(PIPELINE_HEALTH.uid)).read_text(encoding="utf-8"))
_WAIT = 40  # seconds
_CONFIG = """\
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: oura
    static_configs:
      - targets: ["{target}"]
"""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A site at which something happened, and the Prometheus that watches it."""

    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of the last minutes, as Grafana asks for them."""
        now = time.time()
        answer = httpx.post(
            f"{self.url}/api/v1/query_range",
            data={"query": expression, "start": now - 300, "end": now, "step": 1},
            verify=tls(),
        )
        body = answer.json()
        assert answer.status_code == 200, body
        return list(body["data"]["result"])

    def numbers(self, expression: str) -> list[float]:
        """All values that are numbers: a quantile of nothing is none."""
        found = [float(value) for one in self.ask(expression) for _, value in one["values"]]
        return [value for value in found if value == value]


@pytest.fixture(scope="module")
def watched(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """People signed in, days were fetched, webhooks came, good ones and bad ones."""
    require_program(PROMETHEUS, "prometheus")
    home = tmp_path_factory.mktemp("watched")
    shutil.copytree(empty_home, home / "data")
    sensors = sensor("gaps", None), sensor("retired_people", None, status="STOPPED")
    with (
        listen("127.0.0.1", 0) as listener,
        running(SandboxOptions(days=5, end=LAST)) as sandbox,
        dagster(*sensors) as dagster_url,
    ):
        named = environment(home / "data", sandbox) | {
            "OURA_PUBLIC_URL": socket_url(listener),
            "OURA_DAGSTER_URL": dagster_url,
            "OURA_SIGNUP": "open",
        }
        settings = read_settings(named)
        with running_site(settings, listener=listener) as site, open_pipeline(settings) as pipeline:
            _let_things_happen(pipeline, sandbox)
            with _prometheus(home, site) as url:
                watched = Watched(url=url)
                _wait_for(watched, 'count_over_time(oura_people{state="connected"}[5m]) > 1')
                _deliver(sandbox, site)
                _wait_for(watched, "increase(oura_webhook_deliveries_total[1h])")
                yield watched


def test_every_question_has_an_answer(watched: Watched) -> None:
    """Prometheus knows every metric and function, and gives numbers, none of them below zero."""
    empty, wrong = [], []
    for panel in panels(BOARD):
        for asked in panel["targets"]:
            found = watched.numbers(asked["expr"])
            if not found:
                empty.append(asked["expr"])
            elif min(found) < 0:
                wrong.append(asked["expr"])
    assert (empty, wrong) == ([], [])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('max by (state) (oura_people{state="connected"})', 2),
        ('max by (status) (oura_ledger_days{status="landed"})', 6),
        ("max(oura_failed_days)", 0),
        ("max(oura_pushes_waiting)", 6),
        ("sum(1 - min by (name) (oura_automation_works))", 1),
        ("max(oura_deletions_late)", 0),
    ],
)
def test_numbers_are_those_of_the_site(expression: str, value: float, watched: Watched) -> None:
    """Two people signed in, three days of each were fetched, and a sensor was stopped."""
    assert watched.numbers(expression)[-1] == value


def test_nothing_names_anybody(watched: Watched) -> None:
    """No label of what the dashboard shows is a person's name."""
    labels = {
        text
        for panel in panels(BOARD)
        for asked in panel["targets"]
        for one in watched.ask(asked["expr"])
        for text in one["metric"].values()
    }
    assert labels.isdisjoint({"runa", "koa"})
    assert "connected" in labels


def test_alerts_are_about_metrics_that_there_are(watched: Watched) -> None:
    """A rule about a misspelt one would never fire."""
    asked = sorted({name for one in ALERTS for name in re.findall(r"\boura_\w+|\bup\b", one.when)})
    assert [name for name in asked if not watched.ask(name)] == []
    assert len(asked) == 14


@pytest.mark.parametrize("expression", ["oura_failed_weeks", "max(oura_landed_seconds)"])
def test_a_metric_that_is_not_there_has_no_answer(expression: str, watched: Watched) -> None:
    """The question above would notice it."""
    assert watched.numbers(expression) == []


def test_a_misspelt_function_is_an_error(watched: Watched) -> None:
    """The question above would notice it."""
    with pytest.raises(AssertionError, match="unknown function"):
        watched.ask("maximum(oura_failed_days)")


def _let_things_happen(pipeline: Pipeline, sandbox: Sandbox) -> None:
    for username in ("runa", "koa"):
        pipeline.accounts.people.add(username, sandbox_tokens(sandbox, username))
    document_type, people = get_document_type("daily_sleep"), people_to_fetch(pipeline, [])
    first = LAST - timedelta(days=2)
    fetch_and_land(
        pipeline, document_type, people, first_day=first, last_day=LAST, run_id="watched"
    )
    pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)
    assert maintain(pipeline)


def _deliver(sandbox: Sandbox, site: str) -> None:
    """One delivery that Oura signed, and one that nobody did."""
    sandbox.revise("runa", "daily_sleep", day=LAST.isoformat(), fields={"score": 71}, notify=True)
    httpx.post(f"{site}/webhook", json={"event_type": "update"})


class _prometheus:
    """A Prometheus on a free port of loopback, that asks a site every second."""

    def __init__(self, home: Path, site: str) -> None:
        self._home = home
        self._site = site

    def __enter__(self) -> str:
        config = self._home / "prometheus.yml"
        config.write_text(
            _CONFIG.format(target=self._site.removeprefix("http://")), encoding="utf-8"
        )
        with listen("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        self._log = (self._home / "prometheus.log").open("wb")
        self._child = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._home / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *error: object) -> None:
        self._child.terminate()
        self._child.wait(20)
        self._log.close()


def _wait_for(watched: Watched, expression: str) -> None:
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        # It has just been started.
        with suppress(httpx.HTTPError, AssertionError, ValueError):
            if watched.numbers(expression):
                return
        time.sleep(0.2)
    raise AssertionError(f"Prometheus has no answer to: {expression}")
