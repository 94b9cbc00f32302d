"""The views of how long the ring was worn, by days and by months."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY
from oura_pipeline.warehouse.views.adding import total
from oura_pipeline.warehouse.views.texts import field
from oura_pipeline.warehouse.views.view import Column, View

_DIGIT = (field(DAILY_ACTIVITY, "class_5_min").interval or 0) // 60  # minutes
_CLASSES = "nullif(class_5_min, '')"
_GAP = "longest_gap_minutes"
_RUNS = f"list_transform(regexp_extract_all({_CLASSES}, '0+'), lambda run: length(run))"

WEAR = View(
    name="wear",
    description="How long the ring was worn on a day, and after how long a gap.",
    one_row_per="person and day with an activity day or a night",
    definition=(
        "From Oura's class_5_min of the activity day (04:00 to 04:00): the intervals whose class "
        "is not 0, which is not worn; of a day that is not over only what has passed is counted. A "
        "day is worn if one of its intervals is or if it has a main sleep. gap_days counts the "
        "calendar days between it and the last worn day before it; a first day has no gap. "
        "Days without any document have no row: they are in the gap of the next worn day, and "
        "coverage says whether Oura was asked."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days."),
        Column("worn_minutes", "Ring worn, minutes; null: no classes."),
        Column(_GAP, "Longest time without the ring on the day, minutes; 0: none."),
        Column("has_night", "Whether the day has a main sleep."),
        Column("is_worn", "Whether the ring was worn at all."),
        Column("gap_days", "Days not worn since the worn day before, count; null: not worn."),
    ),
    sql=f"""
WITH days AS (
    SELECT
        username, day,
        any_value(worn_minutes) AS worn_minutes,
        any_value({_GAP}) AS {_GAP},
        bool_or(night) IS TRUE AS has_night,
        has_night OR coalesce(any_value(worn_minutes), 0) > 0 AS is_worn
    FROM (
        SELECT
            username, day,
            length(replace({_CLASSES}, '0', '')) * {_DIGIT}.0 AS worn_minutes,
            coalesce(list_max({_RUNS}), 0) * {_DIGIT}.0 + 0 * length({_CLASSES}) AS {_GAP},
            false AS night
        FROM oura.daily_activity
        UNION ALL
        SELECT username, day, NULL, NULL, true FROM oura.nights
    )
    GROUP BY username, day
)
SELECT
    *,
    CASE WHEN is_worn THEN day - max(day) FILTER (is_worn) OVER (
        PARTITION BY username ORDER BY day ASC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) - 1 END AS gap_days
FROM days
""",
    stored=True,
)

WEAR_MONTHLY = View(
    name="wear_monthly",
    description="How long the ring was worn in a month, and the longest gap.",
    one_row_per="person and month with a row in wear",
    definition=(
        "From wear, by calendar months of Oura's `day`. A gap counts in the month in which the "
        "ring is worn again, with all its days. A gap that has not ended is in no month."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The first day of the month."),
        Column("days_worn", "Days on which the ring was worn, count."),
        Column("nights", "Days with a main sleep, count."),
        Column("worn_hours", "Ring worn, hours."),
        Column("longest_gap_days", "Most days in a row without the ring, count."),
    ),
    sql=f"""
SELECT
    username,
    CAST(date_trunc('month', day) AS DATE) AS day,
    count(*) FILTER (is_worn) AS days_worn,
    count(*) FILTER (has_night) AS nights,
    {total("worn_minutes / 60")} AS worn_hours,
    max(gap_days) AS longest_gap_days
FROM oura.wear
GROUP BY username, CAST(date_trunc('month', wear.day) AS DATE)
""",
    stored=True,
)
