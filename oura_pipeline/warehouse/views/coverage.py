"""The view of what was fetched on every day, with what result, and what was brought besides."""

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
    one_row_per="person, document type and day from the person's first to their last one",
    definition=(
        "Every document type with days, on every day from the first to the last one that was "
        "fetched for the person or brought by their own export, of any of these types. The status "
        "is that of the newest fetch in `oura.fetches`. Where there was none, brought says that "
        "the export has documents all the same, and never_asked that nobody knows whether there "
        "are any: neither empty nor failed. A day has data if documents or brought is above 0."
    ),
    columns=(
        Column("username", "The person."),
        Column("document_type", "The document type, in Oura's spelling."),
        Column("day", "The day, as Oura counts days."),
        Column("status", "landed, empty, not_granted, failed, brought or never_asked."),
        Column("documents", "Documents that Oura's API has for the day, count; null: never asked."),
        Column("asked_at", "When Oura was asked last, an instant; null: never."),
        Column("error", "Why it failed or was not granted; null otherwise."),
        Column("brought", "Documents of their own export that the API has not given, count."),
    ),
    sql=f"""
WITH spans AS (
    SELECT username, min(day) AS first_day, max(day) AS last_day
    FROM (
        SELECT username, document_type, day FROM oura.fetches
        UNION ALL
        SELECT username, document_type, day FROM oura.brought
    )
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
    CASE
        WHEN f.status IS NOT NULL THEN f.status
        WHEN b.documents > 0 THEN 'brought'
        ELSE 'never_asked'
    END AS status,
    f.documents, f.asked_at, f.error,
    coalesce(b.documents, 0) AS brought
FROM days d
CROSS JOIN types t
LEFT JOIN oura.fetches f
    ON f.username = d.username AND f.document_type = t.document_type AND f.day = d.day
LEFT JOIN oura.brought b
    ON b.username = d.username AND b.document_type = t.document_type AND b.day = d.day
""",
)
