"""The views of heart rate around the clock: row by row, by five minutes, by hours of a clock."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.warehouse.measured import present
from oura_pipeline.warehouse.views.adding import mean
from oura_pipeline.warehouse.views.clock import later, later_local
from oura_pipeline.warehouse.views.samples import aligned
from oura_pipeline.warehouse.views.sleeps import SLEEPS
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
AHEAD = "coalesce(o.utc_offset_seconds, 0)"
_MONTH = 30 * 86_400_000_000  # μs
_FIRST_MONTH, _LAST_MONTH = 548, 852  # of such months since 1970: 2015 and 2040; the rest is theirs


def _month(micros: str) -> str:
    return f"greatest({_FIRST_MONTH}, least({_LAST_MONTH}, {micros} // {_MONTH}))"


# From when to when (μs) which offset holds, a row for each month in which it does. Of millions of
# rows each finds its own by equality, in half the time in which an ASOF join sorts them.
_OFFSETS = f"""SELECT *, unnest(generate_series({_month("since")}, {_month("until")})) AS month
    FROM (
        SELECT
            username, utc_offset_seconds,
            epoch_us(since) AS since,
            coalesce(lead(epoch_us(since)) OVER (
                PARTITION BY username ORDER BY since ASC NULLS LAST
            ), {2**63 - 1}) AS until
        FROM oura.offsets
    )"""
_AT = "epoch_us(h.timestamp)"
_AGGREGATED = f"""{mean("bpm")} AS bpm_mean,
        min(bpm) AS bpm_min, max(bpm) AS bpm_max,
        count(bpm) AS samples"""

_IN_BED = "CASE WHEN time_in_bed BETWEEN 0 AND 86400 THEN time_in_bed END"
_SLEEP_END = f"coalesce(bedtime_end, {later('bedtime_start', _IN_BED)})"
_DAY = 86_400_000_000  # μs; nothing that lasts longer is a sleep or a workout


def _spans(rows: str, start: str, end: str) -> str:
    """Return the query for (username, start, until): until when something that began lasts."""
    # The latest end of all that began so far: what an instant before it lies in need not be the
    # last that began.
    return f"""SELECT
        username, {start} AS start,
        max({end}) OVER (
            PARTITION BY username ORDER BY {start} ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until
    FROM {rows}
    WHERE epoch_us({end}) - epoch_us({start}) BETWEEN 1 AND {_DAY}"""


HEART_RATE = View(
    name="heart_rate",
    description="Every measurement of the heart rate, and whether it was asleep or in a workout.",
    one_row_per="measurement",
    definition=(
        "All rows of heartrate of any source but those of 0 and 255, which mean null. is_asleep: "
        "from bedtime_start to bedtime_end, waking phases included, of a sleep that counts (a row "
        "of nights or naps; a sleep without an end lasts as long as its time in bed). is_workout: "
        "from start to end of a workout. The first instant belongs to them, the last does not; "
        "what lasts more than 24 hours is neither. They say nothing of Oura's own source, which is "
        "beside them. Local times have the offset from `oura.offsets`, 0 if none is known."
    ),
    columns=(
        *_PERSON_AND_DAY,
        Column("time", "When it was measured, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("bpm", "Heart rate, beats per minute (bpm)."),
        Column("source", "awake, workout, rest, sleep, live or session, by Oura."),
        Column("is_asleep", "Whether it lies in a night or a nap."),
        Column("is_workout", "Whether it lies in a workout."),
    ),
    sql=f"""
WITH sleeps AS (
    {_spans(f"(SELECT *, {_SLEEP_END} AS ends FROM ({SLEEPS}))", "bedtime_start", "ends")}
),
workouts AS (
    {_spans("oura.workout", "start_datetime", "end_datetime")}
)
SELECT
    h.username, h.day,
    h.timestamp AS time,
    {later_local("h.timestamp", AHEAD)} AS time_local,
    h.bpm, h.source,
    (h.timestamp < s.until) IS TRUE AS is_asleep,
    (h.timestamp < w.until) IS TRUE AS is_workout
FROM oura.heartrate h
ASOF LEFT JOIN oura.offsets o ON o.username = h.username AND o.since <= h.timestamp
ASOF LEFT JOIN sleeps s ON s.username = h.username AND s.start <= h.timestamp
ASOF LEFT JOIN workouts w ON w.username = h.username AND w.start <= h.timestamp
WHERE {present("h.bpm", _BPM)}
""",
)

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
    {later_local("t.time", AHEAD)} AS time_local,
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
        {AHEAD} AS ahead,
        date_trunc('hour', {later_local("h.timestamp", AHEAD)}) AS hour_local
    FROM oura.heartrate h
    LEFT JOIN ({_OFFSETS}) o
        ON o.username = h.username AND o.month = {_month(_AT)}
        AND o.since <= {_AT} AND {_AT} < o.until
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
