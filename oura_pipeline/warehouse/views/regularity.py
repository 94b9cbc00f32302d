"""The view of how regular somebody's sleep is."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.catalog.parts import Part
from oura_pipeline.warehouse.parts import digits_within
from oura_pipeline.warehouse.views.sleeps import READ
from oura_pipeline.warehouse.views.texts import interval
from oura_pipeline.warehouse.views.view import Column, View

_MINUTES = 1440  # of a day
_NOON = 720  # minutes; days of the grid go from noon to noon, so that a night lies in one of them
_DIGIT = interval("sleep_phase_5_min") // 60  # minutes
_LEAST = 5  # pairs of days; an index of fewer says little
_TWO_DAYS = 172_800_000_000  # μs; a night that is farther from its own day has a wrong clock
_DIGITS = digits_within(SLEEP, "sleep_phase_5_min", str(interval("sleep_phase_5_min")))
_PHASES = (
    # Through letters, because a minute asleep is 1 and so is a phase. Others make no bit string.
    f"replace(replace(translate(nullif({_DIGITS}, ''), '12340', 'aaabx'), "
    f"'a', '{'1' * _DIGIT}'), 'b', '{'0' * _DIGIT}')"
)
_LATENCY = "CAST(CASE WHEN latency BETWEEN 0 AND 86400 THEN latency ELSE 0 END AS BIGINT) * 1000000"
_LENGTH = "(epoch_us(bedtime_end) - epoch_us(bedtime_start)) // 60000000"
_AT = "epoch_us(CAST(day AS TIMESTAMP))"


SLEEP_REGULARITY = View(
    name="sleep_regularity",
    description="How regular sleep is: regularity index, mid-sleep, social jet lag, bedtimes.",
    one_row_per="person and finished night",
    definition=(
        "Over the 28 calendar days that end with the day. The sleep regularity index is that of "
        "Phillips et al. 2017 (Scientific Reports 7:3216): how likely somebody is in the same "
        "state, asleep or awake, at two moments 24 hours apart, scaled such that 100 is always and "
        "0 is chance; on a grid of minutes of the person's clock, -100 + 200 / (1440 N) times the "
        "sum over N pairs of neighbouring days of the minutes in the same state. Asleep is a "
        "minute in a phase other than awake, by the 5-minute hypnogram (which nights of all years "
        "have) of nights and naps; all others are awake. Days go from noon to noon and end on "
        "`day`; one without a main sleep, or with a sleep without hypnogram, is in no pair, and "
        "below 5 pairs there is no index. Mid-sleep is the middle between falling asleep (going "
        "to bed plus the latency) and getting up of the main sleep. Social jet lag is that of "
        "Wittmann et al. 2006 (Chronobiology International 23:497): the absolute difference of "
        "mean mid-sleep on free days and on work days; for want of a calendar of work, the nights "
        "to Saturday and to Sunday are taken as free. Minutes after midnight are those of the "
        "day's own midnight, negative before it. Local times have the offset of going to bed for "
        "the whole sleep, even if the clocks change during it."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day of the night, that of waking up, with which the 28 days end."),
        Column("mid_sleep_local", "Middle of the night, as the person's clock showed it."),
        Column("mid_sleep_minutes", "The same, minutes after midnight."),
        Column("bedtime_minutes", "Going to bed, minutes after midnight; negative before it."),
        Column("nights_28d", "Nights in the 28 days, count."),
        Column("sleep_regularity_index", "Sleep regularity index, a score of -100 to 100."),
        Column("pairs_28d", "Pairs of neighbouring days that it rests on, count."),
        Column("mid_sleep_mean_minutes", "Mean mid-sleep, minutes after midnight."),
        Column("mid_sleep_sd_minutes", "Sample standard deviation of mid-sleep, minutes."),
        Column("bedtime_sd_minutes", "Sample standard deviation of going to bed, minutes."),
        Column("mid_sleep_free_minutes", "Mean mid-sleep of free days, minutes after midnight."),
        Column("mid_sleep_work_minutes", "Mean mid-sleep of work days, minutes after midnight."),
        Column("social_jet_lag_minutes", "The absolute difference of these two, minutes."),
    ),
    sql=f"""
WITH sleeps AS (
    SELECT
        username, day,
        part = '{Part.MAIN}' AND {_LENGTH} BETWEEN 0 AND {2 * _MINUTES} AS is_night,
        start_local,
        epoch_us(start_local)
            + ({_LATENCY} + epoch_us(bedtime_end) - epoch_us(bedtime_start)) // 2 AS mid,
        epoch_us(start_local) // 60000000 + {_NOON} AS minute,
        -- No bits for as long as it lasted: then the days in which it lies are not known.
        coalesce({_PHASES}, repeat('x', least({_MINUTES}, {_LENGTH}))) AS asleep,
        -- What is said of a clock that is years off would be no sleep of these days.
        abs(epoch_us(start_local) - {_AT}) < {_TWO_DAYS}
            AND start_local >= TIMESTAMP '1970-01-02' AS is_near
    FROM ({READ})
),
pieces AS (
    -- Of each sleep its minutes in the day of the grid in which it begins, those in the next one,
    -- and what it is as a night of its own day.
    SELECT
        username,
        CASE
            WHEN nth = 2 THEN day
            ELSE DATE '1970-01-01' + CAST(minute // {_MINUTES} + nth AS INTEGER)
        END AS day,
        nth < 2 AS is_piece,
        TRY_CAST(left(CASE nth
            WHEN 0 THEN repeat('0', minute % {_MINUTES}) || asleep
            WHEN 1 THEN substr(asleep, {_MINUTES} + 1 - minute % {_MINUTES})
        END || repeat('0', {_MINUTES}), {_MINUTES}) AS BIT) AS asleep,
        CASE WHEN nth = 2 THEN mid END AS mid,
        CASE WHEN nth = 2 THEN start_local END AS start_local
    FROM (SELECT *, unnest([0, 1, 2]) AS nth FROM sleeps)
    -- As one condition: by itself, is_near would be tested where its time is read from a document,
    -- which would then be read twice.
    WHERE CASE
        WHEN is_near IS NOT TRUE THEN false
        WHEN nth = 0 THEN true
        WHEN nth = 1 THEN minute % {_MINUTES} + length(asleep) > {_MINUTES}
        ELSE is_night
    END
),
days AS (
    SELECT
        username, day,
        coalesce(bit_or(asleep), CAST(repeat('0', {_MINUTES}) AS BIT)) AS asleep,
        coalesce(bool_and(asleep IS NOT NULL) FILTER (is_piece), true) AS is_known,
        make_timestamp(any_value(mid)) AS mid_sleep_local,
        (any_value(mid) - {_AT}) / 6e7 AS mid_sleep_minutes,
        (epoch_us(any_value(start_local)) - {_AT}) / 6e7 AS bedtime_minutes
    FROM pieces
    GROUP BY username, day
    HAVING any_value(mid) IS NOT NULL
),
pairs AS (
    SELECT
        *,
        isodow(day) > 5 AS is_free,
        CASE
            WHEN is_known AND lag(is_known) OVER nights AND lag(day) OVER nights = day - 1
            THEN {_MINUTES} - bit_count(xor(asleep, lag(asleep) OVER nights))
        END AS same
    FROM days
    WINDOW nights AS (PARTITION BY username ORDER BY day ASC NULLS LAST)
),
windows AS (
    SELECT
        username, day, mid_sleep_local, mid_sleep_minutes, bedtime_minutes,
        count(*) OVER month AS nights_28d,
        CAST(sum(same) OVER month AS DOUBLE) AS same,
        count(same) OVER month AS pairs_28d,
        avg(mid_sleep_minutes) OVER month AS mid_sleep_mean_minutes,
        stddev_samp(mid_sleep_minutes) OVER month AS mid_sleep_sd_minutes,
        stddev_samp(bedtime_minutes) OVER month AS bedtime_sd_minutes,
        avg(mid_sleep_minutes) FILTER (is_free) OVER month AS mid_sleep_free_minutes,
        avg(mid_sleep_minutes) FILTER (NOT is_free) OVER month AS mid_sleep_work_minutes
    FROM pairs
    WINDOW month AS (
        PARTITION BY username ORDER BY day ASC NULLS LAST
        RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
    )
)
SELECT
    username, day, mid_sleep_local, mid_sleep_minutes, bedtime_minutes, nights_28d,
    CASE WHEN pairs_28d >= {_LEAST} THEN -100 + 200 * same / ({_MINUTES} * pairs_28d) END
        AS sleep_regularity_index,
    pairs_28d,
    mid_sleep_mean_minutes, mid_sleep_sd_minutes, bedtime_sd_minutes,
    mid_sleep_free_minutes, mid_sleep_work_minutes,
    abs(mid_sleep_free_minutes - mid_sleep_work_minutes) AS social_jet_lag_minutes
FROM windows
""",
    stored=True,
)
