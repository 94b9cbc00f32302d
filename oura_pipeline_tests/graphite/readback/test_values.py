"""Every value is read back from a real Graphite; what is missing is sent again."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import stamina

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.carbon import (
    GraphiteUnavailable,
    Metrics,
    PickleSender,
    PlaintextSender,
    Sender,
)
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.push import push
from oura_pipeline.graphite.readback.render import RenderClient, Values
from oura_pipeline.graphite.readback.report import MissingDay, ReadbackReport
from oura_pipeline.graphite.readback.values import confirm
from oura_pipeline.ledger import PushState
from oura_pipeline.oura.http import tls
from oura_pipeline_tests.graphite.day_points import ago, day_with, instant
from oura_pipeline_tests.testing.requirements import require_graphite

PAUSE = 0.3


def now() -> datetime:
    """The present of Graphite."""
    return datetime.now(UTC)


def line(graphite: LocalGraphite) -> PlaintextSender:
    """A sender to that Graphite."""
    return PlaintextSender("127.0.0.1", graphite.line_port)


def states(ledger: Pushes) -> list[PushState]:
    """The state of each day of daily_sleep."""
    return [row.state for row in ledger.find("daily_sleep")]


def days_of(root: str, *, days: int = 3) -> list[DayPoints]:
    """Days with once-a-day numbers, minutes and a sparse session."""
    return [
        day_with(
            n,
            {
                f"{root}.sleep.score": [(instant(n), 70 + n)],
                f"{root}.activity.met": [(instant(n, 60 * m), m / 7) for m in range(1440)],
                f"{root}.session.heart_rate": [
                    (instant(n, 36_000 + 5 * m), 50 + m) for m in range(9)
                ],
            },
        )
        for n in range(days, 0, -1)
    ]


@pytest.mark.parametrize("kind", ["line", "pickle"])
def test_what_arrived_is_delivered(
    kind: str, graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """Every value of every day, by either protocol."""
    sender: Sender = (
        line(graphite) if kind == "line" else PickleSender("127.0.0.1", graphite.pickle_port)
    )
    days = days_of(f"bio.delivered-{kind}")
    push(days, sender=sender, ledger=ledger, now=now())
    arrival = confirm(days, render=render, sender=sender, ledger=ledger, pause=PAUSE, now=now())
    assert arrival == ReadbackReport(delivered=3, points=3 * 1450)
    assert arrival.message == ""
    assert states(ledger) == [PushState.DELIVERED] * 3
    again = confirm(days, render=render, sender=sender, ledger=ledger, pause=60, now=now())
    assert again == ReadbackReport()


class Leaky:
    """A sender that loses some points of its first pushes, without a word."""

    confirms_delivery = False

    def __init__(self, sender: Sender, pushes: int) -> None:
        self._sender, self._left = sender, pushes

    def send(self, metrics: Metrics) -> None:
        """Send all points, or all but some."""
        kept = [(name, list(points)) for name, points in metrics]
        if self._left:
            self._left -= 1
            kept = [(name, points[1:]) for name, points in kept]
        self._sender.send(kept)


def test_what_is_missing_is_sent_again(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """Only that, until it is there."""
    days = days_of("bio.leaky", days=2)
    sender = Leaky(line(graphite), pushes=2)
    push(days, sender=sender, ledger=ledger, now=now())
    arrival = confirm(days, render=render, sender=sender, ledger=ledger, pause=PAUSE, now=now())
    assert (arrival.delivered, arrival.missing) == (2, [])
    # Three metrics lost their first point, then of three points each lost its own once more.
    assert arrival.sent_again == 6
    assert states(ledger) == [PushState.DELIVERED] * 2


def test_a_wrong_value_is_not_taken_for_the_right_one(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """It is overwritten with ours."""
    metric = "bio.wrong.sleep.score"
    day = day_with(1, {metric: [(instant(1), 70)]})
    push([day], sender=line(graphite), ledger=ledger, now=now())
    line(graphite).send([(metric, [(instant(1), 69.999)])])
    arrival = confirm(
        [day], render=render, sender=line(graphite), ledger=ledger, pause=PAUSE, now=now()
    )
    assert (arrival.delivered, arrival.sent_again) == (1, 1)
    assert render.values([metric], instant(1), instant(1)) == {metric: {instant(1): 70.0}}


class Fickle(RenderClient):
    """A Graphite whose value is another one after the first reading."""

    def __init__(self, http: httpx.Client, graphite: LocalGraphite) -> None:
        super().__init__(http, graphite.render_url)
        self._carbon = line(graphite)
        self._fickle = True

    def values(self, metrics: Sequence[str], first: int, last: int) -> dict[str, Values]:
        """What is there, and then something else."""
        answer = super().values(metrics, first, last)
        if answer and self._fickle:
            self._fickle = False
            self._carbon.send([(metrics[0], [(first, 0.5)])])
        return answer


def test_what_was_there_once_is_not_delivered(graphite: LocalGraphite, ledger: Pushes) -> None:
    """A crash can take back what carbon showed from its memory; so it is read twice."""
    day = day_with(1, {"bio.fickle.sleep.score": [(instant(1), 70)]})
    push([day], sender=line(graphite), ledger=ledger, now=now())
    with httpx.Client(verify=tls()) as http:
        arrival = confirm(
            [day],
            render=Fickle(http, graphite),
            sender=line(graphite),
            ledger=ledger,
            pause=PAUSE,
            now=now(),
        )
    assert arrival == ReadbackReport(delivered=1, points=1, sent_again=1)


def test_days_of_the_future_wait(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """Graphite does not show them yet; the other days do not wait with them."""
    root = "bio.future.sleep.score"
    # The day after tomorrow: tomorrow may have begun since this module was read.
    days = [
        day_with(1, {root: [(instant(1), 1)]}),
        day_with(-2, {root: [(instant(-2), 2)]}),
    ]
    push(days, sender=line(graphite), ledger=ledger, now=now())
    arrival = confirm(
        days, render=render, sender=line(graphite), ledger=ledger, pause=PAUSE, now=now()
    )
    assert arrival == ReadbackReport(delivered=1, points=1, waiting=1)
    assert states(ledger) == [PushState.DELIVERED, PushState.SENT]


def test_only_what_was_sent_as_it_is_is_read_back(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """Neither days that never left nor days that changed since."""
    days = [day_with(n, {"bio.since.sleep.score": [(instant(n), n)]}) for n in (3, 2, 1)]
    push(days[:2], sender=line(graphite), ledger=ledger, now=now())
    row = ledger.find("daily_sleep")[1]
    ledger.record([replace(row, digest="another")])
    arrival = confirm(
        days, render=render, sender=line(graphite), ledger=ledger, pause=PAUSE, now=now()
    )
    assert arrival == ReadbackReport(delivered=1, points=1)
    assert states(ledger) == [PushState.DELIVERED, PushState.SENT]


def test_a_day_that_is_pushed_anew_meanwhile_is_not_marked(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """What was read back is not what stands in the ledger now."""
    day = day_with(1, {"bio.meanwhile.sleep.score": [(instant(1), 1)]})
    push([day], sender=line(graphite), ledger=ledger, now=now())

    def days() -> Iterator[DayPoints]:
        yield day
        (row,) = ledger.find("daily_sleep")
        ledger.record([replace(row, digest="another")])

    arrival = confirm(
        days(), render=render, sender=line(graphite), ledger=ledger, pause=PAUSE, now=now()
    )
    assert arrival == ReadbackReport()
    assert states(ledger) == [PushState.SENT]


def test_a_carbon_without_our_schemas_is_found_out(tmp_path: Path, ledger: Pushes) -> None:
    """It drops a history without a word; the message says why."""
    require_graphite()
    shipped = "[default]\npattern = .*\nretentions = 60s:1d,5m:30d,1h:3y\n"
    days = [day_with(n, {"bio.ada.sleep.score": [(instant(n), n)]}) for n in (2000, 1)]
    with LocalGraphite(schemas=shipped) as graphite, httpx.Client(verify=tls()) as http:
        push(days, sender=line(graphite), ledger=ledger, now=now())
        arrival = confirm(
            days,
            render=RenderClient(http, graphite.render_url),
            sender=line(graphite),
            ledger=ledger,
            pause=PAUSE,
            rounds=1,
            now=now(),
        )
    assert (arrival.delivered, arrival.sent_again) == (1, 1)
    assert arrival.missing == [
        MissingDay(
            username="ada",
            document_type="daily_sleep",
            day=ago(2000),
            points=1,
            of=1,
            metrics=("bio.ada.sleep.score",),
        )
    ]
    assert arrival.message.startswith(
        "1 points of 1 days did not arrive in Graphite, among them bio.ada.sleep.score. Carbon's "
        "storage-schemas.conf had no section for a metric (bio.ada.sleep.score) when it was created"
    )
    assert "Run `oura-pipeline graphite schemas`" in arrival.message
    assert states(ledger) == [PushState.MISSING, PushState.DELIVERED]


def test_a_damaged_file_hides_no_other_metric(
    graphite: LocalGraphite, render: RenderClient, ledger: Pushes
) -> None:
    """Its name is found out; all the others arrive."""
    metrics = [f"bio.damaged.sleep.m{n}" for n in range(9)]
    broken = graphite.whisper_file(metrics[4])
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"")
    days = [day_with(1, {metric: [(instant(1), 1)] for metric in metrics if metric != metrics[4]})]
    days.append(day_with(2, {metrics[4]: [(instant(2), 1)]}))
    push(days, sender=line(graphite), ledger=ledger, now=now())
    arrival = confirm(
        days, render=render, sender=line(graphite), ledger=ledger, pause=PAUSE, rounds=0, now=now()
    )
    assert (arrival.delivered, arrival.unreadable) == (1, {metrics[4]})
    assert [day.metrics for day in arrival.missing] == [(metrics[4],)]
    assert f"Graphite-web cannot read a file ({metrics[4]})" in arrival.message


def test_a_push_into_a_carbon_that_is_killed_arrives_in_the_end(
    tmp_path: Path, ledger: Pushes
) -> None:
    """Killed while it takes points, and again before it wrote them."""
    require_graphite()
    days = [
        day_with(
            n,
            {
                f"bio.ada.activity.m{m}": [(instant(n, 60 * s), s + m) for s in range(1440)]
                for m in range(10)
            },
        )
        for n in range(10, 0, -1)
    ]
    with LocalGraphite() as graphite, httpx.Client(timeout=60, verify=tls()) as http:
        killer = threading.Timer(0.3, _restart, [graphite])
        killer.start()
        # A carbon that is not back yet has refused the points, which wait and are sent again.
        for attempt in stamina.retry_context(GraphiteUnavailable, attempts=None, timeout=120):
            with attempt:
                push(days, sender=line(graphite), ledger=ledger, now=now())
        killer.join()
        _restart(graphite)
        arrival = confirm(
            days,
            render=RenderClient(http, graphite.render_url),
            sender=line(graphite),
            ledger=ledger,
            pause=1.5,
            now=now(),
        )
        assert (arrival.delivered, arrival.points, arrival.missing) == (10, 144_000, [])
        # What was delivered is on the disk.
        _restart(graphite)
        render = RenderClient(http, graphite.render_url)
        name = "bio.ada.activity.m3"
        expected = {time: value for day in days for time, value in day.points[name]}
        assert render.values([name], min(expected), max(expected)) == {name: expected}


def _restart(graphite: LocalGraphite) -> None:
    graphite.kill_carbon()
    graphite.start_carbon()
