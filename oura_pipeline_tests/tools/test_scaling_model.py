"""The model of many people adds up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.model import ENOUGH, Cluster, Costs, needed, simulate

COSTS = Costs(requests=20.0, request=0.01, points=4000.0, point=5e-6)
A_DAY = 1000 * (12 + 20)  # requests of a thousand people


def test_with_enough_of_everything_nobody_waits() -> None:
    seen = simulate(COSTS, replace(ENOUGH, people=1000))
    assert (seen.late, seen.night) == (5, pytest.approx(5 / 60))


def test_what_is_done_is_what_was_announced_and_asked_for() -> None:
    seen = simulate(COSTS, Cluster(people=1000, budget=10, cores=1))
    assert seen.busy == pytest.approx(
        {
            "requests": A_DAY / (10 * 86_400),
            "CPU": (A_DAY * 0.01 + 1000 * 4000 * 5e-6) / 86_400,
            "points": 1000 * 4000 / (130_000 * 86_400),
        }
    )


def test_a_seventh_of_a_night_takes_a_seventh() -> None:
    cluster = replace(ENOUGH, people=1_000_000, budget=4000)
    every, seventh = (simulate(COSTS, replace(cluster, nights=nights)) for nights in (1, 7))
    assert every.night == pytest.approx(7 * seventh.night, rel=0.2)


@pytest.mark.parametrize("scarce", ["budget", "cores", "carbons"])
def test_with_too_little_of_one_thing_it_is_ever_later(scarce: str) -> None:
    cluster = replace(ENOUGH, people=10_000_000, **{scarce: 1})
    assert math.isinf(simulate(COSTS, cluster).late)


def test_what_is_needed_is_enough_and_little_less_is_not() -> None:
    cluster = needed(COSTS, 1_000_000, nights=7)
    seen = simulate(COSTS, cluster)
    assert (seen.late <= 15, seen.night <= 24) == (True, True)
    less = simulate(COSTS, replace(cluster, budget=cluster.budget * 0.9))
    assert less.late > 15 or less.night > 24
