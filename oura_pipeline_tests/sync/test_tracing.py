"""Traces and metrics of a sync, as a receiver of OpenTelemetry's protocol gets them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.days import days_between
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.process import logs
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline.settings import read_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.testing.otlp_receiver import OtlpReceiver, attributes, otlp_receiver
from oura_pipeline_tests.testing.world import environment, sandbox_tokens

LAST = date(2026, 4, 8)
FIRST = LAST - timedelta(days=2)
STAGES = ("request", "land", "flatten", "push")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(SandboxOptions(people=2, days=5, end=LAST)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def seen(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> tuple[OtlpReceiver, list[str]]:
    """What was received of fetching and pushing three days of two people, and their ids."""
    home = tmp_path_factory.mktemp("traced") / "data"
    with otlp_receiver() as receiver:
        named = environment(home, sandbox) | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with open_pipeline(read_settings(named)) as pipeline:
            for username in ("runa", "koa"):
                pipeline.accounts.people.add(username, sandbox_tokens(sandbox, username))
            people = people_to_fetch(pipeline)
            # One after the other, as two assets of a run do.
            with logs.about(run="run-1"):
                fetch_and_land(
                    pipeline, DAILY_SLEEP, people, first_day=FIRST, last_day=LAST, run_id="run-1"
                )
            with logs.about(run="run-1"):
                push_documents(pipeline, DAILY_SLEEP, ["runa", "koa"], days_between(FIRST, LAST))
        return receiver, sorted(person.id for person in people)


def test_a_person_type_and_range_is_one_trace(seen: tuple[OtlpReceiver, list[str]]) -> None:
    """From the request to the push, all of it below the request."""
    receiver, ids = seen
    traces: dict[bytes, list[str]] = {}
    for span in receiver.spans:
        traces.setdefault(span.trace_id, []).append(span.name)
    assert sorted(map(sorted, traces.values())) == [sorted(STAGES)] * 2
    roots = {span.trace_id: span.span_id for span in receiver.spans if span.name == "request"}
    for span in receiver.spans:
        assert span.parent_span_id == (b"" if span.name == "request" else roots[span.trace_id])
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    said = [attributes(span.attributes) for span in receiver.spans if span.name == "request"]
    assert sorted(one["oura.person"] for one in said) == ids
    assert said[0] | {"oura.person": ""} == {
        "oura.person": "",
        "oura.document_type": "daily_sleep",
        "oura.first_day": "2026-04-06",
        "oura.last_day": "2026-04-08",
        "oura.run": "run-1",
        "oura.requests": 1,
        "oura.pages": 1,
        "oura.failed": 0,
    }
    pushed = [attributes(span.attributes) for span in receiver.spans if span.name == "push"]
    flattened = [attributes(span.attributes) for span in receiver.spans if span.name == "flatten"]
    points = [sorted(int(one["oura.points"]) for one in some) for some in (pushed, flattened)]
    assert points[0] == points[1]
    assert points[0][0] > 10


def test_metrics_count_what_was_done(seen: tuple[OtlpReceiver, list[str]]) -> None:
    """And how long each stage took, by stage and type; of nobody in particular."""
    receiver, _ = seen
    by_name = {metric.name: metric for metric in receiver.metrics}
    assert sorted(by_name) == ["oura.stage.count", "oura.stage.duration"]
    timed = by_name["oura.stage.duration"].histogram.data_points
    assert {attributes(one.attributes)["stage"]: one.count for one in timed} == dict.fromkeys(
        STAGES, 2
    )
    counted = by_name["oura.stage.count"].sum.data_points
    kinds = {(a["stage"], a["kind"]) for a in (attributes(one.attributes) for one in counted)}
    assert ("request", "requests") in kinds
    assert {attributes(one.attributes)["document_type"] for one in counted} == {"daily_sleep"}


def test_nothing_names_anybody(seen: tuple[OtlpReceiver, list[str]]) -> None:
    """Not in any byte that was sent."""
    receiver, ids = seen
    assert [name for name in (b"runa", b"koa") if name in receiver.raw] == []
    assert ids[0].encode() in receiver.raw
    assert receiver.services == {"oura_pipeline"}


def test_off_it_is_not_even_imported(tmp_path: Path) -> None:
    """Without an address nothing is sent, and nothing costs a millisecond."""
    program = (
        "import sys; from oura_pipeline.pipeline import open_pipeline\n"
        "with open_pipeline(): pass\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OURA_PIPELINE_HOME": str(tmp_path), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
