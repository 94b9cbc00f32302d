"""VictoriaMetrics takes what carbon takes, is read back, and deletes a person: the real program."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.carbon import GraphiteUnavailable, PlaintextSender
from oura_pipeline.graphite.metric_names import child_names
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.values import confirm
from oura_pipeline.graphite.readback.victoria import VictoriaClient
from oura_pipeline.ledger import PushState
from oura_pipeline.oura.http import tls
from oura_pipeline.people.leave import delete_everything
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import SandboxOptions, running
from oura_pipeline.settings import read_settings
from oura_pipeline.web.server import listen
from oura_pipeline_tests.graphite.day_points import day_with, instant
from oura_pipeline_tests.graphite.fake_carbon import fake_carbon
from oura_pipeline_tests.graphite.readback.test_values import days_of, now
from oura_pipeline_tests.testing.requirements import require_program
from oura_pipeline_tests.testing.world import environment, sandbox_tokens

PROGRAM = Path("/usr/bin/victoria-metrics")
PAUSE = 0.5  # nobody kills it here


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """One for all tests: where it takes lines, and where it answers; each has its own metrics."""
    require_program(PROGRAM, "victoria-metrics")
    with victoria_metrics(tmp_path_factory.mktemp("victoria")) as ports:
        yield ports


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[tuple[int, int]]:
    """Run it as the page Graphite and Grafana says."""
    with listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as other:
        lines, http = (listener.getsockname()[1] for listener in (one, other))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                PROGRAM,
                f"-graphiteListenAddr=127.0.0.1:{lines}",
                f"-httpListenAddr=127.0.0.1:{http}",
                f"-storageDataPath={folder / 'data'}",
                "-retentionPeriod=30y",
                "-dedup.minScrapeInterval=1ms",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{http}/health", verify=tls()).raise_for_status()
                break
            time.sleep(0.05)
        yield lines, http
    finally:
        child.terminate()
        child.wait(20)


@pytest.fixture
def sender(ports: tuple[int, int]) -> PlaintextSender:
    return PlaintextSender("127.0.0.1", ports[0])


@pytest.fixture
def client(ports: tuple[int, int]) -> Iterator[VictoriaClient]:
    with httpx.Client(timeout=60, verify=tls()) as http:
        yield VictoriaClient(http, f"http://127.0.0.1:{ports[1]}")


def test_what_arrived_is_delivered(
    sender: PlaintextSender, client: VictoriaClient, ledger: Pushes
) -> None:
    """Numbers that it rounds too."""
    days = days_of("bio.ada")
    push(days, sender=sender, ledger=ledger, now=now())
    arrival = confirm(days, render=client, sender=sender, ledger=ledger, pause=PAUSE, now=now())
    assert (arrival.delivered, arrival.missing) == (3, [])
    assert {row.state for row in ledger.find("daily_sleep")} == {PushState.DELIVERED}


def test_a_value_that_was_not_replaced_does_not_count_as_delivered(
    sender: PlaintextSender, client: VictoriaClient, ledger: Pushes
) -> None:
    """It keeps both, and shows either. Deleted and sent anew, all is right."""
    metric, times = "bio.cyd.activity.met", [instant(1, 60 * m) for m in range(1440)]

    def send(points: Sequence[tuple[int, float]]) -> bool:
        """Whether the day is said to be delivered; then it is shown as it was sent."""
        day = day_with(1, {metric: points})
        push([day], sender=sender, ledger=ledger, even_unchanged=True, now=now())
        arrival = confirm(
            [day], render=client, sender=sender, ledger=ledger, pause=PAUSE, rounds=1, now=now()
        )
        shown = client.values([metric], times[0], times[-1])[metric]
        wrong = [at for at, value in points if not client.holds(shown.get(at), value)]
        assert not (arrival.delivered and wrong)
        return bool(arrival.delivered)

    assert send([(at, 50.0) for at in times])
    client.settle_seconds = (3.0, 3.0)
    changed = [(at, 40.0 if n % 7 < 3 else 50.0) for n, at in enumerate(times)]
    for points in (changed, [(at, 60.0) for at in times]):
        send(points)
    client.delete("bio.cyd")
    client.settle_seconds = VictoriaClient.settle_seconds
    assert send(changed)


def test_what_never_arrived_is_missing(client: VictoriaClient, ledger: Pushes) -> None:
    """And of carbon's causes none is said."""
    day = day_with(1, {"bio.bob.sleep.score": [(instant(1), 70)]})
    client.settle_seconds = (0.1, 0.2)  # nothing will come
    with fake_carbon() as carbon:
        sender = PlaintextSender("127.0.0.1", carbon.port)
        push([day], sender=sender, ledger=ledger, now=now())
        arrival = confirm([day], render=client, sender=sender, ledger=ledger, pause=0.1, now=now())
    assert [(one.points, one.of) for one in arrival.missing] == [(1, 1)]
    assert arrival.findings == []


def test_something_else_at_the_address_is_said(client: VictoriaClient) -> None:
    with pytest.raises(GraphiteUnavailable, match="is GRAPHITE_RENDER_URL the address of Victoria"):
        VictoriaClient(client._http, f"{client._api}/nothing").values(["bio.ada.x"], 1, 2)


def test_everything_of_a_person_is_deleted_there(
    ports: tuple[int, int], sender: PlaintextSender, client: VictoriaClient, tmp_path: Path
) -> None:
    """Of nobody else, whatever their name begins with; a push a moment ago is found, too."""
    lines, http = ports
    at = instant(1)
    for name in ("runa", "runa2", "koa"):
        sender.send([(f"bio.{name}.sleep.score", [(at, 70)])])
    with running(SandboxOptions(people=1)) as sandbox:
        named = environment(tmp_path / "data", sandbox) | {
            "GRAPHITE_HOST": "127.0.0.1",
            "GRAPHITE_PORT": str(lines),
            "GRAPHITE_RENDER_URL": f"http://127.0.0.1:{http}",
            "GRAPHITE_STORE": "victoriametrics",
        }
        with open_pipeline(read_settings(named)) as pipeline:
            pipeline.accounts.people.add("runa", sandbox_tokens(sandbox, "runa"))
            deleted = delete_everything(pipeline, "runa")
    assert deleted.graphite.lines == (
        "VictoriaMetrics has deleted everything under bio.runa.*; its files lose it when they are "
        "merged.",
    )
    names = [f"bio.{name}.sleep.score" for name in ("runa", "runa2", "koa")]
    assert sorted(client.values(names, at, at)) == names[:0:-1]
    left = child_names(client._http, f"http://127.0.0.1:{http}", "bio")
    assert {"runa2", "koa"} <= left
    assert "runa" not in left
