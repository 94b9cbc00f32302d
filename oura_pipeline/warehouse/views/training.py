"""The view of training load, this week against the last four."""

from __future__ import annotations

from oura_pipeline.warehouse.views.view import Column, View

_LEAST = 14  # days of 28; a usual load of fewer says little
_ABSURD = 100_000  # MET-minutes; 24 hours at 20 MET are 28,800


def _window(name: str, days: int) -> str:
    # DuckDB parses the statements of all views as one text, and tells windows apart by their name.
    return f"""{name} AS (
        PARTITION BY username ORDER BY day ASC NULLS LAST
        RANGE BETWEEN INTERVAL {days - 1} DAYS PRECEDING AND CURRENT ROW
    )"""


TRAINING_LOAD = View(
    name="training_load",
    description="Training load of the last 7 days against that of the last 28.",
    one_row_per="person and activity day with MET-minutes",
    definition=(
        "The load of a day is Oura's MET-minutes of medium and high activity. Acute is its mean "
        "over the 7 calendar days that end with the day, chronic over 28 (rolling averages, the "
        "acute days included: Gabbett 2016, British Journal of Sports Medicine 50:273); days "
        "without a value do not count. The ratio is null below 14 days with a value, and where "
        "chronic is 0. It compares a week with what somebody is used to; that it predicts "
        "injuries is disputed (Impellizzeri et al. 2020, International Journal of Sports "
        "Physiology and Performance 15:907)."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The activity day, as Oura counts days."),
        Column("load_met_minutes", "Medium and high activity, MET-minutes."),
        Column("acute_met_minutes", "Mean of the 7 days that end with the day, MET-minutes."),
        Column("chronic_met_minutes", "Mean of the 28 days that end with the day, MET-minutes."),
        Column("days_28d", "Days with a value among the 28, count."),
        Column("acute_chronic_ratio", "Acute over chronic, without a unit; 1 is as usual."),
    ),
    sql=f"""
SELECT
    username, day, load_met_minutes,
    avg(load_met_minutes) OVER acute AS acute_met_minutes,
    avg(load_met_minutes) OVER chronic AS chronic_met_minutes,
    count(*) OVER chronic AS days_28d,
    CASE
        WHEN days_28d >= {_LEAST} AND chronic_met_minutes > 0
        THEN acute_met_minutes / chronic_met_minutes
    END AS acute_chronic_ratio
FROM (
    SELECT
        username, day,
        CAST(medium_activity_met_minutes AS DOUBLE) + high_activity_met_minutes AS load_met_minutes
    FROM oura.daily_activity
)
WHERE load_met_minutes BETWEEN 0 AND {_ABSURD}
WINDOW
    {_window("acute", 7)},
    {_window("chronic", 28)}
""",
)
