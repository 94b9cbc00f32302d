"""The views inside nights and naps: heart rate, sleep phases and movement."""

from __future__ import annotations

from collections.abc import Mapping

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.warehouse.measured import measured_items
from oura_pipeline.warehouse.views.clock import later, later_local, local_time, within_time
from oura_pipeline.warehouse.views.sleeps import READ, SLEEP_DAY, SLEEPS, USERNAME
from oura_pipeline.warehouse.views.texts import MOVEMENTS, PHASES, field, one_of, text_of_digit
from oura_pipeline.warehouse.views.view import Column, View

_SLEEP = (
    USERNAME,
    SLEEP_DAY,
    Column("sleep_id", "Oura's identifier of the sleep."),
    Column("part", "night, nap or short (under 15 minutes asleep, no nap)."),
)
_ITEMS = {
    name: measured_items(f"{name}.items", field(SLEEP, name)) for name in ("heart_rate", "hrv")
}

SLEEP_HEART = View(
    name="sleep_heart",
    description="Heart rate and heart rate variability during nights and naps.",
    one_row_per="item of the series of a sleep, usually every 5 minutes",
    definition=(
        "The items of Oura's heart_rate and hrv at their own times: each series has its own start "
        "and interval. Two items of one instant share a row; rows in which both are null are "
        "absent. A heart rate of 0 or 255 and an HRV of 0 mean null. HRV is RMSSD, not SDNN. Local "
        "times have the offset of the text in the document for the whole sleep, even if the clocks "
        "change during it."
    ),
    columns=(
        *_SLEEP,
        Column("time", "Start of the interval, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("bpm", "Heart rate, beats per minute (bpm)."),
        Column("hrv_ms", "Heart rate variability (RMSSD), ms."),
        Column("interval_seconds", "Until the next item, seconds."),
    ),
    sql=f"""
WITH hearts AS (
    -- One after the other from one scan: with two scans filters would not reach the table.
    SELECT
        username, day, id, part,
        unnest([true, false]) AS is_bpm,
        unnest([heart_rate, hrv]) AS series,
        unnest([{_ITEMS["heart_rate"]}, {_ITEMS["hrv"]}]) AS items,
        unnest([heart_rate_local, hrv_local]) AS start_local
    FROM (
        SELECT
            *,
            {local_time("heart_rate.timestamp")} AS heart_rate_local,
            {local_time("hrv.timestamp")} AS hrv_local
        FROM ({SLEEPS})
    )
),
items AS (
    SELECT
        username, day, id, part, is_bpm, start_local,
        series.timestamp AS start,
        series.interval AS seconds,
        unnest(items) AS value,
        generate_subscripts(items, 1) - 1 AS nth
    FROM hearts
    WHERE {within_time("series.timestamp", "items", "series.interval")}
)
SELECT
    username, day, id AS sleep_id, part,
    {later("start", "nth * seconds")} AS time,
    min({later_local("start_local", "nth * seconds")}) AS time_local,
    max(value) FILTER (is_bpm) AS bpm,
    max(value) FILTER (NOT is_bpm) AS hrv_ms,
    min(seconds) AS interval_seconds
FROM items
WHERE value IS NOT NULL
GROUP BY ALL
""",
)


def _digits_sql(
    digits: str, seconds: str, *, name: str, texts: Mapping[int, str], more: str = ""
) -> str:
    """Return the query for a row per digit of a text that is a code."""
    return f"""
WITH letters AS (
    SELECT
        username, day, id, part, bedtime_start, start_local,
        {seconds} AS seconds,
        unnest(string_split({digits}, '')) AS letter,
        unnest(range(length({digits}))) AS nth
    FROM ({READ})
)
SELECT
    username, day, id AS sleep_id, part,
    {later("bedtime_start", "nth * seconds")} AS time,
    {later_local("start_local", "nth * seconds")} AS time_local,
    {more}CAST(letter AS INTEGER) AS {name}_code,
    {text_of_digit("letter", texts)} AS {name}
FROM letters
WHERE letter IN ({one_of(texts)})
"""


HYPNOGRAM = View(
    name="hypnogram",
    description="The sleep phases of nights and naps in order of time.",
    one_row_per="interval of a sleep, every 30 seconds or every 5 minutes",
    definition=(
        "sleep_phase_30_sec if the sleep has it, else sleep_phase_5_min, from bedtime_start to "
        "bedtime_end. A character that is no phase leaves a gap. Local times have the offset of "
        "bedtime_start for the whole sleep, even if the clocks change during it."
    ),
    columns=(
        *_SLEEP,
        Column("time", "Start of the interval, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("interval_seconds", "Length of the interval, 30 or 300 seconds."),
        Column("phase_code", "1 deep, 2 light, 3 REM, 4 awake: Oura's code."),
        Column("phase", "deep, light, rem or awake."),
    ),
    sql=_digits_sql(
        "phases", "phase_seconds", name="phase", texts=PHASES, more="seconds AS interval_seconds, "
    ),
)

MOVEMENT = View(
    name="movement",
    description="Movement during nights and naps.",
    one_row_per="30 seconds of a sleep",
    definition=(
        "movement_30_sec from bedtime_start to bedtime_end. A character that is no code leaves a "
        "gap. Local times as in hypnogram."
    ),
    columns=(
        *_SLEEP,
        Column("time", "Start of the 30 seconds, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("movement_code", "1 none, 2 restless, 3 tossing, 4 active: Oura's code."),
        Column("movement", "none, restless, tossing or active."),
    ),
    sql=_digits_sql("movements", "movement_seconds", name="movement", texts=MOVEMENTS),
)
