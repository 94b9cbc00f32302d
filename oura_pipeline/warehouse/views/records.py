"""The view of days as records for other systems: a JSON object per person, day and kind."""

from __future__ import annotations

from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.view import Column, View

_SLEEP = (
    "total_sleep_minutes",
    "time_in_bed_minutes",
    "deep_minutes",
    "light_minutes",
    "rem_minutes",
    "awake_minutes",
    "latency_minutes",
    "efficiency_percent",
    "nap_count",
    "nap_minutes",
    "average_heart_rate_bpm",
    "average_breath_per_minute",
)
_ACTIVITY = (
    "steps",
    "active_calories_kcal",
    "total_calories_kcal",
    "walking_distance_m",
    "high_activity_minutes",
    "medium_activity_minutes",
    "low_activity_minutes",
    "sedentary_minutes",
    "resting_minutes",
    "non_wear_minutes",
)
# By kind of record: key of the JSON object → column of daily_summary.
RECORDS: dict[str, dict[str, str]] = {
    "readiness": {
        "score": "readiness_score",
        "temperature_deviation_c": "temperature_deviation_c",
        "temperature_trend_deviation_c": "temperature_trend_deviation_c",
    },
    "sleep": {"score": "sleep_score", **{name: name for name in _SLEEP}},
    "activity": {"score": "activity_score", **{name: name for name in _ACTIVITY}},
    "hrv": {
        name: name
        for name in ("hrv_average_ms", "hrv_min_ms", "hrv_max_ms", "resting_heart_rate_bpm")
    },
}
# A day with a night has 0 naps: on its own that makes no record.
_NEVER_ALONE = ("nap_count", "nap_minutes")


def _metrics(columns: dict[str, str]) -> str:
    """Return the object of a kind of record; null if it has none."""
    # JSON has no infinity, and whoever reads a record with one reads none of it.
    pairs = ", ".join(
        f"'{key}', CASE WHEN isfinite(CAST({column} AS DOUBLE)) THEN {column} END"
        for key, column in columns.items()
    )
    known = ", ".join(
        f"nullif({column}, 0)" if column in _NEVER_ALONE else column for column in columns.values()
    )
    return (
        f"CASE WHEN coalesce({known}) IS NOT NULL "
        f"THEN json_merge_patch('{{}}', json_object({pairs})) END"
    )


_KINDS = ", ".join(map(literal, RECORDS))
_METRICS = ",\n            ".join(map(_metrics, RECORDS.values()))

DAILY_RECORDS = View(
    name="daily_records",
    description="Days as records with a JSON object of metrics, for other systems.",
    one_row_per="person, day and kind of record that has a metric",
    definition=(
        "From daily_summary: readiness (score, temperatures), sleep (score and the main sleep), "
        "activity (score and amounts) and hrv (RMSSD, not SDNN, and the lowest heart rate of the "
        "main sleep). Keys without a value are absent, and so are records without any key; 0 naps "
        "alone make no record."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day, as Oura counts days."),
        Column("metric_type", "readiness, sleep, activity or hrv."),
        Column("source", "Always oura."),
        Column("metrics", "JSON object: names with units, as in daily_summary, and numbers."),
    ),
    # Unnested side by side, so that the summary is computed once and not for each kind.
    sql=f"""
SELECT username, day, metric_type, 'oura' AS source, metrics
FROM (
    SELECT
        username, day,
        unnest([{_KINDS}]) AS metric_type,
        unnest([
            {_METRICS}
        ]) AS metrics
    FROM oura.daily_summary
)
WHERE metrics IS NOT NULL
""",
)
