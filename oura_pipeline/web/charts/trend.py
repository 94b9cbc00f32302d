"""A metric over 90 days: a dot per day, a line for the mean of 7 days before, a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from oura_pipeline.days import days_between
from oura_pipeline.web.charts import svg
from oura_pipeline.web.charts.numbers import rounded

DAYS = 90
_HEIGHT, _TOP, _AXIS = 96, 8, 24  # px


@dataclass(frozen=True)
class Metric:
    """A column of the view `daily_summary`."""

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
    """The value of a day, and the means of the days before it."""

    day: date
    value: float
    mean_7d: float | None
    mean_28d: float | None


@dataclass(frozen=True)
class Trend:
    """A metric up to a day.

    Attributes:
        metric: the metric.
        last_day: the last day of the chart.
        readings: one per day with a value, ascending; at least one.
    """

    metric: Metric
    last_day: date
    readings: Sequence[Reading]

    @property
    def last(self) -> Reading:
        return self.readings[-1]

    @property
    def number(self) -> str:
        """The newest value."""
        return rounded(self.last.value)

    @property
    def comparison(self) -> str:
        """A sentence that compares the newest value with the mean of the 28 days before."""
        mean = self.last.mean_28d
        if mean is None:
            return "No value in the 28 days before."
        # The difference of the numbers shown, not of the values: it must add up on the page.
        difference = int(rounded(self.last.value)) - int(rounded(mean))
        if not difference:
            return f"The same as your 28-day mean of {rounded(mean)}."
        where = "above" if difference > 0 else "below"
        return f"{abs(difference)} {where} your 28-day mean of {rounded(mean)}."


def trend_chart(trend: Trend) -> Markup:
    """Return the chart of a trend."""
    first = trend.last_day - timedelta(days=DAYS - 1)
    values = [value for row in trend.readings for value in (row.value, row.mean_7d)]
    vertical = svg.scale([value for value in values if value is not None], _HEIGHT)
    # In the middle of each day.
    placed = [((row.day - first).days + 0.5, row) for row in trend.readings]
    points = [(x, vertical.y(row.value)) for x, row in placed]
    bottom = _TOP + _HEIGHT
    return svg.chart(
        f"trend-{trend.metric.name}",
        *svg.x_axis(_months(first, trend.last_day), 0, bottom),
        *svg.y_axis(vertical, _TOP),
        svg.plot(
            svg.path(svg.dots(points), "dots"),
            svg.path(svg.line(_mean_points(placed, vertical.y)), "line mean"),
            svg.path(svg.dots(points[-1:]), "dots last"),
            top=_TOP,
            width=DAYS,
            height=_HEIGHT,
        ),
        title=f"{trend.metric.title}, {DAYS} days up to {trend.last_day}",
        description=_description(trend),
        height=bottom + _AXIS,
        css_class="trend",
    )


def trend_rows(trends: Sequence[Trend]) -> list[tuple[date, list[str]]]:
    """Return the values of all charts: a row per day with any value, newest first."""
    columns = [{row.day: rounded(row.value) for row in trend.readings} for trend in trends]
    days = sorted({day for column in columns for day in column}, reverse=True)
    return [(day, [column.get(day, "–") for column in columns]) for day in days]


def _mean_points(
    placed: Sequence[tuple[float, Reading]], y: Callable[[float], float]
) -> Iterator[svg.Point | None]:
    before = None
    for x, row in placed:
        # A day without a value is a gap, never a zero.
        if before is not None and x - before > 1:
            yield None
        yield None if row.mean_7d is None else (x, y(row.mean_7d))
        before = x


def _months(first: date, last: date) -> Iterator[tuple[float, str]]:
    """Yield the first days of months: per cent, name."""
    for number, day in enumerate(days_between(first, last)):
        if day.day == 1:
            yield 100 * number / DAYS, f"{day:%b}"


def _description(trend: Trend) -> str:
    values = [row.value for row in trend.readings]
    unit = trend.metric.unit
    days = f"{len(values)} days with a value" if len(values) > 1 else "1 day with a value"
    return (
        f"{days}, from {rounded(min(values))} to {rounded(max(values))} {unit}; "
        f"{trend.number} {unit} on {trend.last.day}. {trend.comparison}"
    )
