"""The views of nights and naps, a row per sleep."""

from __future__ import annotations

from typing import NamedTuple

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.catalog.parts import Part
from oura_pipeline.warehouse.measured import measured_column, measured_items
from oura_pipeline.warehouse.parts import digits_within, with_parts
from oura_pipeline.warehouse.views.clock import local_time
from oura_pipeline.warehouse.views.texts import PHASES, field, interval
from oura_pipeline.warehouse.views.view import Column, View

# Every sleep that counts, with its part.
SLEEPS = with_parts(SLEEP)


_SECONDS = {
    name: str(interval(name))
    for name in ("sleep_phase_5_min", "sleep_phase_30_sec", "movement_30_sec")
}
# The document is read for its local times once per sleep: below every unnesting, not above it.
READ = f"""
    SELECT
        *,
        {local_time("bedtime_start")} AS start_local,
        {local_time("bedtime_end")} AS end_local,
        coalesce(nullif(sleep_phase_30_sec, ''), nullif(sleep_phase_5_min, '')) AS all_phases,
        CASE
            WHEN nullif(sleep_phase_30_sec, '') IS NULL THEN {_SECONDS["sleep_phase_5_min"]}
            ELSE {_SECONDS["sleep_phase_30_sec"]}
        END AS phase_seconds,
        {digits_within(SLEEP, "all_phases", "phase_seconds")} AS phases,
        {digits_within(SLEEP, "movement_30_sec", _SECONDS["movement_30_sec"])} AS movements,
        {_SECONDS["movement_30_sec"]} AS movement_seconds
    FROM ({SLEEPS})
"""


class _SleepColumn(NamedTuple):
    """A column of both views: its name, its comment, its SQL."""

    name: str
    comment: str
    sql: str


def _minutes(name: str, comment: str, field: str) -> _SleepColumn:
    return _SleepColumn(name, f"{comment}, minutes.", f"{field} / 60")


def _counted(code: int, phase: str) -> _SleepColumn:
    # Counted in the text, without unnesting it: the summary reads every night.
    many = f"length(phases) - length(replace(phases, '{code}', ''))"
    return _SleepColumn(
        f"hypnogram_{phase}_minutes",
        f"Time in phase {phase} by the hypnogram, minutes; null without one.",
        f"({many}) * phase_seconds / 60",
    )


_HRV = measured_items("hrv.items", field(SLEEP, "hrv"))
_SLEEP_COLUMNS = (
    _SleepColumn("sleep_id", "Oura's identifier of the sleep.", "id"),
    _SleepColumn("bedtime_start", "When the person went to bed, an instant.", "bedtime_start"),
    _SleepColumn(
        "bedtime_end",
        "When the person got up, an instant; null while the night lasts.",
        "bedtime_end",
    ),
    _SleepColumn(
        "bedtime_start_local", "Going to bed, as the person's clock showed it.", "start_local"
    ),
    _SleepColumn("bedtime_end_local", "Getting up, as the person's clock showed it.", "end_local"),
    _SleepColumn(
        "utc_offset_minutes",
        "Local time minus UTC on going to bed, minutes; east is positive.",
        # From the two times, because the offset itself stands in no column.
        "date_diff('minute', make_timestamp(epoch_us(bedtime_start)), start_local)",
    ),
    _SleepColumn(
        "is_finished",
        "Whether the end is known; false while Oura still computes the night.",
        "bedtime_end IS NOT NULL",
    ),
    _minutes("time_in_bed_minutes", "Time in bed", "time_in_bed"),
    _minutes("total_sleep_minutes", "Total sleep", "total_sleep_duration"),
    _minutes("awake_minutes", "Awake in bed", "awake_time"),
    _minutes("deep_minutes", "Deep sleep, by Oura", "deep_sleep_duration"),
    _minutes("light_minutes", "Light sleep, by Oura", "light_sleep_duration"),
    _minutes("rem_minutes", "REM sleep, by Oura", "rem_sleep_duration"),
    _minutes("latency_minutes", "Time until asleep", "latency"),
    _SleepColumn(
        "efficiency_percent", "Share of the time in bed asleep, percent (%).", "efficiency"
    ),
    _SleepColumn("restless_periods", "Restless periods, count.", "restless_periods"),
    _SleepColumn(
        "average_heart_rate_bpm",
        "Mean heart rate, beats per minute (bpm).",
        measured_column(SLEEP, "average_heart_rate"),
    ),
    _SleepColumn(
        "lowest_heart_rate_bpm",
        "Lowest heart rate, beats per minute (bpm).",
        measured_column(SLEEP, "lowest_heart_rate"),
    ),
    _SleepColumn(
        "hrv_average_ms",
        "Mean heart rate variability (RMSSD), by Oura, ms.",
        measured_column(SLEEP, "average_hrv"),
    ),
    _SleepColumn(
        "hrv_min_ms",
        "Lowest of the 5-minute values of heart rate variability (RMSSD), ms.",
        f"list_min({_HRV})",
    ),
    _SleepColumn(
        "hrv_max_ms",
        "Highest of the 5-minute values of heart rate variability (RMSSD), ms.",
        f"list_max({_HRV})",
    ),
    _SleepColumn(
        "average_breath_per_minute",
        "Mean breaths per minute.",
        measured_column(SLEEP, "average_breath"),
    ),
    _SleepColumn(
        "readiness_score", "Readiness by this sleep alone, a score of 1 to 100.", "readiness.score"
    ),
    _SleepColumn(
        "temperature_deviation_c",
        "Body temperature against the usual, °C, of this sleep alone.",
        "readiness.temperature_deviation",
    ),
    _SleepColumn(
        "temperature_trend_deviation_c",
        "Its trend over some days, °C, of this sleep alone.",
        "readiness.temperature_trend_deviation",
    ),
    *(_counted(code, phase) for code, phase in PHASES.items()),
    _SleepColumn(
        "sleep_algorithm_version", "Oura's algorithm, v1 or v2.", "sleep_algorithm_version"
    ),
    _SleepColumn("low_battery_alert", "Whether the battery was low.", "low_battery_alert"),
)
_SELECTED = ",\n    ".join(
    column.name if column.sql == column.name else f"{column.sql} AS {column.name}"
    for column in _SLEEP_COLUMNS
)

USERNAME = Column("username", "The person.")
SLEEP_DAY = Column("day", "The day it belongs to, according to Oura: that of waking up.")

NIGHTS = View(
    name="nights",
    description="The main sleep of a day.",
    one_row_per="person and day that has a long_sleep, or at least a sleep of 15 minutes",
    definition=(
        "The main sleep is the longest `long_sleep` of Oura's `day` by time in bed, or on a day "
        "without one the longest `sleep` that was not under 15 minutes; of equally long ones the "
        "one that began first, then the first by id. Sleeps of type rest, deleted and any other "
        "never count, and a late_nap is no night. Sleeps of a person that overlap in time, also by "
        "way of a third one or under different days, are one sleep that Oura sent more than once: "
        "of these only the one with the most total sleep counts, but none that has a heart rate of "
        "0 or 255, or an HRV or breath of 0, where another has a value. One without an end lasts "
        "as long as its time in bed, or 8 hours. All documents stay in oura.sleep. Numbers that "
        "Oura writes for null (those just named) are null. Oura's own minutes are beside those "
        "counted from its hypnogram (of 30 seconds if there is one, else of 5 minutes), which ends "
        "with the sleep; they may differ a little. HRV is RMSSD, not SDNN. Local times are read "
        "from the text of the document, each with its own offset. An unfinished night has no end "
        "and may lack other values."
    ),
    columns=(
        USERNAME,
        SLEEP_DAY,
        *(Column(column.name, column.comment) for column in _SLEEP_COLUMNS),
        Column("type", "Oura's type: long_sleep, or sleep on a day without one."),
        Column("long_sleeps", "How many sleeps of type long_sleep the day has, count."),
    ),
    sql=f"""
SELECT
    username, day, {_SELECTED},
    type, mains AS long_sleeps
FROM ({READ})
WHERE part = '{Part.MAIN}'
""",
    stored=True,
)

NAPS = View(
    name="naps",
    description="Every sleep that is not the main sleep of its day, naps and shorter ones.",
    one_row_per="nap or shorter sleep",
    definition=(
        "Sleeps of type sleep and late_nap, and every long_sleep, that count and are not the main "
        "one (see nights). Numbered within the day by their start. A sleep or late_nap of under 15 "
        "minutes asleep is here too, but is no nap: is_short is true, and daily_summary does not "
        "count it. The other columns are those of nights."
    ),
    columns=(
        USERNAME,
        SLEEP_DAY,
        Column("nap", "Its number within the day by its start, count from 1."),
        Column("type", "Oura's type: sleep, late_nap or long_sleep."),
        Column("is_short", "Whether it is too short for a nap, under 15 minutes asleep."),
        *(Column(column.name, column.comment) for column in _SLEEP_COLUMNS),
    ),
    sql=f"""
SELECT
    username, day,
    row_number() OVER (
        PARTITION BY username, day ORDER BY bedtime_start ASC NULLS LAST, encode(id) ASC NULLS LAST
    ) AS nap,
    type,
    part = '{Part.SHORT}' AS is_short,
    {_SELECTED}
FROM ({READ})
WHERE part <> '{Part.MAIN}'
""",
    stored=True,
)
