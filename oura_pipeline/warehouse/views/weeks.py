"""The view of weeks."""

from __future__ import annotations

from oura_pipeline.warehouse.views.adding import mean, total
from oura_pipeline.warehouse.views.days import COUNTED, DAILY_SUMMARY, METRICS
from oura_pipeline.warehouse.views.view import Column, View

_COMMENTS = {column.name: column.comment for column in DAILY_SUMMARY.columns}


def _column(name: str) -> Column:
    what = "Sum over the week" if name in COUNTED else "Mean of the days with a value"
    return Column(name, f"{what}. {_COMMENTS[name]}")


def _sql(name: str) -> str:
    # The last digits depend on the order in which threads add.
    return f"round({(total if name in COUNTED else mean)(name)}, 6) AS {name}"


_SELECTED = ",\n    ".join(map(_sql, METRICS))

WEEKLY = View(
    name="weekly",
    description="The numbers of daily_summary by weeks.",
    one_row_per="person and week with a day in daily_summary",
    definition=(
        "Weeks of ISO 8601, from Monday to Sunday, by Oura's `day`. What is counted (naps, "
        "workouts, sessions and tags, and the minutes of naps and workouts) is summed; of "
        "everything else it is the mean of the days with a value. `days` and `nights` say how much "
        "a week rests on: the first, the last and the current week are seldom whole."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The Monday with which the week begins."),
        Column("days", "Days in daily_summary, count."),
        Column("nights", "Nights with a total sleep, count."),
        *map(_column, METRICS),
    ),
    sql=f"""
SELECT
    username,
    CAST(date_trunc('week', day) AS DATE) AS day,
    count(*) AS days,
    count(total_sleep_minutes) AS nights,
    {_SELECTED}
FROM oura.daily_summary
GROUP BY username, CAST(date_trunc('week', daily_summary.day) AS DATE)
""",
    stored=True,
)
