"""The views of guided moments and of rest mode."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import SESSION
from oura_pipeline.warehouse.measured import measured_items
from oura_pipeline.warehouse.views.clock import local_time, minutes_between
from oura_pipeline.warehouse.views.texts import field
from oura_pipeline.warehouse.views.view import Column, View

_PULSES = measured_items("heart_rate.items", field(SESSION, "heart_rate"))
_HRV = measured_items("heart_rate_variability.items", field(SESSION, "heart_rate_variability"))
_ABSURD = "1e300"  # the sum of more would be no number


def _mean(items: str) -> str:
    usable = f"list_filter({items}, lambda item: abs(item) < {_ABSURD})"
    # Compensated, so that the order in which it adds does not matter.
    return f"list_aggregate({usable}, 'favg')"


SESSIONS = View(
    name="sessions",
    description="Guided moments: breathing, meditation, rest and the like.",
    one_row_per="guided moment",
    definition=(
        "Under Oura's `day`. Means and extremes are those of the items of Oura's series, usually "
        "every 5 seconds; a heart rate of 0 or 255 and an HRV of 0 mean null. HRV is RMSSD, not "
        "SDNN. Local times are read from the text of the document, each with its own offset. The "
        "duration is null if the end is before the start."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day it belongs to, according to Oura."),
        Column("session_id", "Oura's identifier of the moment."),
        Column("type", "breathing, meditation, nap, relaxation, rest or body_status."),
        Column("mood", "bad, worse, same, good or great."),
        Column("start_time", "When it began, an instant."),
        Column("end_time", "When it ended, an instant."),
        Column("start_local", "Its start, as the person's clock showed it."),
        Column("end_local", "Its end, as the person's clock showed it."),
        Column("duration_minutes", "From start to end, minutes."),
        Column("average_heart_rate_bpm", "Mean heart rate, beats per minute (bpm)."),
        Column("lowest_heart_rate_bpm", "Lowest heart rate, beats per minute (bpm)."),
        Column("hrv_average_ms", "Mean heart rate variability (RMSSD), ms."),
    ),
    sql=f"""
SELECT
    username, day,
    id AS session_id,
    type, mood,
    start_datetime AS start_time,
    end_datetime AS end_time,
    {local_time("start_datetime")} AS start_local,
    {local_time("end_datetime")} AS end_local,
    {minutes_between("start_datetime", "end_datetime")} AS duration_minutes,
    {_mean(_PULSES)} AS average_heart_rate_bpm,
    list_min({_PULSES}) AS lowest_heart_rate_bpm,
    {_mean(_HRV)} AS hrv_average_ms
FROM oura.session
""",
)

REST_MODES = View(
    name="rest_modes",
    description="Times in rest mode, as switched on in Oura's app.",
    one_row_per="time in rest mode",
    definition=(
        "From its first to its last day, both included; without a last day it goes on. Tags are "
        "those of all its episodes. Local times are read from the text of the document, each with "
        "its own offset. To take these days out: ANTI JOIN rest_modes r ON r.username = "
        "d.username AND d.day BETWEEN r.day AND coalesce(r.last_day, d.day)."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day on which it began, according to Oura."),
        Column("last_day", "The day on which it ended; null while it lasts."),
        Column("days", "Days from the first to the last, count; null while it lasts."),
        Column("rest_mode_id", "Oura's identifier of the time in rest mode."),
        Column("start_time", "When it began, an instant."),
        Column("end_time", "When it ended, an instant; null while it lasts."),
        Column("start_local", "Its start, as the person's clock showed it."),
        Column("end_local", "Its end, as the person's clock showed it."),
        Column("tags", "What was noted during it, a list of texts as Oura has them."),
    ),
    sql=f"""
SELECT
    username, day,
    end_day AS last_day,
    CASE WHEN end_day >= day THEN end_day - day + 1 END AS days,
    id AS rest_mode_id,
    start_time, end_time,
    {local_time("start_time")} AS start_local,
    {local_time("end_time")} AS end_local,
    coalesce(flatten(list_transform(episodes, lambda episode: episode.tags)), []) AS tags
FROM oura.rest_mode_period
""",
)
