"""Which night follows a tag; rows computed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from oura_pipeline.catalog.document_types import ENHANCED_TAG, SLEEP, TAG
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

NIGHTS = (
    ("n10", "2026-01-10", "2026-01-09T23:00:00+01:00", "2026-01-10T07:00:00+01:00"),
    ("n11", "2026-01-11", "2026-01-11T01:00:00+01:00", "2026-01-11T08:00:00+01:00"),
    ("n14", "2026-01-14", "2026-01-13T22:30:00+01:00", None),
)


def night(name: str, day: str, start: str, end: str | None) -> dict[str, Any]:
    return {
        "id": name,
        "day": day,
        "type": "long_sleep",
        "bedtime_start": start,
        "bedtime_end": end,
        "time_in_bed": 7200 if end is None else 25200,
        "total_sleep_duration": 24000,
        "average_hrv": int(name[1:]),
        "lowest_heart_rate": 50,
    }


def tag(time: str | None, **fields: Any) -> dict[str, Any]:
    day = (time or "2026-01-10")[:10]
    return {"id": f"{time} {fields}", "start_day": day, "start_time": time, **fields}


def old(time: str, *names: str) -> dict[str, Any]:
    return {"id": time, "day": time[:10], "timestamp": time, "text": None, "tags": [*names]}


@pytest.fixture
def nights(database: ViewDatabase) -> ViewDatabase:
    database.land(SLEEP, [night(*one) for one in NIGHTS])
    return database


@pytest.mark.parametrize(
    ("time", "followed"),
    [
        ("2026-01-10T20:00:00+01:00", "n11"),
        # Half an hour before going to bed at one, under the date on which that night ends.
        ("2026-01-11T00:30:00+01:00", "n11"),
        ("2026-01-11T03:00:00+01:00", "n11"),
        ("2026-01-10T06:59:59+01:00", "n10"),
        # On getting up, the night is over.
        ("2026-01-10T07:00:00+01:00", "n11"),
        # Another clock, the same rule: 22:30 in Berlin.
        ("2026-01-09T16:30:00-05:00", "n10"),
        ("2026-01-12T22:30:00+01:00", "n14"),
        # The night that came was not recorded; the next one is more than 24 hours away.
        ("2026-01-12T22:29:59+01:00", None),
        # In bed for 2 hours so far, as far as is known.
        ("2026-01-14T00:29:59+01:00", "n14"),
        ("2026-01-14T00:30:00+01:00", None),
    ],
)
def test_the_night_is_the_first_that_ends_after_the_tag(
    nights: ViewDatabase, time: str, followed: str | None
) -> None:
    """By the moment, not by dates: people go to bed on either side of midnight."""
    nights.land(ENHANCED_TAG, [tag(time, tag_type_code="tag_sleep_alcohol")])
    found = nights.query("SELECT sleep_id FROM oura.tag_nights")
    assert found == ([] if followed is None else [(followed,)])


def test_a_tag_of_both_kinds_and_of_several_moments_is_one_row(nights: ViewDatabase) -> None:
    """The same moment counts once, another one adds to the count."""
    nights.land(
        ENHANCED_TAG,
        [
            tag("2026-01-10T20:00:00+01:00", tag_type_code="tag_sleep_alcohol"),
            tag("2026-01-10T22:00:00+01:00", tag_type_code="tag_sleep_alcohol"),
            tag("2026-01-09T23:30:00+01:00", tag_type_code="tag_sleep_alcohol"),
        ],
    )
    nights.land(TAG, [old("2026-01-10T20:00:00+01:00", "tag_sleep_alcohol")])
    nights.land(TAG, [old("2026-01-10T20:00:00+01:00", "tag_sleep_alcohol")], "ben")
    assert nights.query("FROM oura.tag_nights ORDER BY day") == [
        (
            *("ada", "2026-01-10", "alcohol", 1, "2026-01-09T22:30:00Z", "2026-01-09T23:30:00"),
            *(-0.5, "n10", 400.0, None, None, 10.0, 50.0),
        ),
        (
            *("ada", "2026-01-11", "alcohol", 2, "2026-01-10T19:00:00Z", "2026-01-10T20:00:00"),
            *(5.0, "n11", 400.0, None, None, 11.0, 50.0),
        ),
    ]


def test_names_are_words_and_a_persons_own_stay(nights: ViewDatabase) -> None:
    """Text alone has no name, and what has no time has no night."""
    time = "2026-01-10T20:00:00+01:00"
    nights.land(
        ENHANCED_TAG,
        [
            tag(time, tag_type_code="tag_generic_nocaffeine"),
            tag(time, tag_type_code="tag_generic_late_meal"),
            tag(time, tag_type_code="tag_sauna"),
            tag(time, tag_type_code="custom", custom_name="cold_shower"),
            tag(time, comment="walked"),
            tag(None, tag_type_code="tag_generic_party"),
        ],
    )
    assert nights.query("SELECT tag FROM oura.tag_nights ORDER BY tag") == [
        ("cold_shower",),
        ("late meal",),
        ("no caffeine",),
        ("sauna",),
    ]
