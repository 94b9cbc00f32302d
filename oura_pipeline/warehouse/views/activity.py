"""Metabolic equivalents, minute by minute.

What surprises: the activity days of a traveller overlap, and the later day is believed. Where a day
ends early is looked up among the begins alone, so that no series is read but those asked for.
"""

from __future__ import annotations

from oura_pipeline.warehouse.views.clock import later, later_local, local_time, within_time
from oura_pipeline.warehouse.views.view import Column, View

_NEAR = 172_800  # seconds; a day begins within these of the midnight of its date in Greenwich

MET_1MIN = View(
    name="met_1min",
    description="Metabolic equivalent, minute by minute.",
    one_row_per="person and minute with a value",
    definition=(
        "The items of Oura's met from its own timestamp on (04:00 local), by its own interval. "
        "The activity days of somebody who travels east overlap: from the instant at which a "
        "later day's series begins, only the later one is read; a begin two days or more away "
        "from its own day (a clock gone wrong) ends no other day. Local times have the offset of "
        "the text in the document, all through the activity day."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The activity day it belongs to, as Oura says: from 04:00 to 04:00."),
        Column("time", "Begin of the minute, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("met", "Metabolic equivalent, MET (1 is rest)."),
    ),
    sql=f"""
WITH starts AS (
    SELECT
        username,
        day,
        -- A ring whose clock is years behind must not end every day before.
        min(met.timestamp) FILTER (
            abs(epoch(met.timestamp) - epoch(CAST(day AS TIMESTAMP))) < {_NEAR}
        ) OVER (
            PARTITION BY username ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_start
    FROM oura.daily_activity
),
documents AS (
    SELECT
        username,
        day,
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
        generate_subscripts(items, 1) - 1 AS place
    FROM documents
),
minutes AS (
    SELECT
        username,
        day,
        {later("start", "place * seconds")} AS time,
        {later_local("start_local", "place * seconds")} AS time_local,
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
