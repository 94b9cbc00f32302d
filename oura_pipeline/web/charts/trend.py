"""A number over 90 days: a dot for each day, a line for the mean of 7, and what that says in words.

What surprises: a day without a value is a gap in the line and no dot. It is never a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from oura_pipeline.web.charts.night import whole
from oura_pipeline.web.charts.svg import (
    Point,
    across_axis,
    dots,
    line,
    path,
    picture,
    plot,
    scale,
    value_axis,
)

DAYS = 90
_HEIGHT, _TOP, _AXIS = 96, 8, 24  # px


@dataclass(frozen=True)
class Metric:
    """A column of the view `daily_summary` that is drawn."""

    name: str
    title: str
    unit: str


METRICS = (
    Metric("sleep_score", "Sleep score", "of 100"),
    Metric("readiness_score", "Readiness score", "of 100"),
    Metric("activity_score", "Activity score", "of 100"),
    Metric("hrv_average_ms", "HRV", "ms RMSSD"),
    Metric("resting_heart_rate_bpm", "Resting heart rate", "bpm"),
)


@dataclass(frozen=True)
class Reading:
    """A value of a day, and the means of the days up to it."""

    day: date
    value: float
    mean_7d: float | None
    mean_28d: float | None
    days_28d: int


@dataclass(frozen=True)
class Trend:
    """A metric up to a day.

    Attributes:
        metric: what it is.
        until: the last day of the picture.
        readings: one for each day with a value, at least one, ascending.
    """

    metric: Metric
    until: date
    readings: Sequence[Reading]

    @property
    def last(self) -> Reading:
        """The newest one."""
        return self.readings[-1]

    @property
    def number(self) -> str:
        """The newest value."""
        return whole(self.last.value)

    @property
    def against(self) -> str:
        """The newest value against the mean of 28 days, in words."""
        mean = self.last.mean_28d
        if mean is None or self.last.days_28d < 2:
            return "There is no other value of the last 28 days."
        apart = int(whole(self.last.value)) - int(whole(mean))
        place = f"{abs(apart)} {'above' if apart > 0 else 'below'}" if apart else "The same as"
        return f"{place} your 28-day mean of {whole(mean)}."


def trend_picture(trend: Trend) -> Markup:
    """The days up to the last one."""
    first = trend.until - timedelta(days=DAYS - 1)
    values = [value for row in trend.readings for value in (row.value, row.mean_7d)]
    upwards = scale([value for value in values if value is not None], _HEIGHT)
    drawn = [((row.day - first).days + 0.5, row) for row in trend.readings]
    each = [(x, upwards.at(row.value)) for x, row in drawn]
    bottom = _TOP + _HEIGHT
    return picture(
        f"trend-{trend.metric.name}",
        *across_axis(_months(first), 0, bottom),
        *value_axis(upwards, _TOP),
        plot(
            path(dots(each), "dots"),
            path(line(_means(drawn, upwards.at)), "line mean"),
            path(dots(each[-1:]), "dots last"),
            top=_TOP,
            width=DAYS,
            height=_HEIGHT,
        ),
        title=f"{trend.metric.title}, {DAYS} days up to {trend.until}",
        description=_about(trend),
        height=bottom + _AXIS,
        kind="trend",
    )


def trend_rows(trends: Sequence[Trend]) -> list[tuple[date, list[str]]]:
    """The values of all pictures: a row for each day that has any, the newest first."""
    values = [{row.day: whole(row.value) for row in trend.readings} for trend in trends]
    days = sorted({day for one in values for day in one}, reverse=True)
    return [(day, [one.get(day, "–") for one in values]) for day in days]


def _means(
    drawn: Sequence[tuple[float, Reading]], at: Callable[[float], float]
) -> Iterator[Point | None]:
    before = None
    for x, row in drawn:
        if before is not None and x - before > 1:
            yield None
        yield None if row.mean_7d is None else (x, at(row.mean_7d))
        before = x


def _months(first: date) -> Iterator[tuple[float, str]]:
    """The first days of months: per cent, name."""
    for number in range(DAYS):
        day = first + timedelta(days=number)
        if day.day == 1:
            yield 100 * number / DAYS, f"{day:%b}"


def _about(trend: Trend) -> str:
    values = [row.value for row in trend.readings]
    unit = trend.metric.unit
    days = f"{len(values)} days with a value" if len(values) > 1 else "1 day with a value"
    return (
        f"{days}, from {whole(min(values))} to {whole(max(values))} {unit}; "
        f"{trend.number} {unit} on {trend.last.day}. {trend.against}"
    )
