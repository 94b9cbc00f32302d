"""What is to be done with webhook subscriptions: from what there is to what is required."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.sync.subscription_plan import Pair, Plan, plan

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
HERE = "https://pipeline.example/webhook"
ELSEWHERE = "https://old.example/webhook"
SLEEP: Pair = ("sleep", "update")
TAG: Pair = ("tag", "create")


def one(
    pair: Pair = SLEEP, *, days: float | None = 60, number: str = "1", url: str = HERE
) -> Subscription:
    """A subscription that ends so many days from now."""
    return Subscription(
        id=number,
        data_type=pair[0],
        event_type=pair[1],
        callback_url=url,
        expires_at=None if days is None else NOW + timedelta(days=days),
    )


PLANS: dict[str, tuple[set[Pair], list[Subscription], Plan]] = {
    "nothing is wanted and there is nothing": (set(), [], Plan()),
    "what is missing is made": ({TAG, SLEEP}, [], Plan(create=[SLEEP, TAG])),
    "what lives long is left alone": ({SLEEP}, [one(days=14.01)], Plan()),
    "what ends within 14 days is renewed": ({SLEEP}, [one(days=14)], Plan(renew=[one(days=14)])),
    "even in its last minute": ({SLEEP}, [one(days=0.001)], Plan(renew=[one(days=0.001)])),
    "so is what may end any moment": ({SLEEP}, [one(days=None)], Plan(renew=[one(days=None)])),
    "what is over is made anew": (
        {SLEEP},
        [one(days=0)],
        Plan(create=[SLEEP], delete=[one(days=0)]),
    ),
    "what points elsewhere is made anew": (
        {SLEEP},
        [one(url=ELSEWHERE)],
        Plan(create=[SLEEP], delete=[one(url=ELSEWHERE)]),
    ),
    "however long it lives": (
        {SLEEP},
        [one(url=ELSEWHERE, days=80), one(number="2", days=20)],
        Plan(delete=[one(url=ELSEWHERE, days=80)]),
    ),
    "an address may be written in other ways": (
        {SLEEP},
        [one(url="HTTPS://Pipeline.Example:443/webhook/")],
        Plan(),
    ),
    "but another path is elsewhere": (
        {SLEEP},
        [one(url=HERE + "/2")],
        Plan(create=[SLEEP], delete=[one(url=HERE + "/2")]),
    ),
    "an address that is none is elsewhere": (
        {SLEEP},
        [one(url="https://[/")],
        Plan(create=[SLEEP], delete=[one(url="https://[/")]),
    ),
    "what nobody wants goes": ({SLEEP}, [one(), one(TAG)], Plan(delete=[one(TAG)])),
    "so does what we do not know": (
        {SLEEP},
        [one(), one(("meal", "create"))],
        Plan(delete=[one(("meal", "create"))]),
    ),
    "of two the one that lives longer stays": (
        {SLEEP},
        [one(number="1", days=30), one(number="2", days=31), one(number="3", days=None)],
        Plan(delete=[one(number="1", days=30), one(number="3", days=None)]),
    ),
    "and is renewed when it must be": (
        {SLEEP},
        [one(number="1", days=3), one(number="2", days=2)],
        Plan(renew=[one(number="1", days=3)], delete=[one(number="2", days=2)]),
    ),
    "everything at once": (
        {SLEEP, TAG, ("tag", "delete")},
        [
            one(number="1", days=3),
            one(TAG, number="2", url=ELSEWHERE),
            one(("sleep", "create"), number="3"),
        ],
        Plan(
            create=[TAG, ("tag", "delete")],
            renew=[one(number="1", days=3)],
            delete=[one(("sleep", "create"), number="3"), one(TAG, number="2", url=ELSEWHERE)],
        ),
    ),
}


@pytest.mark.parametrize("what", PLANS)
def test_a_plan_turns_what_there_is_into_what_is_required(what: str) -> None:
    pairs, listed, expected = PLANS[what]
    for rows in (listed, listed[::-1]):
        assert steps(plan(pairs, rows, callback_url=HERE, now=NOW)) == steps(expected)


def steps(plan: Plan) -> dict[str, list[object]]:
    return {name: list(value) for name, value in vars(plan).items()}


def test_a_plan_without_steps_is_nothing_to_do() -> None:
    assert not Plan()
    assert Plan(create=[SLEEP])
    assert Plan(renew=[one()])
    assert Plan(delete=[one()])
