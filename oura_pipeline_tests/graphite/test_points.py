"""Digest and index of a day's points."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import date

import pytest

from oura_pipeline.graphite.aggregate import Points
from oura_pipeline.graphite.points import DayPoints, difference, pack, union, unpack

MIDNIGHT = 1_767_225_600
DAY = DayPoints(
    "ada",
    "heartrate",
    date(2026, 1, 1),
    {"bio.ada.hr.bpm": [(MIDNIGHT, 61), (MIDNIGHT + 60, 62.5)], "bio.ada.hr.q": [(MIDNIGHT, 1)]},
)
# What other releases wrote into the ledger must stay comparable.
DIGEST = "7c6311ca7c2a3d66e1740b72d5c55565"


def test_the_digest_never_changes() -> None:
    """Or every day would be pushed again after an upgrade."""
    assert DAY.digest == DIGEST


def test_another_process_sees_the_same_digest() -> None:
    """Whatever its hash seed."""
    program = "from oura_pipeline_tests.graphite.test_points import DAY; print(DAY.digest, end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode() == DAY.digest


def test_the_digest_is_of_what_carbon_stores() -> None:
    """Neither the order of metrics nor 61 or 61.0 makes a difference; all else does."""
    points = dict(DAY.points)
    turned = dict(reversed(points.items())) | {"bio.ada.hr.q": [(MIDNIGHT, 1.0)]}
    assert DayPoints("ada", "heartrate", DAY.day, turned).digest == DAY.digest
    others = [
        {**points, "bio.ada.hr.q": [(MIDNIGHT, 2)]},
        {**points, "bio.ada.hr.q": [(MIDNIGHT + 60, 1)]},
        {"bio.ada.hr.bpm": points["bio.ada.hr.bpm"]},
        {"bio.ada.hr.bp": points["bio.ada.hr.bpm"], "bio.ada.hr.q": points["bio.ada.hr.q"]},
        {},
    ]
    digests = {DayPoints("ada", "heartrate", DAY.day, one).digest for one in others}
    assert len(digests | {DAY.digest}) == 6


def test_count() -> None:
    """Over all metrics."""
    assert DAY.count == 3


@pytest.mark.parametrize(
    "index",
    [
        {},
        {"a.b": (5,)},
        {"a.b": (-86400, 0, 4_000_000_000), "a.c": tuple(range(0, 86400, 60))},
    ],
)
def test_an_index_comes_back_as_it_was(index: dict[str, tuple[int, ...]]) -> None:
    """Every metric and time."""
    assert unpack(pack(index)) == index


def test_an_index_of_a_day_of_heart_rate_is_small() -> None:
    """Some hundred bytes for 400 uneven minutes, twice."""
    dice = random.Random(1)
    times = tuple(MIDNIGHT + 60 * n for n in sorted(dice.sample(range(1440), 400)))
    assert len(pack({"bio.ada.hr.bpm": times, "bio.ada.hr.awake.bpm": times})) < 600


def test_an_index_of_the_future_is_not_misread() -> None:
    """A newer release may pack differently."""
    import zlib

    with pytest.raises(ValueError, match="version 9"):
        unpack(zlib.compress(bytes([9])))


def test_union_and_difference() -> None:
    """Metric by metric."""
    old, new = {"a": (1, 2, 3), "b": (4,)}, {"a": (2, 5), "c": (6,)}
    assert union(old, new) == {"a": (1, 2, 3, 5), "b": (4,), "c": (6,)}
    assert difference(old, new) == {"a": (1, 3), "b": (4,)}
    assert difference(new, new) == {}


def test_columns_are_a_sequence_of_points() -> None:
    """Equal to the same points in any other sequence."""
    points = [(60, 1), (120, 2.5), (180, 3)]
    columns = Points.of(points)
    assert (columns.times, columns.values) == ([60, 120, 180], [1, 2.5, 3])
    assert Points.of(columns) is columns
    assert list(columns) == points == columns
    assert (columns[-1], columns[1:], len(columns)) == (points[-1], points[1:], 3)
    assert columns != points[1:]
    assert repr(columns) == repr(points)
