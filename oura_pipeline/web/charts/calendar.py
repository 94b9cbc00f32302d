"""A year of fetching: a mark for each day that says what came of asking Oura for it.

What surprises: marks differ in shape, not only in colour, and only what a person allows counts. A
day on which Oura had nothing of most kinds is complete: all of them were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from markupsafe import Markup

from oura_pipeline.accounts.overview import DayOverview
from oura_pipeline.days import days_between
from oura_pipeline.web.charts.svg import element
from oura_pipeline.web.labels import listed

MONTHS = 12
_PITCH, _COLUMNS = 12, 6  # px of a day with the space after it; weeks that a month can touch


class DayState(Enum):
    """What came of a day: title, explanation, and the shape of its mark in a square of 10."""

    COMPLETE = ("complete", "every kind that you allow was fetched", "M0 0h10v10h-10z")
    PARTLY = (
        "partly",
        "some kinds were not asked for yet",
        "M0 0h10v10h-10zM1.5 1.5v4h7v-4z",
    )
    EMPTY = (
        "nothing there",
        "Oura has nothing of that day",
        "M0 0h10v10h-10zM1.5 1.5v7h7v-7z",
    )
    FAILED = (
        "failed",
        "something could not be fetched; it is tried again",
        "M0 2l2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z",
    )
    NOT_GRANTED = ("not allowed", "you did not allow any of it at Oura", "M0 3.5h10v3h-10z")
    NOT_ASKED = ("not asked yet", "Oura was not asked for that day yet", "M3.5 3.5h3v3h-3z")

    @property
    def title(self) -> str:
        """Few words."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """What it means, as the end of a sentence."""
        return self.value[1]

    @property
    def shape(self) -> str:
        """The path of its mark."""
        return self.value[2]

    @property
    def kind(self) -> str:
        """Its class in site.css."""
        return f"day {self.name.lower().replace('_', '-')}"

    @property
    def mark(self) -> Markup:
        """Its mark for the legend."""
        drawn = element("path", class_=self.kind, d=self.shape)
        return element("svg", drawn, class_="mark", viewBox="0 0 10 10", aria_hidden="true")


@dataclass(frozen=True)
class Month:
    """A month of the calendar: its first day there, and what came of that one and the next."""

    first: date
    states: Sequence[DayState]

    @property
    def title(self) -> str:
        """`November 2026`."""
        return f"{self.first:%B %Y}"

    @property
    def counts(self) -> list[int]:
        """How many days there are of each state, in the order of `DayState`."""
        return [sum(state is one for state in self.states) for one in DayState]


def calendar(
    days: Mapping[date, DayOverview], granted: int, first: date, last: date
) -> list[Month]:
    """The months from the first day to the last.

    Args:
        days: what the ledger says of the kinds that the person allows; a day that is absent was
            not asked for.
        granted: how many kinds they allow.
        first: the first day.
        last: the last day.
    """
    months: dict[date, list[DayState]] = {}
    for day in days_between(first, last):
        months.setdefault(day.replace(day=1), []).append(_state(days.get(day), granted))
    return [Month(max(month, first), states) for month, states in months.items()]


def first_day(today: date, history_start: date) -> date:
    """Where the calendar begins: with eleven months before that of today, or with the history."""
    at = today.year * 12 + today.month - MONTHS
    return max(date(at // 12, at % 12 + 1, 1), history_start)


def month_picture(month: Month) -> Markup:
    """A month: a column for each week, Monday at the top."""
    name = f"month-{month.first:%Y-%m}"
    return element(
        "svg",
        element("title", month.title, id=f"{name}-title"),
        element("desc", _about(month), id=f"{name}-about"),
        *(_mark(month.first + timedelta(days=at), one) for at, one in enumerate(month.states)),
        class_="month",
        role="img",
        aria_labelledby=f"{name}-title {name}-about",
        viewBox=f"0 0 {_COLUMNS * _PITCH - 2} {7 * _PITCH - 2}",
    )


def _mark(day: date, state: DayState) -> Markup:
    column, row = divmod(day.replace(day=1).weekday() + day.day - 1, 7)
    return element(
        "path",
        element("title", f"{day}: {state.title}"),
        class_=state.kind,
        transform=f"translate({column * _PITCH} {row * _PITCH})",
        d=state.shape,
    )


def _state(known: DayOverview | None, granted: int) -> DayState:
    """What the answers of a day come to."""
    if known is None:
        return DayState.NOT_ASKED if granted else DayState.NOT_GRANTED
    answered, wanted = known.landed + known.empty, granted - known.not_granted
    if known.failed:
        return DayState.FAILED
    if wanted <= 0:
        return DayState.NOT_GRANTED
    if answered < wanted:
        return DayState.PARTLY
    return DayState.COMPLETE if known.landed else DayState.EMPTY


def _about(month: Month) -> str:
    told = zip(DayState, month.counts, strict=True)
    return listed([f"{count} {state.title}" for state, count in told if count]) + "."
