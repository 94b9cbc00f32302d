"""What is pushed, what is not, and what the ledger remembers of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import stamina

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.carbon import GraphiteUnavailable, Metrics, PlaintextSender
from oura_pipeline.graphite.points import DayPoints, unpack
from oura_pipeline.graphite.push import PushResult, push
from oura_pipeline.ledger import PushState, Withdrawn
from oura_pipeline_tests.graphite.day_points import NOW, ago, day_with, instant, scores
from oura_pipeline_tests.graphite.fake_carbon import fake_carbon

SCORE = "bio.ada.sleep.score"


@dataclass
class RecordingSender:
    """A sender that keeps the points, or fails a number of times."""

    confirms_delivery: bool = False
    breaks: int = 0
    sent: list[dict[str, list[tuple[int, float]]]] = field(default_factory=list)

    def send(self, metrics: Metrics) -> None:
        """Keep the points."""
        if self.breaks:
            self.breaks -= 1
            raise GraphiteUnavailable("carbon went away")
        self.sent.append({name: list(points) for name, points in metrics})


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def pushed(
    ledger: Pushes, *days: DayPoints, **options: object
) -> tuple[PushResult, RecordingSender]:
    """What a push does with a basket."""
    basket = options.pop("basket", None) or RecordingSender()
    result = push(days, sender=basket, ledger=ledger, now=NOW, **options)  # type: ignore[arg-type]
    return result, basket  # type: ignore[return-value]


def states(ledger: Pushes) -> dict[str, PushState]:
    """The state of each day."""
    return {str(row.day): row.state for row in ledger.find("daily_sleep")}


def test_points_leave_metric_by_metric_and_the_ledger_knows(ledger: Pushes) -> None:
    """All days of a metric together, one row per day."""
    days = [
        scores(2, 70),
        day_with(1, {SCORE: [(instant(1), 80)], "bio.ada.sleep.x": [(instant(1), 0.5)]}),
    ]
    result, basket = pushed(ledger, *days)
    assert basket.sent == [
        {
            SCORE: [(instant(2), 70), (instant(1), 80)],
            "bio.ada.sleep.x": [(instant(1), 0.5)],
        }
    ]
    assert result == PushResult(
        days=2,
        points=3,
        unchanged=0,
        withdrawn=0,
        points_by_day=Counter({ago(2): 1, ago(1): 2}),
        skipped=Counter(),
    )
    first, second = ledger.find("daily_sleep")
    assert (first.day, first.points, first.digest, first.state, first.at) == (
        ago(2),
        1,
        days[0].digest,
        PushState.SENT,
        NOW,
    )
    assert unpack(second.index) == {SCORE: (instant(1),), "bio.ada.sleep.x": (instant(1),)}


def test_an_unchanged_day_is_not_pushed(ledger: Pushes) -> None:
    """The same digest means the same points; a changed one leaves alone."""
    pushed(ledger, scores(2, 70), scores(1, 80))
    result, basket = pushed(ledger, scores(2, 70), scores(1, 81))
    assert basket.sent == [{SCORE: [(instant(1), 81)]}]
    assert result == PushResult(
        days=1,
        points=1,
        unchanged=1,
        withdrawn=0,
        points_by_day=Counter({ago(2): 1, ago(1): 1}),
        skipped=Counter(),
    )


def test_the_source_is_recorded_of_what_was_sent_as_a_whole(ledger: Pushes) -> None:
    """The next push has to look again at what was not sent, if only to report it."""
    future = day_with(1, {SCORE: [(instant(1), 80), (instant(-5), 80)]})
    pushed(
        ledger,
        replace(scores(3, 60), source="three"),
        replace(scores(2, 70), source="two", skipped={"no number: score": 1}),
        replace(future, source="one"),
    )
    rows = ledger.find("daily_sleep")
    assert [(row.points, row.source) for row in rows] == [(1, "three"), (1, ""), (1, "")]
    pushed(ledger, replace(scores(3, 60), source="other"))
    assert ledger.find("daily_sleep") == [replace(rows[0], source="other"), *rows[1:]]


def test_what_was_only_sent_is_pushed_again_when_it_is_young(ledger: Pushes) -> None:
    """Where nobody can read back."""
    pushed(ledger, scores(8, 70), scores(7, 80))
    _, basket = pushed(ledger, scores(8, 70), scores(7, 80), resend_since=ago(7))
    assert basket.sent == [{SCORE: [(instant(7), 80)]}]


def test_what_was_delivered_is_not_pushed_again(ledger: Pushes) -> None:
    """However young; a file delivers at once."""
    pushed(ledger, scores(1, 80), basket=RecordingSender(confirms_delivery=True))
    assert states(ledger) == {str(ago(1)): PushState.DELIVERED}
    _, basket = pushed(ledger, scores(1, 80), resend_since=ago(7))
    assert basket.sent == []
    _, basket = pushed(ledger, scores(1, 80), even_unchanged=True)
    assert basket.sent == [{SCORE: [(instant(1), 80)]}]


def test_a_push_is_tried_again_and_then_given_up(ledger: Pushes) -> None:
    """The rows stay pending, and leave with the next push although nothing changed."""
    result, basket = pushed(ledger, scores(2, 60), basket=RecordingSender(breaks=2))
    assert (result.days, basket.sent) == (1, [{SCORE: [(instant(2), 60)]}])
    with pytest.raises(GraphiteUnavailable, match="carbon went away"):
        pushed(ledger, scores(1, 80), basket=RecordingSender(breaks=3))
    assert states(ledger) == {str(ago(2)): PushState.SENT, str(ago(1)): PushState.PENDING}
    _, basket = pushed(ledger, scores(1, 80))
    assert basket.sent == [{SCORE: [(instant(1), 80)]}]


def test_a_withdrawn_value_is_listed(ledger: Pushes) -> None:
    """Graphite cannot forget it; what stays is pushed."""
    metric = "bio.ada.sleep.heart_rate"
    pushed(
        ledger,
        day_with(
            1,
            {
                SCORE: [(instant(1), 70)],
                metric: [(instant(1), 50), (instant(1, 300), 51)],
            },
        ),
    )
    result, _ = pushed(ledger, day_with(1, {metric: [(instant(1, 300), 51)]}))
    assert result.withdrawn == 2
    assert ledger.withdrawn() == [
        Withdrawn(
            username="ada",
            document_type="daily_sleep",
            day=ago(1),
            metric=name,
            times=(instant(1),),
            at=NOW,
        )
        for name in (metric, SCORE)
    ]
    assert unpack(ledger.find("daily_sleep")[0].index) == {metric: (instant(1, 300),)}


def test_a_day_without_documents_any_more_is_withdrawn(ledger: Pushes) -> None:
    """Nothing is sent, and it is settled at once; a day that never had any leaves no row."""
    pushed(ledger, scores(1, 70))
    result, basket = pushed(ledger, day_with(1, {}), day_with(2, {}))
    assert (result.withdrawn, basket.sent) == (1, [])
    assert [one.times for one in ledger.withdrawn()] == [(instant(1),)]
    assert states(ledger) == {str(ago(1)): PushState.DELIVERED}
    result, _ = pushed(ledger, day_with(1, {}))
    assert (result.days, result.unchanged) == (0, 1)


def test_a_point_that_moves_to_the_next_day_is_not_withdrawn(ledger: Pushes) -> None:
    """A traveller's days overlap: the later one has a value there now."""
    met = "bio.ada.activity.met"
    pushed(ledger, day_with(2, {met: [(instant(1), 1.0), (instant(1, 60), 1.1)]}))
    result, _ = pushed(
        ledger,
        day_with(2, {met: [(instant(1), 1.0)]}),
        day_with(1, {met: [(instant(1, 60), 2.0)]}),
    )
    assert (result.withdrawn, ledger.withdrawn()) == (0, [])
    result, _ = pushed(
        ledger,
        day_with(2, {}),
        day_with(1, {met: [(instant(1), 3.0), (instant(1, 60), 2.0)]}),
    )
    assert (result.withdrawn, ledger.withdrawn()) == (0, [])


@pytest.mark.parametrize(("place", "withdrawn"), [(8, 1), (7, 0), (1, 0), (0, 1)])
def test_a_point_of_three_days_away_is_not_withdrawn(
    ledger: Pushes, place: int, withdrawn: int
) -> None:
    """Of that day, or of nobody: what another person has there is no matter."""
    there = day_with(place, {SCORE: [(instant(4), 70)]})
    elsewhere = [
        day_with(place, {"bio.bob.sleep.score": [(instant(4), 70)]}, username=name)
        for name in ("bob", "eve")
    ]
    pushed(ledger, day_with(4, {SCORE: [(instant(4), 70)]}), there, *elsewhere)
    result, _ = pushed(ledger, day_with(4, {}))
    assert (result.withdrawn, len(ledger.withdrawn())) == (withdrawn, withdrawn)


def test_a_crash_forgets_neither_the_old_points_nor_the_new(ledger: Pushes) -> None:
    """What was withdrawn before a broken push is listed by the next one."""
    pushed(ledger, day_with(1, {SCORE: [(instant(1), 70)]}))
    with pytest.raises(GraphiteUnavailable):
        pushed(
            ledger,
            day_with(1, {"bio.ada.sleep.x": [(instant(1), 1)]}),
            basket=RecordingSender(breaks=3),
        )
    assert ledger.withdrawn() == []
    pushed(ledger, day_with(1, {"bio.ada.sleep.y": [(instant(1), 1)]}))
    assert [one.metric for one in ledger.withdrawn()] == [SCORE, "bio.ada.sleep.x"]


def test_people_and_types_are_kept_apart(ledger: Pushes) -> None:
    """In one push."""
    other = DayPoints("ada", "sleep", ago(1), {"bio.ada.sleep.latency": [(instant(1), 5)]})
    bob = scores(1, 60, username="bob", root="bio.bob")
    pushed(ledger, scores(1, 70), other, bob)
    result, basket = pushed(ledger, scores(1, 70), other, scores(1, 61, username="bob"))
    assert result.unchanged == 2
    assert basket.sent == [{SCORE: [(instant(1), 61)]}]


def test_counts_are_over_all_people(ledger: Pushes) -> None:
    bob = scores(1, 60, username="bob", root="bio.bob")
    strange = replace(bob, skipped=Counter({"text": 3}))
    result, _ = pushed(ledger, scores(1, 70), strange)
    assert (result.points_by_day, result.skipped) == ({ago(1): 2}, {"text": 3})
    result, _ = pushed(ledger, day_with(1, {}), day_with(1, {}, username="bob"))
    assert (result.withdrawn, result.points_by_day) == (2, {ago(1): 0})


def test_invalid_points_are_left_out_and_reported(ledger: Pushes) -> None:
    """A bad point would take good ones with it."""
    good = [(instant(1), 1), (instant(0), 2.5)]
    bad = {
        "ms": ((instant(1) * 1000, 3), "time in the future"),
        "far": ((instant(-3), 3), "time in the future"),
        "old": ((instant(25 * 365), 3), "time beyond the retention"),
        "half": ((instant(1) + 0.5, 3), "time that is no integer"),
        "flag": ((True, 3), "time that is no integer"),
        "inf": ((instant(2), float("inf")), "no finite number"),
        "nan": ((instant(2), float("nan")), "no finite number"),
        "text": ((instant(2), "3"), "no finite number"),
        "none": ((instant(2), None), "no finite number"),
        "bool": ((instant(2), True), "no finite number"),
        "huge": ((instant(2), 10**400), "no finite number"),
    }
    points = {f"bio.ada.x.{name}": [point, *good] for name, (point, _) in bad.items()}
    names = ["bio.ada.x y", "bio..x", "bio.ada.", "bio", "bio.größe", "bio.ada.x;a=b", "bio.a/b"]
    points |= dict.fromkeys(names, good)
    result, basket = pushed(ledger, day_with(1, points))  # type: ignore[arg-type]
    assert basket.sent == [{f"bio.ada.x.{name}": good for name in bad}]
    expected = {"name that Graphite cannot store": 2 * len(names)}
    for _, reason in bad.values():
        expected[reason] = expected.get(reason, 0) + 1
    assert result.skipped == expected


def test_a_point_that_is_too_far_ahead_leaves_when_its_time_comes(ledger: Pushes) -> None:
    """It is not mistaken for unchanged."""
    day = day_with(0, {SCORE: [(instant(0), 1), (instant(-3), 2)]})
    pushed(ledger, day)
    basket = RecordingSender()
    push([day], sender=basket, ledger=ledger, now=NOW + timedelta(days=2))
    assert basket.sent == [{SCORE: [(instant(0), 1), (instant(-3), 2)]}]


def test_many_points_leave_in_several_connections(ledger: Pushes) -> None:
    """So that neither memory nor what a broken connection leaves unconfirmed grows."""
    days = (
        day_with(n, {SCORE: [(instant(n, s), s) for s in range(0, 86400, 4)]})
        for n in range(20, 0, -1)
    )
    with fake_carbon() as carbon:
        result = push(
            days, sender=PlaintextSender("127.0.0.1", carbon.port), ledger=ledger, now=NOW
        )
    assert (result.days, result.points) == (20, 20 * 21600)
    lines = [received.count(b"\n") for received in carbon.received]
    assert lines == [4 * 21600] * 5
