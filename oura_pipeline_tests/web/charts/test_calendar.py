"""The calendar of what was asked: its states, its drawing, its counts."""

from __future__ import annotations

from datetime import date

import pytest

from oura_pipeline.accounts.overview import DayOverview
from oura_pipeline.web.charts.calendar import (
    DayState,
    Month,
    calendar,
    first_day,
    month_chart,
)

DAY = date(2026, 10, 28)


def day(landed: int = 0, empty: int = 0, not_granted: int = 0, failed: int = 0) -> DayOverview:
    """How many kinds had which answer."""
    return DayOverview(landed=landed, empty=empty, not_granted=not_granted, failed=failed)


@pytest.mark.parametrize(
    ("known", "granted", "state"),
    [
        (None, 3, DayState.NOT_ASKED),
        (None, 0, DayState.NOT_GRANTED),
        (day(), 0, DayState.NOT_GRANTED),
        (day(not_granted=3), 3, DayState.NOT_GRANTED),
        (day(landed=1, empty=2), 3, DayState.COMPLETE),
        (day(landed=1, empty=1, not_granted=1), 3, DayState.COMPLETE),
        (day(landed=1, empty=1), 3, DayState.PARTLY),
        (day(empty=3), 3, DayState.EMPTY),
        (day(landed=2, failed=1), 3, DayState.FAILED),
        (day(not_granted=2, failed=1), 3, DayState.FAILED),
    ],
)
def test_a_day_has_one_state(known: DayOverview | None, granted: int, state: DayState) -> None:
    """Empty is an answer, not granted is not missed, and one failure is to be seen."""
    days = {} if known is None else {DAY: known}
    assert calendar(days, granted, DAY, DAY) == [Month(DAY, [state])]


def test_a_day_that_was_brought_is_no_day_without_data() -> None:
    """Whatever Oura said of it; but what failed is asked again, and what it gave is complete."""
    answers = [None, day(empty=3), day(not_granted=3), day(failed=3), day(landed=3), day(landed=1)]
    days = {date(2026, 10, number): one for number, one in enumerate(answers, 1) if one}
    [month] = calendar(days, 3, date(2026, 10, 1), date(2026, 10, 6), {*days, date(2026, 10, 1)})
    brought, other = DayState.BROUGHT, (DayState.FAILED, DayState.COMPLETE, DayState.PARTLY)
    assert month.states == [brought, brought, brought, *other]


def test_the_calendar_begins_with_a_month_or_with_the_history() -> None:
    """Days that are never asked for are not drawn as if they were to be."""
    assert first_day(DAY, date(2015, 1, 1)) == date(2025, 11, 1)
    assert first_day(date(2026, 12, 31), date(2015, 1, 1)) == date(2026, 1, 1)
    assert first_day(DAY, date(2026, 9, 15)) == date(2026, 9, 15)
    months = calendar({}, 1, date(2026, 9, 29), date(2026, 11, 2))
    assert [(month.first, len(month.states)) for month in months] == [
        (date(2026, 9, 29), 2),
        (date(2026, 10, 1), 31),
        (date(2026, 11, 1), 2),
    ]


def test_a_column_is_a_week_and_monday_is_at_the_top() -> None:
    """2026-11-01 is a Sunday: alone at the bottom of the first column."""
    states = [DayState.COMPLETE, DayState.FAILED]
    assert month_chart(Month(date(2026, 11, 1), states)) == (
        '<svg class="month" role="img" aria-labelledby="month-2026-11-title month-2026-11-about" '
        'viewBox="0 0 70 82"><title id="month-2026-11-title">November 2026</title>'
        '<desc id="month-2026-11-about">1 complete and 1 failed.</desc>'
        '<path class="day complete" transform="translate(0 72)" d="M0 0h10v10h-10z">'
        "<title>2026-11-01: complete</title></path>"
        '<path class="day failed" transform="translate(12 0)" '
        'd="M0 2l2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z">'
        "<title>2026-11-02: failed</title></path></svg>"
    )


def test_states_do_not_rely_on_colour() -> None:
    """Each has a shape of its own, and words."""
    assert len({state.shape for state in DayState}) == len(DayState)
    assert len({state.title for state in DayState}) == len(DayState)
    assert DayState.NOT_ASKED.mark == (
        '<svg class="mark" viewBox="0 0 10 10" aria-hidden="true">'
        '<path class="day not-asked" d="M3.5 3.5h3v3h-3z"/></svg>'
    )


def test_a_month_counts_its_days_by_state() -> None:
    """In the order of the legend."""
    states = [DayState.COMPLETE, DayState.NOT_ASKED, DayState.COMPLETE]
    assert Month(date(2026, 2, 1), states).counts == [2, 0, 0, 0, 0, 0, 1]
