"""What Oura was asked for every day, and what it answered."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.view import Column, View

_NAMES = ", ".join(
    literal(document_type.name) for document_type in DOCUMENT_TYPES if document_type.partitioned
)

COVERAGE = View(
    name="coverage",
    description="What Oura was asked for every day, and what it answered.",
    one_row_per="person, document type and day from their first to their last asked one",
    definition=(
        "Every document type that has days, on every day from the first to the last one that was "
        "asked for the person, of whichever of these types. never_asked is a day in between that "
        "nobody asked for: neither empty nor failed. From `oura.fetches`, the newest question."
    ),
    columns=(
        Column("username", "The person."),
        Column("document_type", "The document type, in Oura's spelling."),
        Column("day", "The day, as Oura counts days."),
        Column("status", "landed, empty, not_granted, failed or never_asked."),
        Column("documents", "Documents that Oura gave, count; null: never asked."),
        Column("asked_at", "When Oura was asked last, an instant; null: never."),
        Column("error", "Why it failed or was not granted; null otherwise."),
    ),
    sql=f"""
WITH spans AS (
    SELECT username, min(day) AS first_day, max(day) AS last_day
    FROM oura.fetches
    WHERE document_type IN ({_NAMES})
    GROUP BY username
),
days AS (
    SELECT
        username,
        CAST(unnest(generate_series(first_day, last_day, INTERVAL 1 DAY)) AS DATE) AS day
    FROM spans
),
types AS (
    SELECT unnest([{_NAMES}]) AS document_type
)
SELECT
    d.username,
    t.document_type,
    d.day,
    coalesce(f.status, 'never_asked') AS status,
    f.documents,
    f.asked_at,
    f.error
FROM days d
CROSS JOIN types t
LEFT JOIN oura.fetches f
    ON f.username = d.username AND f.document_type = t.document_type AND f.day = d.day
""",
)
