"""What the table does not know, what Graphite cannot store, what nobody can understand."""

from __future__ import annotations

import json
from datetime import date

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_READINESS,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    DAILY_STRESS,
    DOCUMENT_TYPES,
    HEARTRATE,
    SLEEP,
    WORKOUT,
    get_document_type,
)
from oura_pipeline.catalog.parts import StoredDocument
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline_tests.graphite.flattening import (
    Document,
    flattened,
    readable,
    sent,
    series,
    skipped,
    sleep,
)
from oura_pipeline_tests.testing.paths import EXAMPLES


def test_unknown_numbers_are_sent() -> None:
    """Wherever they are, in lower case, contributors as `contrib`, a series by its minutes."""
    document = {
        "id": 5,
        "ring_id": 7,
        "timestamp_unix": 8,
        "interval": 9,
        "score": 73,
        "Brand_New": 5,
        "flag": True,
        "text": "12",
        "nested": {"Deep": {"value": -0.5, "day_tz": 3}, "contributors": {"x": 1}},
        "wave": series("2026-05-01T23:00:30+00:00", 20.0, [1, 2, None, 7, 8]),
        "slow": series("2026-05-01T23:00:30+00:00", 600, [1, 2]) | {"gain": 3},
    }
    assert sent(DAILY_SLEEP, ("2026-05-02", document)) == {
        "2026-05-02": {
            "sleep.brand_new": [("05-02 00:00", 5)],
            "sleep.nested.contrib.x": [("05-02 00:00", 1)],
            "sleep.nested.deep.value": [("05-02 00:00", -0.5)],
            "sleep.score": [("05-02 00:00", 73)],
            "sleep.slow": [("05-01 23:00", 1), ("05-01 23:10", 2)],
            "sleep.slow.gain": [("05-02 00:00", 3)],
            "sleep.wave": [("05-01 23:00", 1.5), ("05-01 23:01", 7.5)],
        }
    }


def test_unknown_numbers_of_an_event_stand_at_its_time_and_become_their_mean() -> None:
    """Also those of a tag, whose count stands at its day."""
    rows = [
        {"timestamp": "2026-05-01T12:31:21+00:00", "source": "live", "quality": quality}
        for quality in (1, 2)
    ]
    assert sent(HEARTRATE, *(("2026-05-01", row) for row in rows)) == {
        "2026-05-01": {
            "hr.live.quality": [("05-01 12:31", 1.5)],
            "hr.quality": [("05-01 12:31", 1.5)],
        }
    }
    tag = {"id": "a", "timestamp": "2026-05-01T12:31:21+00:00", "dose": 2, "count": 9}
    result = flattened(get_document_type("tag"), ("2026-05-01", tag))
    assert readable(result) == {
        "2026-05-01": {"tag.count": [("05-01 00:00", 1)], "tag.dose": [("05-01 12:31", 2)]}
    }
    assert skipped(result) == {"name that is taken: count": 1}


def test_an_unknown_number_never_takes_the_name_of_another_types_metric() -> None:
    """`daily_sleep` and `sleep` share a series; naps have their own."""
    night = sleep(
        "long_sleep",
        15000,
        "2026-05-02T01:00:00+02:00",
        score=1,
        contributors={"timing": 2, "new": 3},
    )
    nap = sleep("sleep", 900, "2026-05-02T13:00:00+02:00", "b", score=4)
    result = flattened(SLEEP, ("2026-05-02", night), ("2026-05-02", nap))
    assert readable(result) == {
        "2026-05-02": {
            "nap.score": [("05-02 11:00", 4)],
            "nap.time_in_bed": [("05-02 11:00", 900)],
            "sleep.contrib.new": [("05-02 00:00", 3)],
            "sleep.time_in_bed": [("05-02 00:00", 15000)],
        }
    }
    assert skipped(result) == {
        "name that is taken: contributors.timing": 1,
        "name that is taken: score": 1,
    }
    day = {"score": 70, "efficiency": 5, "readiness": {"score": 6}, "heart_rate": 7}
    result = flattened(DAILY_SLEEP, ("2026-05-02", day))
    assert readable(result) == {"2026-05-02": {"sleep.score": [("05-02 00:00", 70)]}}
    assert skipped(result) == {
        "name that is taken: efficiency": 1,
        "name that is taken: heart_rate": 1,
        "name that is taken: readiness.score": 1,
    }


def test_an_unknown_number_never_takes_the_name_of_a_source() -> None:
    """`hr.awake.bpm` belongs to the rows whose source is awake."""
    row = {"timestamp": "2026-05-01T12:31:21+00:00", "source": "rest", "awake": {"bpm": 5}}
    result = flattened(HEARTRATE, ("2026-05-01", row))
    assert readable(result) == {"2026-05-01": {}}
    assert skipped(result) == {"name that is taken: awake.bpm": 1}


def test_two_paths_of_one_name_are_not_mixed() -> None:
    """The known one wins, then the one that is spelt like its name."""
    document = {"score": 73, "SCORE": 1, "Rest": 2, "rest": 3, "FOO": 4, "Foo": 5}
    result = flattened(DAILY_READINESS, ("2026-05-02", document))
    assert readable(result) == {
        "2026-05-02": {
            "readiness.foo": [("05-02 00:00", 4)],
            "readiness.rest": [("05-02 00:00", 3)],
            "readiness.score": [("05-02 00:00", 73)],
        }
    }
    assert skipped(result) == {
        "name that is taken: Foo": 1,
        "name that is taken: Rest": 1,
        "name that is taken: SCORE": 1,
    }


def test_names_that_graphite_cannot_store_are_reported() -> None:
    """Dots, spaces, umlauts, nothing at all, far too long."""
    bad = ["a.b", "a b", "größe", "", "x" * 101, "a/b", "{a}"]
    result = flattened(DAILY_READINESS, ("2026-05-02", dict.fromkeys(bad, 1)))
    assert readable(result) == {"2026-05-02": {}}
    assert skipped(result) == {f"name that Graphite cannot store: {name}": 1 for name in bad}


def test_a_source_that_graphite_cannot_store_still_has_its_heart_rate() -> None:
    """Only the sub-series is missing."""
    row = {"timestamp": "2026-05-01T12:31:21+00:00", "bpm": 60, "source": "third party.x"}
    result = flattened(HEARTRATE, ("2026-05-01", row))
    assert readable(result) == {"2026-05-01": {"hr.bpm": [("05-01 12:31", 60)]}}
    assert skipped(result) == {"name that Graphite cannot store: source": 1}


@pytest.mark.parametrize(
    ("document_type", "document", "report"),
    [
        (DAILY_STRESS, {"day_summary": "calm"}, "unknown code: day_summary"),
        (DAILY_RESILIENCE, {"level": 3}, "unknown code: level"),
        (DAILY_ACTIVITY, {"met": [1, 2]}, "no series: met"),
        (DAILY_ACTIVITY, {"met": 5}, "no series: met"),
        (
            DAILY_ACTIVITY,
            {"met": {"interval": 60, "items": [1]}},
            "series without an instant: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00", 60, [1])},
            "series without an instant: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00Z", 0, [1])},
            "series without a positive interval: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00Z", -60, [1])},
            "series without a positive interval: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00Z", True, [1])},
            "series without a positive interval: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00Z", 1e15, [1])},
            "series without a positive interval: met",
        ),
        (
            DAILY_ACTIVITY,
            {"met": series("2026-05-01T04:00:00Z", 6e9, [1, 2, 3])},
            "series beyond the end of time: met",
        ),
        (
            DAILY_ACTIVITY,
            {"wave": {"interval": 60, "items": [1]}},
            "series without an instant: wave",
        ),
        (DAILY_SLEEP, {"score": [1]}, "list that is no series: score"),
        (DAILY_SLEEP, {"deltas": [{"a": 1}]}, "list that is no series: deltas"),
        (DAILY_SLEEP, {"contributors": [1]}, "list that is no series: contributors"),
        (
            DAILY_SPO2,
            {"spo2_percentage": {"average": float("inf")}},
            "no finite number: spo2_percentage.average",
        ),
        (HEARTRATE, {"bpm": 60, "source": "rest"}, "no instant: timestamp"),
        (HEARTRATE, {"bpm": 60, "timestamp": "2026-05-01T04:00:00"}, "no instant: timestamp"),
        (
            WORKOUT,
            {
                "start_datetime": "2026-05-01T04:00:00Z",
                "end_datetime": "2026-05-01T03:00:00Z",
            },
            "end before the start: end_datetime",
        ),
    ],
)
def test_what_cannot_be_understood_is_reported_and_not_sent(
    document_type: object, document: Document, report: str
) -> None:
    """By reason and path, without the value."""
    result = flattened(document_type, ("2026-05-01", document))  # type: ignore[arg-type]
    assert readable(result) == {"2026-05-01": {}}
    assert skipped(result) == {report: 1}


def test_bad_items_of_a_series_are_left_out() -> None:
    """The others stay where they are."""
    items = [1, "two", True, {"a": 1}, None, 5]
    document = {"met": series("2026-05-01T04:00:00Z", 60, items), "class_5_min": "0x3²"}
    day = {"timestamp": "2026-05-01T04:00:00Z", **document}
    result = flattened(DAILY_ACTIVITY, ("2026-05-01", day))
    assert readable(result) == {
        "2026-05-01": {
            "activity.class_5_min": [("05-01 04:00", 0), ("05-01 04:10", 3)],
            "activity.met": [("05-01 04:00", 1), ("05-01 04:05", 5)],
        }
    }
    assert skipped(result) == {"no digit: class_5_min": 1, "no finite number: met": 1}


def test_numbers_of_any_size() -> None:
    """Carbon stores doubles: a larger integer is the nearest, one beyond them is reported."""
    raw = b'{"big": 123456789012345678901, "huge": 1' + b"0" * 400 + b', "inf": 1e400, "small": 5}'
    result = flatten(
        DAILY_SLEEP,
        "ada",
        [StoredDocument(date(2026, 5, 1), raw)],
        first_day=date(2026, 5, 1),
        last_day=date(2026, 5, 1),
    )
    assert readable(result) == {
        "2026-05-01": {
            "sleep.big": [("05-01 00:00", 1.2345678901234568e20)],
            "sleep.small": [("05-01 00:00", 5)],
        }
    }
    assert skipped(result) == {"no finite number: huge": 1, "no finite number: inf": 1}


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b"\xff"])
def test_a_document_that_is_none_is_reported(raw: bytes) -> None:
    """The others of the day are sent."""
    day = date(2026, 5, 1)
    documents = [StoredDocument(day, raw), StoredDocument(day, b'{"score": 5}')]
    result = flatten(DAILY_SLEEP, "ada", documents, first_day=day, last_day=day)
    assert readable(result) == {"2026-05-01": {"sleep.score": [("05-01 00:00", 5)]}}
    assert list(skipped(result).values()) == [1]


def test_what_is_wrong_with_a_neighbour_is_not_reported() -> None:
    """It is reported on its own day."""
    result = flattened(
        DAILY_STRESS,
        ("2026-05-01", {"day_summary": "calm"}),
        ("2026-05-02", {"day_summary": "calm"}),
        days=("2026-05-02", "2026-05-02"),
    )
    assert skipped(result) == {"unknown code: day_summary": 1}


def test_a_username_must_be_a_name_in_graphite() -> None:
    """It would become two levels of the tree."""
    with pytest.raises(ValueError, match="cannot be a name in Graphite"):
        flatten(DAILY_SLEEP, "a.b", [], first_day=date(2026, 5, 1), last_day=date(2026, 5, 1))


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_every_recorded_example_becomes_points(document_type: object) -> None:
    """Nothing in a document of recorded shape is misunderstood."""
    found = [
        path
        for path in sorted(EXAMPLES.glob("*.json"))
        if path.name.removeprefix("western.").split(".")[0] == document_type.name  # type: ignore[attr-defined]
    ]
    assert found
    for path in found:
        answer = json.loads(path.read_text(encoding="utf-8"))
        documents = answer.get("data", [answer])
        days = [
            (one.get(document_type.day_field or "") or "2026-05-01", one)  # type: ignore[attr-defined]
            for one in documents
        ]
        result = flattened(document_type, *days)  # type: ignore[arg-type]
        assert skipped(result) == {}
