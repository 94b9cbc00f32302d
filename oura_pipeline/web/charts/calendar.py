"""A calendar of fetching: a mark per day that shows the result of requesting it from Oura."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from markupsafe import Markup

from oura_pipeline.accounts.overview import DayOverview
from oura_pipeline.days import days_between
from oura_pipeline.web.charts import svg
from oura_pipeline.web.labels import join_and

MONTHS = 12
_PITCH, _COLUMNS = 12, 6  # px per day with the gap after it; weeks that a month can touch


# Marks differ in shape, not only in colour, for people who cannot tell the colours apart.
class DayState(Enum):
    """The state of a day: title, explanation, and the shape of its mark in a square of 10."""

    COMPLETE = ("complete", "every type that you allow has been fetched", "M0 0h10v10h-10z")
    PARTLY = (
        "partial",
        "some types have not been fetched yet",
        "M0 0h10v10h-10zM1.5 1.5v4h7v-4z",
    )
    EMPTY = ("no data", "Oura has no data for this day", "M0 0h10v10h-10zM1.5 1.5v7h7v-7z")
    FAILED = (
        "failed",
        "something could not be fetched and will be retried",
        "M0 2l2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z",
    )
    NOT_GRANTED = ("not allowed", "you did not allow any of it at Oura", "M0 3.5h10v3h-10z")
    BROUGHT = (
        "brought",
        "Oura gave nothing here, but a file that you brought",
        "M5 0l5 5-5 5-5-5z",
    )
    NOT_ASKED = ("not fetched yet", "this day has not been requested yet", "M3.5 3.5h3v3h-3z")

    @property
    def title(self) -> str:
        return self.value[0]

    @property
    def explanation(self) -> str:
        return self.value[1]

    @property
    def shape(self) -> str:
        """The path of the mark."""
        return self.value[2]

    @property
    def css_class(self) -> str:
        return f"day {self.name.lower().replace('_', '-')}"

    @property
    def mark(self) -> Markup:
        """The mark for the legend."""
        drawn = svg.element("path", class_=self.css_class, d=self.shape)
        return svg.element("svg", drawn, class_="mark", viewBox="0 0 10 10", aria_hidden="true")


# What failed is asked again, whatever was brought.
_WITHOUT_DATA = (DayState.EMPTY, DayState.NOT_GRANTED, DayState.NOT_ASKED)


@dataclass(frozen=True)
class Month:
    """A month of the calendar: its first day there, and the states from that day on."""

    first: date
    states: Sequence[DayState]

    @property
    def title(self) -> str:
        """`November 2026`."""
        return f"{self.first:%B %Y}"

    @property
    def counts(self) -> list[int]:
        """The number of days in each state, in the order of `DayState`."""
        return [sum(state is one for state in self.states) for one in DayState]


def calendar(
    days: Mapping[date, DayOverview],
    granted: int,
    first: date,
    last: date,
    brought: Collection[date] = (),
) -> list[Month]:
    """Return the months from the first day to the last.

    Args:
        days: what the ledger says of the granted document types; absent days were not requested.
        granted: the number of granted document types.
        first: the first day.
        last: the last day.
        brought: days of which a member's own export has documents.
    """
    months: dict[date, list[DayState]] = {}
    for day in days_between(first, last):
        state = _state(days.get(day), granted)
        if day in brought and state in _WITHOUT_DATA:
            state = DayState.BROUGHT
        months.setdefault(day.replace(day=1), []).append(state)
    return [Month(max(month, first), states) for month, states in months.items()]


def first_day(today: date, history_start: date) -> date:
    """Return the first day of the calendar: of 12 months up to today, or of the history."""
    month = today.year * 12 + today.month - MONTHS
    return max(date(month // 12, month % 12 + 1, 1), history_start)


def month_chart(month: Month) -> Markup:
    """Return a month: a column per week, Monday at the top."""
    days = enumerate(month.states)
    return svg.image(
        f"month-{month.first:%Y-%m}",
        *(_mark(month.first + timedelta(days=number), state) for number, state in days),
        title=month.title,
        description=_description(month),
        css_class="month",
        viewBox=f"0 0 {_COLUMNS * _PITCH - 2} {7 * _PITCH - 2}",
    )


def _mark(day: date, state: DayState) -> Markup:
    # The position in a month that begins in the middle of its first week.
    column, row = divmod(day.replace(day=1).weekday() + day.day - 1, 7)
    return svg.element(
        "path",
        svg.element("title", f"{day}: {state.title}"),
        class_=state.css_class,
        transform=f"translate({column * _PITCH} {row * _PITCH})",
        d=state.shape,
    )


def _state(known: DayOverview | None, granted: int) -> DayState:
    if known is None:
        return DayState.NOT_ASKED if granted else DayState.NOT_GRANTED
    fetched, expected = known.landed + known.empty, granted - known.not_granted
    if known.failed:
        return DayState.FAILED
    if expected <= 0:
        return DayState.NOT_GRANTED
    if fetched < expected:
        return DayState.PARTLY
    # A day for which Oura has no data of most types is complete: all of them were requested.
    return DayState.COMPLETE if known.landed else DayState.EMPTY


def _description(month: Month) -> str:
    counts = zip(DayState, month.counts, strict=True)
    return join_and([f"{count} {state.title}" for state, count in counts if count]) + "."
