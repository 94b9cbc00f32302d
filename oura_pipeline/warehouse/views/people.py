"""The view of people, as far as the documents and ledgers tell."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.view import Column, View

_DATED = ", ".join(literal(one.name) for one in STORED_TYPES if one.partitioned)

# Of answers of one moment that of the later day. One number is compared faster than a pair.
_NEWEST = "CAST(coalesce(epoch_us(asked_at), 0) AS HUGEINT) * 1000000 + (day - DATE '1970-01-01')"


def _types(*statuses: str) -> str:
    listed = ", ".join(map(literal, statuses))
    # As bytes: the order of texts depends on the session's collation.
    return (
        "coalesce(list(document_type ORDER BY encode(document_type) ASC NULLS LAST) "
        f"FILTER (status IN ({listed})), [])"
    )


PEOPLE = View(
    name="people",
    description="People: their first and last day, offsets, what they granted, and who they are.",
    one_row_per="person of whom anything was fetched or brought",
    definition=(
        "Days from `oura.fetches` and `oura.brought`: those for which Oura, or the person's own "
        "export, had a document of a type with days. A type "
        "is granted if its newest answer was documents or none, not granted if it was a refusal; "
        "a type that only failed or was never asked for is in neither list. Offsets from "
        "`oura.offsets`: Oura sends how far a clock was ahead of UTC, never the name of a zone. "
        "Age, sex, height and weight as entered at Oura, those of today."
    ),
    columns=(
        Column("username", "The person."),
        Column("first_day", "The first day with a document."),
        Column("last_day", "The last day with a document."),
        Column("days", "Days with a document, count."),
        Column("asked_at", "When Oura was asked last, an instant; null: never."),
        Column("granted", "Document types that the person granted, a list; null: never asked."),
        Column("not_granted", "Those that the person did not grant, a list; null: never asked."),
        Column("utc_offset_minutes", "Local time minus UTC now, minutes; east is positive."),
        Column("utc_offsets_minutes", "All that there were, a list of minutes."),
        Column("age_years", "Age, years."),
        Column("biological_sex", "As entered."),
        Column("height_m", "Height, metres (m)."),
        Column("weight_kg", "Weight, kg."),
    ),
    sql=f"""
WITH fetched AS (
    SELECT
        username, document_type,
        arg_max(status, {_NEWEST}) FILTER (status <> 'failed') AS status,
        max(asked_at) AS asked_at
    FROM oura.fetches
    GROUP BY username, document_type
),
days AS (
    SELECT username, day FROM oura.fetches WHERE status = 'landed' AND document_type IN ({_DATED})
    UNION
    SELECT username, day FROM oura.brought WHERE document_type IN ({_DATED})
),
parts AS (
    SELECT
        username,
        max(asked_at) AS asked_at,
        {_types("landed", "empty")} AS granted,
        {_types("not_granted")} AS not_granted
    FROM fetched
    GROUP BY username
    UNION ALL BY NAME
    SELECT username, min(day) AS first_day, max(day) AS last_day, count(*) AS days
    FROM days
    GROUP BY username
    UNION ALL BY NAME
    SELECT
        username,
        arg_max(utc_offset_seconds // 60, since) AS utc_offset_minutes,
        list(DISTINCT utc_offset_seconds // 60 ORDER BY utc_offset_seconds // 60 ASC NULLS LAST)
            AS utc_offsets_minutes
    FROM oura.offsets
    GROUP BY username
    UNION ALL BY NAME
    SELECT username, age AS age_years, biological_sex, height AS height_m, weight AS weight_kg
    FROM oura.personal_info
)
SELECT
    username,
    any_value(first_day) AS first_day,
    any_value(last_day) AS last_day,
    coalesce(any_value(days), 0) AS days,
    any_value(asked_at) AS asked_at,
    any_value(granted) AS granted,
    any_value(not_granted) AS not_granted,
    any_value(utc_offset_minutes) AS utc_offset_minutes,
    any_value(utc_offsets_minutes) AS utc_offsets_minutes,
    any_value(age_years) AS age_years,
    any_value(biological_sex) AS biological_sex,
    any_value(height_m) AS height_m,
    any_value(weight_kg) AS weight_kg
FROM parts
GROUP BY username
""",
    stored=True,
)
