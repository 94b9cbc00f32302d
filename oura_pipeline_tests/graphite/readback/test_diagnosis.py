"""Why points are missing: each cause is told from the others, and no advice deletes a point."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import httpx

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.aggregate import Point
from oura_pipeline.graphite.carbon import PlaintextSender
from oura_pipeline.graphite.environment import graphite_python
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.diagnosis import Cause, Finding, advice, diagnose
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.graphite.readback.values import confirm
from oura_pipeline.oura.http import tls
from oura_pipeline_tests.graphite.day_points import NOW, day_with, instant
from oura_pipeline_tests.testing.requirements import require_graphite

LOST, THERE = instant(800), instant(1)
ROOT = "bio.lost.sleep"


def store(graphite: LocalGraphite, metric: str, points: Sequence[Point]) -> None:
    """Send points and wait until the last one is there."""
    PlaintextSender("127.0.0.1", graphite.line_port).send([(metric, points)])
    with httpx.Client(verify=tls()) as http:
        render, end = RenderClient(http, graphite.render_url), time.monotonic() + 20
        at = points[-1][0]
        while not render.values([metric], at, at) and time.monotonic() < end:
            time.sleep(0.1)


def test_each_cause_is_told_from_the_others(graphite: LocalGraphite, render: RenderClient) -> None:
    """By the file of the metric, and by what carbon counts of itself."""
    store(graphite, f"{ROOT}.score", [(THERE, 1)])
    for name, retention in (("short", "60s:7d"), ("coarse", "60s:7d,7d:25y")):
        file = graphite.whisper_file(f"{ROOT}.{name}")
        create = "import sys, whisper\nwhisper.create(sys.argv[1], [whisper.parseRetentionDef(one) "
        create += "for one in sys.argv[2].split(',')])"
        command = [str(graphite_python()), "-c", create, str(file), retention]
        subprocess.run(command, check=True, timeout=60)
    graphite.whisper_file(f"{ROOT}.damaged").write_bytes(b"")
    now = int(time.time()) // 60 * 60

    def found(*names: str) -> list[Finding]:
        return diagnose(render, {f"{ROOT}.{name}": [LOST, THERE] for name in names}, now=now)

    def finding(cause: Cause, name: str, counted: int = 0) -> Finding:
        return Finding(cause=cause, example=f"{ROOT}.{name}", counted=counted)

    assert found("score") == [finding(Cause.NOT_WRITTEN, "score")]
    assert found("never") == [finding(Cause.NOT_CREATED, "never")]
    assert found("short") == [finding(Cause.RETENTION, "short")]
    assert found("coarse") == [finding(Cause.RETENTION, "coarse")]
    store(graphite, "carbon.agents.here-a.droppedCreates", [(now - 120, 30), (now - 60, 12)])
    store(graphite, "carbon.agents.here-a.cache.overflow", [(now - 60, 5)])
    everything = found("score", "never", "short", "coarse", "damaged")
    assert everything == [
        finding(Cause.DAMAGED, "damaged"),
        finding(Cause.RETENTION, "coarse"),
        finding(Cause.NOT_CREATED, "never", 42),
        finding(Cause.NOT_WRITTEN, "score", 5),
    ]
    said = advice(everything, names=True)
    assert f"({ROOT}.never) (it counted 42 such points)" in said
    assert "lost" not in advice(everything, names=False)
    assert not {"delete", "remove", "rm "} & {*said.replace("deleted", "").split()}


def test_a_carbon_that_creates_too_few_files_is_no_missing_section(ledger: Pushes) -> None:
    """As it is shipped; its storage-schemas.conf is right."""
    require_graphite()
    days = [day_with(1, {f"{ROOT}.m{n:02}": [(instant(1), n)] for n in range(40)})]
    with (
        LocalGraphite(carbon_conf={"MAX_CREATES_PER_MINUTE": "6"}) as graphite,
        httpx.Client(verify=tls()) as http,
    ):
        sender = PlaintextSender("127.0.0.1", graphite.line_port)
        push(days, sender=sender, ledger=ledger, now=NOW)
        render = RenderClient(http, graphite.render_url)
        report = confirm(
            days, render=render, sender=sender, ledger=ledger, pause=0.1, rounds=0, now=NOW
        )
    assert [one.cause for one in report.findings] == [Cause.NOT_CREATED]
    assert "MAX_CREATES_PER_MINUTE" in report.message
    assert "storage-schemas.conf" not in report.message
    assert report.message.endswith(
        "Nothing has to be deleted: what is missing is sent again by itself."
    )
