"""The views of heart rate around the clock: by five minutes, and by hours of the person's clock."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.warehouse.measured import present
from oura_pipeline.warehouse.views.adding import mean
from oura_pipeline.warehouse.views.clock import later, later_local
from oura_pipeline.warehouse.views.samples import aligned
from oura_pipeline.warehouse.views.texts import field
from oura_pipeline.warehouse.views.view import Column, View

_BPM = field(HEARTRATE, "bpm")
_BEATS = (
    Column("bpm_mean", "Mean of the measurements, beats per minute (bpm)."),
    Column("bpm_min", "Lowest of them, beats per minute (bpm)."),
    Column("bpm_max", "Highest of them, beats per minute (bpm)."),
    Column("samples", "Measurements, count."),
)
_PERSON_AND_DAY = (
    Column("username", "The person."),
    Column("day", "The person's local date of the measurements."),
)
# Rows of heartrate say only UTC; where the person was is looked up in `oura.offsets`.
_AHEAD = "coalesce(o.utc_offset_seconds, 0)"
_AGGREGATED = f"""{mean("bpm")} AS bpm_mean,
        min(bpm) AS bpm_min, max(bpm) AS bpm_max,
        count(bpm) AS samples"""

HEART_RATE_5MIN = View(
    name="heart_rate_5min",
    description="Heart rate in intervals of five minutes.",
    one_row_per="person, day and five minutes with a measurement",
    definition=(
        "All rows of heartrate of any source but those of 0 and 255, which mean null, by five "
        "minutes of UTC; the mean is that of the measurements, which are unevenly spaced. Local "
        "times have the offset from `oura.offsets` at the start of the five minutes, 0 if none is "
        "known."
    ),
    columns=(
        *_PERSON_AND_DAY,
        Column("time", "Start of the five minutes, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        *_BEATS,
    ),
    sql=f"""
WITH beats AS (
    SELECT
        username, day,
        {aligned("epoch_us(timestamp)", "300000000")} AS slot,
        {_AGGREGATED}
    FROM oura.heartrate
    WHERE {present("bpm", _BPM)}
    GROUP BY ALL
),
timed AS (
    SELECT *, make_timestamptz(slot) AS time FROM beats
)
SELECT
    t.username, t.day, t.time,
    {later_local("t.time", _AHEAD)} AS time_local,
    t.bpm_mean, t.bpm_min, t.bpm_max, t.samples
FROM timed t
ASOF LEFT JOIN oura.offsets o ON o.username = t.username AND o.since <= t.time
""",
)

HEART_RATE_HOURLY = View(
    name="heart_rate_hourly",
    description="Heart rate by the hours of the person's clock.",
    one_row_per="person, day and hour of the person's clock with a measurement",
    definition=(
        "All rows of heartrate of any source but those of 0 and 255, which mean null, by hours of "
        "local time; the offset of each row is "
        "that of `oura.offsets` at its instant, 0 if none is known. An hour that the clock shows "
        "twice, because it is put back, is two rows with the same hour_local."
    ),
    columns=(
        *_PERSON_AND_DAY,
        Column("time", "First instant of the hour."),
        Column("hour_local", "Start of the hour, as the person's clock showed it."),
        *_BEATS,
    ),
    sql=f"""
WITH beats AS (
    SELECT
        h.username, h.day,
        h.bpm,
        {_AHEAD} AS ahead,
        date_trunc('hour', {later_local("h.timestamp", _AHEAD)}) AS hour_local
    FROM oura.heartrate h
    ASOF LEFT JOIN oura.offsets o ON o.username = h.username AND o.since <= h.timestamp
    WHERE {present("h.bpm", _BPM)}
),
hours AS (
    SELECT
        username, day, ahead, hour_local,
        {_AGGREGATED}
    FROM beats
    GROUP BY ALL
)
SELECT
    username, day,
    {later("hour_local", "-ahead")} AS time,
    hour_local,
    bpm_mean, bpm_min, bpm_max, samples
FROM hours
""",
)
