"""The views of events: workouts, and tags of both kinds."""

from __future__ import annotations

from oura_pipeline.warehouse.views.clock import local_time, minutes_between
from oura_pipeline.warehouse.views.view import Column, View

WORKOUTS = View(
    name="workouts",
    description="Workouts: activity, time, duration and intensity.",
    one_row_per="workout",
    definition=(
        "Under Oura's `day`, also when they go on past midnight. Local times are read from the "
        "text of the document, each with its own offset. The duration is null if the end is before "
        "the start."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day it belongs to, according to Oura."),
        Column("workout_id", "Oura's identifier of the workout."),
        Column("activity", "Activity, as Oura names it."),
        Column("intensity", "easy, moderate or hard."),
        Column("source", "manual, autodetected, confirmed or a heart rate source."),
        Column("label", "The person's own name for it."),
        Column("start_time", "When it began, an instant."),
        Column("end_time", "When it ended, an instant."),
        Column("start_local", "Its start, as the person's clock showed it."),
        Column("end_local", "Its end, as the person's clock showed it."),
        Column("duration_minutes", "From start to end, minutes."),
        Column("calories_kcal", "Energy spent, kcal."),
        Column("distance_m", "Distance, metres (m)."),
    ),
    sql=f"""
SELECT
    username, day,
    id AS workout_id,
    activity, intensity, source, label,
    start_datetime AS start_time,
    end_datetime AS end_time,
    {local_time("start_datetime")} AS start_local,
    {local_time("end_datetime")} AS end_local,
    {minutes_between("start_datetime", "end_datetime")} AS duration_minutes,
    calories AS calories_kcal,
    distance AS distance_m
FROM oura.workout
""",
)

TAGS = View(
    name="tags",
    description="Tags of both kinds, the newer enhanced_tag and the older tag.",
    one_row_per="tag; a document of the older kind with several tags is several rows",
    definition=(
        "The name is the person's own name for the tag, else Oura's code, else (older kind) each "
        "of the tags; a document with text only has one row without a name. Empty texts are null. "
        "The same moment can be there twice, once in each kind."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day on which it begins, according to Oura."),
        Column("document_type", "enhanced_tag or tag."),
        Column("tag_id", "Oura's identifier of the document."),
        Column("time", "When it was set or began, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("end_time", "When it ended, an instant; null without an end."),
        Column("name", "The person's own name for it, else Oura's code; null: text only."),
        Column("comment", "The person's own words; null where there are none."),
    ),
    sql=f"""
SELECT
    username, day,
    'enhanced_tag' AS document_type,
    id AS tag_id,
    start_time AS time,
    {local_time("start_time")} AS time_local,
    end_time,
    coalesce(nullif(custom_name, ''), nullif(tag_type_code, '')) AS name,
    nullif(comment, '') AS comment
FROM oura.enhanced_tag
UNION ALL
SELECT
    username, day,
    'tag',
    id,
    timestamp,
    time_local,
    CAST(NULL AS TIMESTAMPTZ),
    unnest(CASE WHEN len(names) > 0 THEN names ELSE [NULL] END),
    nullif(text, '')
FROM (
    SELECT
        *,
        {local_time("timestamp")} AS time_local,
        list_filter(tags, lambda name: name <> '') AS names
    FROM oura.tag
)
""",
)
