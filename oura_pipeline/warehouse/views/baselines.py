"""The view of every number of a day against the person's own week and four weeks before it."""

from __future__ import annotations

from oura_pipeline.warehouse.views.days import METRICS
from oura_pipeline.warehouse.views.view import Column, View

# From here on squares overflow, and the view would fail for everybody.
_ABSURD = "1e150"


def _columns(days: int) -> tuple[Column, ...]:
    window = f"over the {days} calendar days before the day"
    return (
        Column(f"mean_{days}d", f"Mean {window}, in the unit of the metric."),
        Column(f"sd_{days}d", f"Sample standard deviation {window}, in the unit of the metric."),
        Column(f"days_{days}d", f"Days with a value {window}, count."),
        Column(
            f"deviation_{days}d",
            f"value minus mean_{days}d, null without a mean, in the unit of the metric.",
        ),
    )


def _statistics(days: int) -> str:
    return f"""avg(value) OVER days_{days} AS mean_{days}d,
    stddev_samp(value) OVER days_{days} AS sd_{days}d,
    count(value) OVER days_{days} AS days_{days}d,
    value - mean_{days}d AS deviation_{days}d"""


def _window(days: int) -> str:
    # Of calendar days, not of rows: after a gap it holds fewer values.
    return f"""days_{days} AS (
        PARTITION BY username, metric
        ORDER BY day ASC NULLS LAST
        RANGE BETWEEN INTERVAL {days} DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )"""


# Names and values are unnested side by side, so that the table is read once.
_NAMES = ",\n            ".join(f"'{name}'" for name in METRICS)
_VALUES = ",\n            ".join(f"CAST({name} AS DOUBLE)" for name in METRICS)

BASELINES = View(
    name="baselines",
    description="Every number of daily_summary compared with the person's 7 and 28 days before.",
    one_row_per="person, day and metric with a value",
    definition=(
        "The window is the 7 (28) calendar days before the day, without the day itself, so that a "
        "value is compared with what came before it; only days with a value count, and days_7d "
        "(days_28d) says how many. The mean is null without any, the standard deviation, that of a "
        "sample (n - 1), below two. Filter by username: a filter by day alone reads "
        "everybody's whole history, because the days before are needed."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days."),
        Column("metric", "The column of daily_summary."),
        Column("value", "Its value on the day, in the unit that the metric's name gives."),
        *_columns(7),
        *_columns(28),
    ),
    sql=f"""
SELECT
    username, day, metric, value,
    {_statistics(7)},
    {_statistics(28)}
FROM (
    SELECT
        username, day,
        unnest([
            {_NAMES}
        ]) AS metric,
        unnest([
            {_VALUES}
        ]) AS value
    FROM oura.daily_summary
)
WHERE abs(value) < {_ABSURD}
WINDOW
    {_window(7)},
    {_window(28)}
""",
)
