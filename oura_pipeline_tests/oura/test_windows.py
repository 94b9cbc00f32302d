"""Questions cover every instant of the asked days once, and are as few as Oura allows."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE, RING_CONFIGURATION
from oura_pipeline.oura.windows import DateRangeQuery, date_range_queries

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
RANGES = [
    (date(2020, 1, 1) + timedelta(days=begin), days)
    for begin, days in [
        *((0, days) for days in range(1, 125)),
        *((random.Random(seed).randrange(2500), 1 + seed * 61) for seed in range(40)),
    ]
]


def bounds(question: DateRangeQuery) -> tuple[datetime, datetime]:
    """What Oura is asked for."""
    start, end = question.parameters["start_datetime"], question.parameters["end_datetime"]
    return datetime.fromisoformat(start), datetime.fromisoformat(end)


@pytest.mark.parametrize(("first", "days"), RANGES)
def test_instants_are_covered_once_by_few_questions(first: date, days: int) -> None:
    """Wherever the person was, and whichever end of a range Oura leaves out."""
    asked = date_range_queries(HEARTRATE, first, first + timedelta(days=days - 1))
    starts, ends = zip(*map(bounds, asked), strict=True)
    midnight = datetime.combine(first, time(), UTC)
    assert starts[0] < midnight - timedelta(hours=14)
    assert ends[-1] > midnight + days * DAY + timedelta(hours=12)
    assert all(start < end for start, end in zip(starts[1:], ends[:-1], strict=True))
    assert max(end - start for start, end in zip(starts, ends, strict=True)) <= 30 * DAY
    assert len(asked) == math.ceil((days + 28 / 24) / 30)


@pytest.mark.parametrize(("first", "days"), RANGES[::7])
def test_every_instant_belongs_to_one_query_that_covers_it(first: date, days: int) -> None:
    """So rows that two queries bring are taken once."""
    asked = date_range_queries(HEARTRATE, first, first + timedelta(days=days - 1))
    edges = [edge for question in asked for edge in (question.first, question.end)][1:-1]
    midnight = datetime.combine(first, time(), UTC)
    for instant in [midnight, midnight + days * DAY, *edges, *(edge - SECOND for edge in edges)]:
        (owner,) = [question for question in asked if question.owns(instant)]
        start, end = bounds(owner)
        assert start < instant < end


@pytest.mark.parametrize(
    ("days", "count"), [(1, 1), (28, 1), (29, 2), (30, 2), (58, 2), (59, 3), (88, 3), (90, 4)]
)
def test_the_number_of_queries_about_instants(days: int, count: int) -> None:
    """One for 30 days, of which 28 hours go to the zones of the Earth."""
    asked = date_range_queries(
        HEARTRATE, date(2026, 1, 1), date(2025, 12, 31) + timedelta(days=days)
    )
    assert len(asked) == count


def test_instants_without_a_longest_range_are_one_question() -> None:
    """However many days."""
    free = replace(HEARTRATE, max_days=None)
    assert len(date_range_queries(free, date(2016, 1, 1), date(2026, 1, 1))) == 1


def test_the_last_day_of_a_range_belongs_to_it() -> None:
    """And a range that ends before it begins is a mistake of the caller."""
    assert date_range_queries(DAILY_SLEEP, date(2026, 3, 1), date(2026, 3, 1))[0].parameters == {
        "start_date": "2026-02-27",
        "end_date": "2026-03-03",
    }
    with pytest.raises(ValueError, match="2026-03-02 comes after the last one 2026-03-01"):
        date_range_queries(DAILY_SLEEP, date(2026, 3, 2), date(2026, 3, 1))


def test_a_type_without_ranges_is_refused() -> None:
    """Rather than asked for in a way that loses days."""
    for document_type in (RING_CONFIGURATION, replace(DAILY_SLEEP, max_days=30)):
        with pytest.raises(ValueError, match="cannot be requested by date range"):
            date_range_queries(document_type, date(2026, 3, 1), date(2026, 3, 1))
