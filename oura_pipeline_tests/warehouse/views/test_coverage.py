"""What was asked and what was answered: absence, refusal, failure and silence are told apart."""

from __future__ import annotations

from typing import Any

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

AT = "2026-01-12T08:00:00Z"


def fetch(
    document_type: str, day: int, status: str, documents: int = 0, **fields: Any
) -> dict[str, Any]:
    return {
        "username": "ada",
        "document_type": document_type,
        "day": f"2026-01-{day:02}",
        "status": status,
        "documents": documents,
        "error": None,
        "asked_at": "2026-01-12 08:00:00+00",
        **fields,
    }


def test_every_day_of_every_type_has_a_status(database: ViewDatabase) -> None:
    """A day between the first and the last one that nobody asked for was never asked."""
    database.fill(
        "fetches",
        [
            fetch("vO2_max", 10, "not_granted", error="the scope heart_health is not granted"),
            fetch("vO2_max", 12, "failed", error="Oura is unavailable"),
            fetch("sleep", 10, "landed", 3),
            fetch("sleep", 11, "empty"),
        ],
    )
    asked = "FROM oura.coverage WHERE document_type IN ('sleep', 'vO2_max')"
    assert database.query(f"{asked} ORDER BY document_type, day") == [
        ("ada", "sleep", "2026-01-10", "landed", 3, AT, None, 0),
        ("ada", "sleep", "2026-01-11", "empty", 0, AT, None, 0),
        ("ada", "sleep", "2026-01-12", "never_asked", None, None, None, 0),
        (
            "ada",
            "vO2_max",
            "2026-01-10",
            "not_granted",
            0,
            AT,
            "the scope heart_health is not granted",
            0,
        ),
        ("ada", "vO2_max", "2026-01-11", "never_asked", None, None, None, 0),
        ("ada", "vO2_max", "2026-01-12", "failed", 0, AT, "Oura is unavailable", 0),
    ]
    types = "SELECT document_type, count(*) FROM oura.coverage GROUP BY 1 ORDER BY 1"
    assert database.query(types) == sorted(
        (document_type.name, 3) for document_type in DOCUMENT_TYPES if document_type.partitioned
    )


def test_what_was_brought_was_not_asked_and_is_there(database: ViewDatabase) -> None:
    """Of what Oura was asked, its answer stays; nothing of types that are never fetched."""
    database.fill(
        "fetches",
        [
            fetch("sleep", 10, "empty"),
            fetch("sleep", 11, "failed", error="membership lapsed"),
            fetch("sleep", 13, "landed", 2),
        ],
    )
    brought = {"username": "ada", "document_type": "sleep", "documents": 1}
    database.fill(
        "brought",
        [{**brought, "day": f"2026-01-{day:02}"} for day in (8, 10, 11)]
        + [
            {**brought, "document_type": "temperature", "day": "2026-01-01"},
            {**brought, "username": "ben", "day": "2026-01-02", "documents": 4},
        ],
    )
    assert database.query(
        "FROM oura.coverage WHERE document_type = 'sleep' ORDER BY username, day"
    ) == [
        ("ada", "sleep", "2026-01-08", "brought", None, None, None, 1),
        ("ada", "sleep", "2026-01-09", "never_asked", None, None, None, 0),
        ("ada", "sleep", "2026-01-10", "empty", 0, AT, None, 1),
        ("ada", "sleep", "2026-01-11", "failed", 0, AT, "membership lapsed", 1),
        ("ada", "sleep", "2026-01-12", "never_asked", None, None, None, 0),
        ("ada", "sleep", "2026-01-13", "landed", 2, AT, None, 0),
        ("ben", "sleep", "2026-01-02", "brought", None, None, None, 4),
    ]


def test_people_have_their_own_first_and_last_day(database: ViewDatabase) -> None:
    """What was asked of one says nothing of another."""
    database.fill("fetches", [fetch("sleep", 10, "landed", 1)])
    database.fill("fetches", [fetch("sleep", day, "empty", username="ben") for day in (20, 21)])
    assert database.query(
        "SELECT username, day, status FROM oura.coverage WHERE document_type = 'sleep' ORDER BY ALL"
    ) == [
        ("ada", "2026-01-10", "landed"),
        ("ben", "2026-01-20", "empty"),
        ("ben", "2026-01-21", "empty"),
    ]


def test_a_snapshot_has_no_days_to_miss(database: ViewDatabase) -> None:
    """Asking for the profile today does not say that days since the last sleep were forgotten."""
    database.fill(
        "fetches", [fetch("sleep", 10, "landed", 1), fetch("personal_info", 25, "landed", 1)]
    )
    assert database.query(
        "SELECT max(day), count(*) FROM oura.coverage WHERE document_type = 'sleep'"
    ) == [("2026-01-10", 1)]
