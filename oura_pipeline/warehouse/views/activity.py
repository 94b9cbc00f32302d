"""The view of metabolic equivalents, minute by minute."""

from __future__ import annotations

from oura_pipeline.warehouse.views.clock import later, later_local, local_time, within_time
from oura_pipeline.warehouse.views.view import Column, View

_NEAR = 172_800  # seconds; an activity day begins within these of 00:00 UTC of its date

MET_1MIN = View(
    name="met_1min",
    description="Metabolic equivalent, minute by minute.",
    one_row_per="person and minute with a value",
    definition=(
        "The items of Oura's met from its own timestamp on (04:00 local), by its own interval. "
        "The activity days of somebody who travels east overlap: from the start of a later day's "
        "series on, only the later one counts; a start two days or more away from its own day (a "
        "wrong clock) ends no other day. Local times have the offset of the text in the document, "
        "for the whole activity day."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The activity day, from 04:00 to 04:00, according to Oura."),
        Column("time", "Start of the minute, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("met", "Metabolic equivalent, MET (1 is rest)."),
    ),
    sql=f"""
-- The ends of days are looked up among the starts alone: only requested series are read.
WITH starts AS (
    SELECT
        username, day,
        -- A ring whose clock is years behind must not end every day before.
        min(met.timestamp) FILTER (
            abs(epoch(met.timestamp) - epoch(CAST(day AS TIMESTAMP))) < {_NEAR}
        ) OVER (
            PARTITION BY username ORDER BY day ASC NULLS LAST
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_start
    FROM oura.daily_activity
),
documents AS (
    SELECT
        username, day,
        met.timestamp AS start,
        {local_time("met.timestamp")} AS start_local,
        met.interval AS seconds,
        met.items AS items
    FROM oura.daily_activity
    WHERE {within_time("met.timestamp", "met.items", "met.interval")}
),
items AS (
    SELECT
        username, day, start, start_local, seconds,
        unnest(items) AS met,
        generate_subscripts(items, 1) - 1 AS nth
    FROM documents
),
minutes AS (
    SELECT
        username, day,
        {later("start", "nth * seconds")} AS time,
        {later_local("start_local", "nth * seconds")} AS time_local,
        met
    FROM items
    WHERE met IS NOT NULL
)
SELECT m.*
FROM minutes m
JOIN starts s ON s.username = m.username AND s.day = m.day
WHERE s.next_start IS NULL OR m.time < s.next_start
""",
)
