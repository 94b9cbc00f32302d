"""The view `daily_summary`: one row per person and day with every number that a day has once."""

from __future__ import annotations

from typing import NamedTuple

from oura_pipeline.catalog.document_types import (
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_RESILIENCE,
    DAILY_SPO2,
    ENHANCED_TAG,
    SESSION,
    SLEEP,
    TAG,
    VO2_MAX,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.warehouse.measured import measured_column
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.adding import total
from oura_pipeline.warehouse.views.texts import code_of_text, field
from oura_pipeline.warehouse.views.view import Column, View


class _Number(NamedTuple):
    """A column of the summary.

    Attributes:
        name: its name.
        comment: what it is, with its unit.
        relation: the table or view it comes from.
        sql: the expression there; empty: the column of the same name.
        summed: the aggregate over a day's rows; empty: at most one of them has a value.
        types: the document types that tell that there is none of what is counted.
    """

    name: str
    comment: str
    relation: str
    sql: str = ""
    summed: str = ""
    types: tuple[DocumentType, ...] = ()

    @property
    def in_its_part(self) -> str:
        return f"{self.sql} AS {self.name}" if self.sql else self.name

    @property
    def of_the_day(self) -> str:
        # Only one part of the union has the column, and any_value passes over the nulls of the
        # others.
        return f"{self.summed or f'any_value({self.name})'} AS {self.name}"


def _minutes(name: str, comment: str, relation: str, field: str) -> _Number:
    return _Number(name, f"{comment}, minutes.", relation, f"{field} / 60")


def _count(name: str, comment: str, relation: str, sql: str, *types: DocumentType) -> _Number:
    """Return a number of things; 0 only where Oura has answered that there are none."""
    known = f"CASE WHEN count({name}) > 0 THEN count({name}) WHEN {_answered(types)} THEN 0 END"
    return _Number(name, f"{comment}; null: not known.", relation, sql, known, types)


def _total(name: str, comment: str, relation: str, sql: str, counted: _Number) -> _Number:
    """Return an amount of things that are counted; 0 only where there are known to be none."""
    known = (
        f"CASE WHEN count({counted.name}) > 0 THEN {total(name)} "
        f"WHEN {_answered(counted.types)} THEN 0 END"
    )
    return _Number(name, f"{comment}; null: not known.", relation, sql, known)


def _answered(types: tuple[DocumentType, ...]) -> str:
    """Return the condition that Oura has answered for the day, for each of these types."""
    return " AND ".join(f"bool_or(answered = {literal(one.name)}) IS TRUE" for one in types)


_SLEEP, _READINESS, _ACTIVITY = "oura.daily_sleep", "oura.daily_readiness", "oura.daily_activity"
_NIGHT, _STRESS = "oura.nights", "oura.daily_stress"
_NAP = "(FROM oura.naps WHERE NOT is_short)"
_RESILIENCE, _SPO2 = "oura.daily_resilience", "oura.daily_spo2"
_ARTERIES, _VO2 = "oura.daily_cardiovascular_age", "oura.vo2_max"
_WORKOUT, _SESSION, _TAG = "oura.workouts", "oura.session", "oura.tags"

_NAPS = _count("nap_count", "Naps, count", _NAP, "sleep_id", SLEEP)
_WORKOUTS = _count("workout_count", "Workouts, count", _WORKOUT, "workout_id", WORKOUT)
_NUMBERS = (
    _Number("sleep_score", "Sleep, a score of 1 to 100.", _SLEEP, "score"),
    _Number("readiness_score", "Readiness, a score of 1 to 100.", _READINESS, "score"),
    _Number("activity_score", "Activity, a score of 1 to 100.", _ACTIVITY, "score"),
    _Number("total_sleep_minutes", "Total sleep in the main sleep, minutes.", _NIGHT),
    _Number("time_in_bed_minutes", "Time in bed for the main sleep, minutes.", _NIGHT),
    _Number("deep_minutes", "Deep sleep in the main sleep, minutes.", _NIGHT),
    _Number("light_minutes", "Light sleep in the main sleep, minutes.", _NIGHT),
    _Number("rem_minutes", "REM sleep in the main sleep, minutes.", _NIGHT),
    _Number("awake_minutes", "Awake in bed in the main sleep, minutes.", _NIGHT),
    _Number("latency_minutes", "Time until asleep, minutes.", _NIGHT),
    _Number("efficiency_percent", "Share of the time in bed asleep, percent (%).", _NIGHT),
    _NAPS,
    _total("nap_minutes", "Total sleep in naps, minutes", _NAP, "total_sleep_minutes", _NAPS),
    _Number("hrv_average_ms", "Mean heart rate variability (RMSSD) of the main sleep, ms.", _NIGHT),
    _Number("hrv_min_ms", "Lowest 5-minute heart rate variability (RMSSD) of it, ms.", _NIGHT),
    _Number("hrv_max_ms", "Highest 5-minute heart rate variability (RMSSD) of it, ms.", _NIGHT),
    _Number(
        "resting_heart_rate_bpm",
        "Lowest heart rate of the main sleep, beats per minute (bpm).",
        _NIGHT,
        "lowest_heart_rate_bpm",
    ),
    _Number(
        "average_heart_rate_bpm",
        "Mean heart rate of the main sleep, beats per minute (bpm).",
        _NIGHT,
    ),
    _Number("average_breath_per_minute", "Mean breaths per minute of the main sleep.", _NIGHT),
    _Number(
        "temperature_deviation_c",
        "Body temperature against the usual, °C; from daily_readiness.",
        _READINESS,
        "temperature_deviation",
    ),
    _Number(
        "temperature_trend_deviation_c",
        "Its trend over some days, °C; from daily_readiness.",
        _READINESS,
        "temperature_trend_deviation",
    ),
    _Number("steps", "Steps, count.", _ACTIVITY),
    _Number("active_calories_kcal", "Energy spent by moving, kcal.", _ACTIVITY, "active_calories"),
    _Number("total_calories_kcal", "Total energy spent, kcal.", _ACTIVITY, "total_calories"),
    _Number(
        "walking_distance_m",
        "Walking distance that costs as much energy, metres (m).",
        _ACTIVITY,
        "equivalent_walking_distance",
    ),
    _minutes("high_activity_minutes", "High activity", _ACTIVITY, "high_activity_time"),
    _minutes("medium_activity_minutes", "Medium activity", _ACTIVITY, "medium_activity_time"),
    _minutes("low_activity_minutes", "Low activity", _ACTIVITY, "low_activity_time"),
    _minutes("sedentary_minutes", "Sitting", _ACTIVITY, "sedentary_time"),
    _minutes("resting_minutes", "Rest", _ACTIVITY, "resting_time"),
    _minutes("non_wear_minutes", "Ring not worn", _ACTIVITY, "non_wear_time"),
    _minutes("stress_high_minutes", "High stress while awake", _STRESS, "stress_high"),
    _minutes("recovery_high_minutes", "High recovery while awake", _STRESS, "recovery_high"),
    _Number("stress_summary", "restored, normal or stressful.", _STRESS, "day_summary"),
    _Number(
        "resilience_level", "limited, adequate, solid, strong or exceptional.", _RESILIENCE, "level"
    ),
    _Number(
        "resilience_code",
        "The level as a code, from 1 limited to 5 exceptional.",
        _RESILIENCE,
        code_of_text("level", field(DAILY_RESILIENCE, "level").codes or {}),
    ),
    _Number(
        "spo2_percent",
        "Mean oxygen saturation asleep, percent (%).",
        _SPO2,
        measured_column(DAILY_SPO2, "spo2_percentage.average"),
    ),
    _Number("breathing_disturbance_index", "Breathing disturbances, a score of 0 to 100.", _SPO2),
    _Number(
        "vascular_age_years",
        "Estimated age of the arteries, years.",
        _ARTERIES,
        measured_column(DAILY_CARDIOVASCULAR_AGE, "vascular_age"),
    ),
    _Number(
        "pulse_wave_velocity_m_s",
        "Speed of the pulse wave, m/s.",
        _ARTERIES,
        measured_column(DAILY_CARDIOVASCULAR_AGE, "pulse_wave_velocity"),
    ),
    _Number(
        "vo2_max",
        "Oxygen uptake at full effort, ml/kg/min.",
        _VO2,
        measured_column(VO2_MAX, "vo2_max"),
    ),
    _WORKOUTS,
    _total("workout_minutes", "Time in workouts, minutes", _WORKOUT, "duration_minutes", _WORKOUTS),
    _count("session_count", "Guided moments, count", _SESSION, "id", SESSION),
    _count("tag_count", "Tags of both kinds, count", _TAG, "tag_id", ENHANCED_TAG, TAG),
)
# What was granted and asked; landed is an answer as well: all of a day's sleeps may be none.
_COUNTED = ", ".join(sorted({literal(one.name) for number in _NUMBERS for one in number.types}))
_ANSWERS = f"""SELECT username, day, document_type AS answered
    FROM oura.fetches
    WHERE status IN ('landed', 'empty') AND document_type IN ({_COUNTED})"""

TEXTS = ("stress_summary", "resilience_level")
METRICS = tuple(number.name for number in _NUMBERS if number.name not in TEXTS)
# Of these a day without any is 0, so that days can be added.
COUNTED = frozenset(number.name for number in _NUMBERS if number.summed)


def _part(relation: str) -> str:
    columns = ", ".join(number.in_its_part for number in _NUMBERS if number.relation == relation)
    return f"SELECT username, day, {columns}\n    FROM {relation}"


# A union of parts, grouped by person and day: unlike with outer joins, filters on both reach every
# table, and a query for two columns reads two.
_PARTS = "\n    UNION ALL BY NAME\n    ".join(
    [*map(_part, dict.fromkeys(number.relation for number in _NUMBERS)), _ANSWERS]
)
_OF_THE_DAY = ",\n    ".join(number.of_the_day for number in _NUMBERS)

DAILY_SUMMARY = View(
    name="daily_summary",
    description="All numbers of a day side by side.",
    one_row_per="person and day that has a document of any of these types",
    definition=(
        "By Oura's `day`. Minutes of sleep, HRV and heart rate are those of the main sleep (see "
        "nights). HRV is RMSSD, not SDNN. Scores are Oura's; the contributors in the tables are "
        "scores too, not amounts. Unknown is null, never 0; so are an SpO2, VO2 max, vascular age "
        "and pulse wave velocity of 0. Counts, and the minutes of naps and workouts, are 0 where "
        "Oura has answered that there are none, and null where the person did not grant the type "
        "or the day was not fetched (of tags: either kind); coverage has which. Rest and deleted "
        "sleeps, those too short for a nap, heart-rate and battery rows, sleep_time and rest mode "
        "alone make no day."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days; of a night, the day of waking up."),
        *(Column(number.name, number.comment) for number in _NUMBERS),
    ),
    sql=f"""
SELECT
    username, day,
    {_OF_THE_DAY}
FROM (
    {_PARTS}
)
GROUP BY username, day
-- That Oura has answered makes no day.
HAVING count(*) > count(answered)
""",
    stored=True,
)
