"""The view of what was fetched on every day, and with what result."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.view import Column, View

_NAMES = ", ".join(
    literal(document_type.name) for document_type in DOCUMENT_TYPES if document_type.partitioned
)

COVERAGE = View(
    name="coverage",
    description="What was fetched from Oura for every day, and with what result.",
    one_row_per="person, document type and day from the person's first to their last fetched day",
    definition=(
        "Every document type with days, on every day from the first to the last one that was "
        "fetched for the person, of any of these types. never_asked is a day in between that was "
        "never fetched: neither empty nor failed. From `oura.fetches`, by the newest fetch."
    ),
    columns=(
        Column("username", "The person."),
        Column("document_type", "The document type, in Oura's spelling."),
        Column("day", "The day, as Oura counts days."),
        Column("status", "landed, empty, not_granted, failed or never_asked."),
        Column("documents", "Documents that Oura has for the day, count; null: never asked."),
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
    d.username, t.document_type, d.day,
    coalesce(f.status, 'never_asked') AS status,
    f.documents, f.asked_at, f.error
FROM days d
CROSS JOIN types t
LEFT JOIN oura.fetches f
    ON f.username = d.username AND f.document_type = t.document_type AND f.day = d.day
""",
)
