"""Several documents with one key in one answer: which one lands, and what is said of the others."""

from __future__ import annotations

import json

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    HEARTRATE,
    SLEEP,
    DocumentType,
)
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    RawDocument,
    all_documents,
    beat,
    january,
    land,
    night,
    raw_document,
    score,
)

pytestmark = pytest.mark.usefixtures("kept_open")

DAY = "its day came twice in one answer; the one with a score, or the later one, landed"
ID = "it came twice in one answer; the later one landed"


def of_day(name: str, **fields: object) -> RawDocument:
    """A document of 2 January."""
    return raw_document(january(2), id=name, day="2026-01-02", **fields)


@pytest.mark.parametrize(
    ("document_type", "first", "second", "kept"),
    [
        (DAILY_SLEEP, of_day("a", score=70), of_day("b", score=80), "b"),
        (DAILY_SLEEP, of_day("a", score=70), of_day("b", score=None), "a"),
        (DAILY_SLEEP, of_day("a", score=None), of_day("b", score=80), "b"),
        (DAILY_SLEEP, of_day("a"), of_day("b", score=None), "b"),
        (
            DAILY_SPO2,
            of_day("a", spo2_percentage={"average": 97}),
            of_day("b", spo2_percentage=None),
            "a",
        ),
        (DAILY_RESILIENCE, of_day("a", level="solid"), of_day("b", level=None), "a"),
    ],
)
def test_of_two_documents_of_a_day_the_one_with_a_score_lands(
    warehouse: Warehouse,
    document_type: DocumentType,
    first: RawDocument,
    second: RawDocument,
    kept: str,
) -> None:
    """Then the later one; the other one is kept aside, and leaves when it comes no more."""
    for _ in range(2):
        land(warehouse, document_type, {"ada": [first, second]})
        assert [found["id"] for _, _, found in all_documents(warehouse, document_type)] == [kept]
        [aside] = warehouse.quarantined()
        assert (aside.day, aside.id, aside.reason) == (january(2), {"a": "b", "b": "a"}[kept], DAY)
    land(warehouse, document_type, {"ada": [second]})
    assert warehouse.quarantined() == []


def test_of_one_id_twice_the_later_one_lands(warehouse: Warehouse) -> None:
    """Also where the answers are of two people."""
    first, second = night(january(2), time_in_bed=1), night(january(2), time_in_bed=2)
    land(warehouse, SLEEP, {"ada": [first, second], "bob": [second, first]})
    landed = [(name, found["time_in_bed"]) for name, _, found in all_documents(warehouse, SLEEP)]
    assert landed == [("ada", 2), ("bob", 1)]
    assert [
        (one.username, one.id, one.reason, json.loads(one.document)["time_in_bed"])
        for one in warehouse.quarantined()
    ] == [("ada", "night-2026-01-02", ID, 1), ("bob", "night-2026-01-02", ID, 2)]


def test_rows_of_one_instant_and_source_are_one(warehouse: Warehouse) -> None:
    rows = [beat(january(1), "10:00:00", bpm) for bpm in (60, 61, 62)]
    land(warehouse, HEARTRATE, {"ada": rows})
    assert [found["bpm"] for _, _, found in all_documents(warehouse, HEARTRATE)] == [62]
    assert [json.loads(one.document)["bpm"] for one in warehouse.quarantined()] == [60, 61]


def test_the_same_document_twice_is_one_and_nothing_odd(warehouse: Warehouse) -> None:
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(2)), score(january(2))]})
    land(warehouse, HEARTRATE, {"ada": [beat(january(1), "10:00:00")] * 3})
    assert warehouse.quarantined() == []
    assert warehouse.row_counts() == {"daily_sleep": 1, "heartrate": 1}


def test_what_is_outside_of_one_part_of_a_question_is_inside_of_another(
    warehouse: Warehouse,
) -> None:
    """A long question is asked in halves, each of which brings documents of its neighbour."""
    one = score(january(2))
    landing = land(warehouse, DAILY_SLEEP, {"ada": [one]}, outside={"ada": [one]})
    assert (landing.inserted, warehouse.row_counts()) == (1, {"daily_sleep": 1})


def test_repetitions_on_other_days_are_not_mentioned(warehouse: Warehouse) -> None:
    """Their days will tell when they are requested."""
    two = [score(january(9), 70), score(january(9), 80)]
    land(warehouse, DAILY_SLEEP, {"ada": []}, outside={"ada": two})
    assert (warehouse.quarantined(), warehouse.row_counts()) == ([], {"daily_sleep": 0})
