"""One row per person and day with everything that is one number a day.

What surprises: each kind of document is a part of a union, and the parts are grouped by person and
day. Unlike outer joins this lets filters on both reach every table, and whoever asks for two
columns reads two.
"""

# ruff: noqa: S608  every piece of SQL is written here

from __future__ import annotations

from typing import NamedTuple

from oura_pipeline.documents import DAILY_RESILIENCE
from oura_pipeline.warehouse.views.texts import code_of_text
from oura_pipeline.warehouse.views.view import Column, View


class _Number(NamedTuple):
    """A column of the summary: its name, its comment, its SQL in the part it comes from."""

    name: str
    comment: str
    sql: str


class _Part(NamedTuple):
    """What one kind of document gives: the relation, with at most one row per person and day."""

    relation: str
    numbers: tuple[_Number, ...]


def _score(name: str, comment: str) -> _Number:
    return _Number(name, f"{comment}, a score of 1 to 100.", "score")


def _minutes(name: str, comment: str, sql: str) -> _Number:
    return _Number(name, f"{comment}, minutes.", sql)


def _of_the_night(name: str, comment: str, sql: str = "") -> _Number:
    return _Number(name, comment, sql or name)


_PARTS = (
    _Part("oura.daily_sleep", (_score("sleep_score", "Sleep"),)),
    _Part(
        "oura.daily_readiness",
        (
            _score("readiness_score", "Readiness"),
            _Number(
                "temperature_deviation_c",
                "Body temperature against the usual, °C; of daily_readiness.",
                "temperature_deviation",
            ),
            _Number(
                "temperature_trend_deviation_c",
                "Its trend over some days, °C; of daily_readiness.",
                "temperature_trend_deviation",
            ),
        ),
    ),
    _Part(
        "oura.daily_activity",
        (
            _score("activity_score", "Activity"),
            _Number("steps", "Steps, count.", "steps"),
            _Number("active_calories_kcal", "Energy spent by moving, kcal.", "active_calories"),
            _Number("total_calories_kcal", "Energy spent in all, kcal.", "total_calories"),
            _Number(
                "walking_distance_m",
                "Distance on foot that costs as much, metres (m).",
                "equivalent_walking_distance",
            ),
            _minutes("high_activity_minutes", "High activity", "high_activity_time / 60"),
            _minutes("medium_activity_minutes", "Medium activity", "medium_activity_time / 60"),
            _minutes("low_activity_minutes", "Low activity", "low_activity_time / 60"),
            _minutes("sedentary_minutes", "Sitting", "sedentary_time / 60"),
            _minutes("resting_minutes", "Rest", "resting_time / 60"),
            _minutes("non_wear_minutes", "Ring not worn", "non_wear_time / 60"),
        ),
    ),
    _Part(
        "oura.nights",
        (
            _of_the_night("total_sleep_minutes", "Asleep in the main sleep, minutes."),
            _of_the_night("time_in_bed_minutes", "In bed for the main sleep, minutes."),
            _of_the_night("deep_minutes", "Deep sleep, minutes."),
            _of_the_night("light_minutes", "Light sleep, minutes."),
            _of_the_night("rem_minutes", "REM sleep, minutes."),
            _of_the_night("awake_minutes", "Awake in bed, minutes."),
            _of_the_night("latency_minutes", "Until asleep, minutes."),
            _of_the_night("efficiency_percent", "Asleep of the time in bed, percent (%)."),
            _of_the_night("hrv_average_ms", "Mean heart rate variability (RMSSD), ms."),
            _of_the_night("hrv_min_ms", "Lowest 5-minute heart rate variability (RMSSD), ms."),
            _of_the_night("hrv_max_ms", "Highest 5-minute heart rate variability (RMSSD), ms."),
            _of_the_night(
                "resting_heart_rate_bpm",
                "Lowest heart rate of the main sleep, beats per minute (bpm).",
                "lowest_heart_rate_bpm",
            ),
            _of_the_night(
                "average_heart_rate_bpm",
                "Mean heart rate of the main sleep, beats per minute (bpm).",
            ),
            _of_the_night(
                "average_breath_per_minute", "Mean breaths per minute of the main sleep."
            ),
        ),
    ),
    _Part(
        "oura.daily_stress",
        (
            _minutes("stress_high_minutes", "High stress, awake", "stress_high / 60"),
            _minutes("recovery_high_minutes", "High recovery, awake", "recovery_high / 60"),
            _Number("stress_summary", "restored, normal or stressful.", "day_summary"),
        ),
    ),
    _Part(
        "oura.daily_resilience",
        (
            _Number(
                "resilience_level", "limited, adequate, solid, strong or exceptional.", "level"
            ),
            _Number(
                "resilience_code",
                "The level as a code, 1 limited to 5 exceptional.",
                code_of_text(DAILY_RESILIENCE, "level"),
            ),
        ),
    ),
    _Part(
        "oura.daily_spo2",
        (
            _Number(
                "spo2_percent",
                "Mean oxygen saturation asleep, percent (%).",
                "nullif(spo2_percentage.average, 0)",
            ),
            _Number(
                "breathing_disturbance_index",
                "Breathing disturbances, a score of 0 to 100.",
                "breathing_disturbance_index",
            ),
        ),
    ),
    _Part(
        "oura.daily_cardiovascular_age",
        (
            _Number("vascular_age_years", "Estimated age of the arteries, years.", "vascular_age"),
            _Number(
                "pulse_wave_velocity_m_s", "Speed of the pulse wave, m/s.", "pulse_wave_velocity"
            ),
        ),
    ),
    _Part(
        "oura.vo2_max",
        (_Number("vo2_max", "Oxygen uptake at full effort, ml/kg/min.", "vo2_max"),),
    ),
)


class _Count(NamedTuple):
    """A number of the summary that several rows of a day make."""

    name: str
    comment: str
    sql: str


_COUNTS_FROM = {
    "oura.naps": "sleep_id AS a_nap, total_sleep_minutes AS a_naps_minutes",
    "oura.workouts": "workout_id AS a_workout, duration_minutes AS a_workouts_minutes",
    "oura.session": "id AS a_session",
    "oura.tags": "tag_id AS a_tag",
}
_COUNTS = (
    _Count("nap_count", "Naps, count.", "count(a_nap)"),
    _Count(
        "nap_minutes",
        "Asleep in naps, minutes; 0 without naps.",
        "CASE WHEN count(a_nap) = 0 THEN 0 ELSE sum(a_naps_minutes) END",
    ),
    _Count("workout_count", "Workouts, count.", "count(a_workout)"),
    _Count(
        "workout_minutes",
        "In workouts, minutes; 0 without workouts.",
        "CASE WHEN count(a_workout) = 0 THEN 0 ELSE sum(a_workouts_minutes) END",
    ),
    _Count("session_count", "Guided moments, count.", "count(a_session)"),
    _Count("tag_count", "Tags of both kinds, count.", "count(a_tag)"),
)
_ORDER = (
    "sleep_score readiness_score activity_score total_sleep_minutes time_in_bed_minutes "
    "deep_minutes light_minutes rem_minutes awake_minutes latency_minutes efficiency_percent "
    "nap_count nap_minutes hrv_average_ms hrv_min_ms hrv_max_ms resting_heart_rate_bpm "
    "average_heart_rate_bpm average_breath_per_minute temperature_deviation_c "
    "temperature_trend_deviation_c steps active_calories_kcal total_calories_kcal "
    "walking_distance_m high_activity_minutes medium_activity_minutes low_activity_minutes "
    "sedentary_minutes resting_minutes non_wear_minutes stress_high_minutes "
    "recovery_high_minutes stress_summary resilience_level resilience_code spo2_percent "
    "breathing_disturbance_index vascular_age_years pulse_wave_velocity_m_s vo2_max "
    "workout_count workout_minutes session_count tag_count"
).split()
TEXTS = ("stress_summary", "resilience_level")
METRICS = tuple(name for name in _ORDER if name not in TEXTS)

_SQL_OF = {n.name: f"any_value({n.name})" for part in _PARTS for n in part.numbers} | {
    count.name: count.sql for count in _COUNTS
}
_COMMENT_OF = {n.name: n.comment for part in _PARTS for n in part.numbers} | {
    count.name: count.comment for count in _COUNTS
}


def _unions() -> str:
    parts = [
        f"SELECT username, day, {', '.join(f'{n.sql} AS {n.name}' for n in part.numbers)}\n"
        f"    FROM {part.relation}"
        for part in _PARTS
    ]
    parts += [
        f"SELECT username, day, {selected}\n    FROM {relation}"
        for relation, selected in _COUNTS_FROM.items()
    ]
    return "\n    UNION ALL BY NAME\n    ".join(parts)


DAILY_SUMMARY = View(
    name="daily_summary",
    description="Everything that is one number a day, side by side.",
    one_row_per="person and day that has a document of any of these types",
    definition=(
        "By Oura's `day`. Minutes of sleep, HRV and heart rate are those of the main sleep (see "
        "nights); HRV is RMSSD, not SDNN; scores are Oura's, from 1 to 100, and the contributors "
        "in the tables are scores too, not amounts. Unknown is null and never 0: of SpO2 also "
        "where Oura writes 0. Counts, and the minutes of naps and workouts, are 0 on a day that "
        "is in the view without any; whether Oura was asked is in coverage. Heart-rate and "
        "battery rows, sleep_time and rest mode alone do not make a day."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days; of a night, the day of waking up."),
        *(Column(name, _COMMENT_OF[name]) for name in _ORDER),
    ),
    sql="SELECT\n    username,\n    day,\n    "
    + ",\n    ".join(f"{_SQL_OF[name]} AS {name}" for name in _ORDER)
    + f"\nFROM (\n    {_unions()}\n)\nGROUP BY username, day",
)


def _window(days: int) -> str:
    return (
        f"week_{days} AS (PARTITION BY username, metric ORDER BY day "
        f"RANGE BETWEEN INTERVAL {days - 1} DAYS PRECEDING AND CURRENT ROW)"
    )


def _compared(days: int) -> str:
    return f"""avg(value) OVER week_{days} AS mean_{days}d,
    stddev_samp(value) OVER week_{days} AS sd_{days}d,
    count(value) OVER week_{days} AS days_{days}d,
    value - avg(value) OVER week_{days} AS deviation_{days}d"""


def _baseline_columns(days: int) -> tuple[Column, ...]:
    window = f"over the day and the {days - 1} calendar days before"
    return (
        Column(f"mean_{days}d", f"Mean {window}, in the unit of the metric."),
        Column(f"sd_{days}d", f"Sample standard deviation {window}, in the unit of the metric."),
        Column(f"days_{days}d", f"Days with a value {window}, count."),
        Column(f"deviation_{days}d", f"value minus mean_{days}d, in the unit of the metric."),
    )


BASELINES = View(
    name="baselines",
    description="Every number of daily_summary against the person's own last 7 and 28 days.",
    one_row_per="person, day and metric with a value",
    definition=(
        "The window is the day itself and the 6 (27) calendar days before; only days with a value "
        "count, how many is in days_7d (days_28d). The standard deviation is that of a sample "
        "(n - 1), null below two days. Filter by username and metric; a filter by day alone "
        "still reads the days before."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days."),
        Column("metric", "The column of daily_summary."),
        Column("value", "Its value on the day, in the unit that the metric's name tells."),
        *_baseline_columns(7),
        *_baseline_columns(28),
    ),
    sql=f"""
SELECT
    username,
    day,
    metric,
    value,
    {_compared(7)},
    {_compared(28)}
FROM (
    SELECT
        username,
        day,
        unnest([{", ".join(f"'{name}'" for name in METRICS)}]) AS metric,
        unnest([{", ".join(f"CAST({name} AS DOUBLE)" for name in METRICS)}]) AS value
    FROM oura.daily_summary
)
WHERE value IS NOT NULL
WINDOW
    {_window(7)},
    {_window(28)}
""",
)
