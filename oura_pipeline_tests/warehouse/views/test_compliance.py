"""Who wears the ring in a study; counted by hand."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, SLEEP
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

NIGHTS = [
    {
        "id": f"s{day}",
        "day": f"2026-03-0{day}",
        "type": "long_sleep",
        "bedtime_start": f"2026-03-0{day}T00:10:00+00:00",
        "bedtime_end": f"2026-03-0{day}T07:10:00+00:00",
        "time_in_bed": 25_200,
        "total_sleep_duration": 24_000,
    }
    for day in (1, 2, 3)
]


def test_days_are_counted_from_the_first_to_the_newest_and_gaps_by_nights(
    database: ViewDatabase,
) -> None:
    """Ada sleeps on the 2nd and 3rd and is quiet after it; Cid left; Dot ended; Eve signed out."""
    database.land(SLEEP, NIGHTS, "ada")
    worn = {"id": "a4", "day": "2026-03-04", "class_5_min": "0" * 287 + "1"}
    not_worn = {"id": "a5", "day": "2026-03-05", "class_5_min": "0" * 288}
    database.land(DAILY_ACTIVITY, [worn, not_worn], "ada")
    database.fill(
        "fetches",
        [
            *(
                {"username": "ada", "document_type": "sleep", "day": day, "documents": documents}
                for day, documents in (("2026-03-02", 1), ("2026-03-03", 1), ("2026-03-07", 0))
            ),
            {"username": "ada", "document_type": "tag", "day": "2026-03-03", "documents": 2},
        ],
    )
    brought = {"username": "ada", "document_type": "sleep", "documents": 1}
    database.fill("brought", [{**brought, "day": day} for day in ("2026-03-03", "2026-03-04")])
    first = {"study": "nap", "first_day": "2026-03-02", "state": "connected"}
    database.fill(
        "participants",
        [
            {**first, "username": "ada", "code": "A"},
            {**first, "username": "cid", "code": "C", "withdrawn_on": "2026-03-04"},
            {**first, "username": "dot", "code": "D", "last_day": "2026-03-06"},
            {**first, "username": "eve", "code": "E", "state": "sign_in_required"},
            {**first, "username": "fay", "code": "F", "first_day": "2026-03-06"},
            {**first, "username": "gus", "code": "G", "first_day": "2026-03-08"},
        ],
    )
    rows = database.query("SELECT * EXCLUDE (study, arm, username) FROM oura.compliance ORDER BY 1")
    assert rows == [
        ("A", 6, 3, 3, 2, 4, "2026-03-03", "no night for 4 days"),
        ("C", 2, 0, 0, 0, 2, None, None),
        ("D", 5, 0, 0, 0, 5, None, None),
        ("E", 6, 0, 0, 0, 6, None, "has to sign in again"),
        ("F", 2, 0, 0, 0, 2, None, None),
        ("G", 0, 0, 0, 0, 0, None, None),
    ]
