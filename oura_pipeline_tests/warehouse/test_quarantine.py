"""Documents that cannot be landed: what is kept of them, and when they leave."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    HEARTRATE,
    PERSONAL_INFO,
    RING_CONFIGURATION,
    SLEEP,
    DocumentType,
)
from oura_pipeline.warehouse.landing import DayCount
from oura_pipeline.warehouse.quarantine import QuarantinedDocument
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    NOON,
    Odd,
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

LATER = NOON + timedelta(hours=1)
WHY = "bedtime_start: expected `datetime`, got `null`"


def kept(warehouse: Warehouse) -> list[tuple[str, str, date | None, str | None]]:
    """Person, type, day and id of everything in the quarantine."""
    return [(q.username, q.document_type, q.day, q.id) for q in warehouse.quarantined()]


def test_an_unusable_document_may_be_long(warehouse: Warehouse) -> None:
    """Longer than the 32 MB that DuckDB reads where nobody says otherwise."""
    odd = Odd(january(2), "odd", b'{"bedtime_start":"%s"}' % (b"x" * 36_000_000))
    assert land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [odd]}).set_aside == {
        ("ada", january(2)): 1
    }


def test_an_unusable_document_costs_itself(warehouse: Warehouse) -> None:
    odd = Odd(january(2), "odd", b'{"id":"odd","bedtime_start":null}')
    landing = land(
        warehouse, SLEEP, {"ada": [night(january(1))], "bob": []}, unusable={"ada": [odd]}
    )
    assert (landing.inserted, landing.set_aside) == (1, {("ada", january(2)): 1})
    assert warehouse.quarantined() == [
        QuarantinedDocument(
            username="ada",
            document_type="sleep",
            day=january(2),
            id="odd",
            reason=WHY,
            first_seen=NOON,
            last_seen=NOON,
            document='{"id":"odd","bedtime_start":null}',
        )
    ]
    assert warehouse.quarantined(["bob"]) == []
    assert warehouse.quarantined(["ada"], DAILY_SLEEP) == []


def test_seen_again_it_is_one_and_says_since_when(warehouse: Warehouse) -> None:
    for at, raw in ((NOON, b'{"a":1}'), (LATER, b'{"a":2}')):
        land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(january(2), "odd", raw)]}, at=at)
    [found] = warehouse.quarantined()
    assert (found.first_seen, found.last_seen, found.document) == (NOON, LATER, '{"a":2}')


def test_without_id_it_is_the_same_as_long_as_its_text_is(warehouse: Warehouse) -> None:
    one, other = Odd(january(2), None, b'{"a":1}'), Odd(january(2), None, b'{"a":2}')
    land(warehouse, HEARTRATE, {"ada": []}, unusable={"ada": [one, one, other]})
    land(warehouse, HEARTRATE, {"ada": []}, unusable={"ada": [one]}, at=LATER)
    assert [(q.document, q.first_seen) for q in warehouse.quarantined()] == [('{"a":1}', NOON)]


@pytest.mark.parametrize(
    ("documents", "days", "stays"),
    [
        ([], (1, 3), False),
        ([], (2, 2), False),
        ([], (3, 5), True),
        ([night(january(3), id="odd")], (3, 5), False),
        ([night(january(3))], (3, 5), True),
    ],
    ids=["gone", "gone, asked exactly", "not asked", "right on another day", "another one"],
)
def test_it_leaves_when_it_came_right_or_is_gone(
    warehouse: Warehouse, documents: list[RawDocument], days: tuple[int, int], stays: bool
) -> None:
    land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(january(2), "odd")]})
    land(warehouse, SLEEP, {"ada": documents, "bob": []}, days=days)
    assert kept(warehouse) == ([("ada", "sleep", january(2), "odd")] if stays else [])


def test_other_people_and_types_leave_it_alone(warehouse: Warehouse) -> None:
    land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(january(2), "odd")]})
    land(warehouse, SLEEP, {"bob": [night(january(2), id="odd")]})
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(2))]})
    assert kept(warehouse) == [("ada", "sleep", january(2), "odd")]


@pytest.mark.parametrize(
    ("days", "stays"),
    [((1, 3), False), ((2, 3), False), ((1, 4), False), ((2, 2), True), ((3, 5), True)],
)
def test_of_an_unknown_day_it_leaves_when_all_days_it_can_be_of_were_asked(
    warehouse: Warehouse, days: tuple[int, int], stays: bool
) -> None:
    """Asked for 1 to 3, and for 2 to 4, it was brought: a question for 2 to 3 must bring it."""
    for asked in ((1, 3), (2, 4)):
        land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(None, None)]}, days=asked)
    land(warehouse, SLEEP, {"ada": []}, days=days)
    assert kept(warehouse) == ([("ada", "sleep", None, None)] if stays else [])


def test_of_an_unknown_day_questions_may_have_no_day_in_common(warehouse: Warehouse) -> None:
    """Each is asked two days wider than the days it is about."""
    for asked in ((1, 3), (5, 7)):
        land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(None, None)]}, days=asked)
    land(warehouse, SLEEP, {"ada": []}, days=(6, 9))
    assert kept(warehouse) == [("ada", "sleep", None, None)]
    land(warehouse, SLEEP, {"ada": []}, days=(3, 5))
    assert kept(warehouse) == []


def test_a_day_that_becomes_known_is_noted(warehouse: Warehouse) -> None:
    for day in (None, january(3)):
        land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(day, "odd")]})
    land(warehouse, SLEEP, {"ada": []}, days=(1, 2))
    assert kept(warehouse) == [("ada", "sleep", january(3), "odd")]
    land(warehouse, SLEEP, {"ada": []}, days=(3, 3))
    assert kept(warehouse) == []


@pytest.mark.parametrize(
    ("document_type", "good", "odd"),
    [
        (SLEEP, night(january(2), id="odd"), Odd(january(2), "odd")),
        (SLEEP, night(january(2), id="odd"), Odd(None, "odd")),
        (DAILY_SLEEP, score(january(2)), Odd(january(2), None)),
        (DAILY_SLEEP, score(january(2)), Odd(None, "score-2026-01-02")),
        (PERSONAL_INFO, raw_document(january(3), id="x", age=40), Odd(None, None)),
        (RING_CONFIGURATION, raw_document(january(3), id="odd", size=9), Odd(None, "odd")),
    ],
)
def test_an_odd_new_version_does_not_delete_the_last_good_one(
    warehouse: Warehouse, document_type: DocumentType, good: RawDocument, odd: Odd
) -> None:
    """It is not gone; what it said before is the best that is known."""
    land(warehouse, document_type, {"ada": [good], "bob": [good]})
    before = all_documents(warehouse, document_type)
    landing = land(warehouse, document_type, {"ada": [], "bob": []}, unusable={"ada": [odd]})
    assert all_documents(warehouse, document_type) == before[:1]
    assert (landing.deleted, kept(warehouse)) == (
        1,
        [("ada", document_type.name, odd.day, odd.id)],
    )


@pytest.mark.parametrize("raw", [b'{"a":"\xff\x00\n"}', b"7", b"null", b'"a"', b"\xf0\x9f\x92\xa4"])
def test_whatever_came_is_kept(warehouse: Warehouse, raw: bytes) -> None:
    """Bytes that are no UTF-8 as what they are in hexadecimal; nothing of it may end DuckDB."""
    land(warehouse, SLEEP, {"ada": []}, unusable={"ada": [Odd(january(2), None, raw)]})
    [found] = warehouse.quarantined()
    assert found.document == raw.decode(errors="backslashreplace")


@pytest.mark.parametrize("raw", [b'{"day":"2026-01-02"}', b'{"id":null}', b"[]", b"null", b"{"])
def test_what_duckdb_alone_cannot_use_is_set_aside_as_well(
    warehouse: Warehouse, raw: bytes
) -> None:
    """It may read a time or a number otherwise than we do."""
    documents = {"ada": [night(january(1))], "bob": [RawDocument(january(2), raw)]}
    landing = land(warehouse, SLEEP, documents)
    assert [name for name, _, _ in all_documents(warehouse, SLEEP)] == ["ada"]
    assert kept(warehouse) == [("bob", "sleep", january(2), None)]
    assert {one.reason for one in warehouse.quarantined()} <= {
        "no object, or no usable id",
        "it is not JSON",
    }
    assert landing.set_aside == {("bob", january(2)): 1}


def test_what_has_no_key_is_set_aside_where_it_may_be_of_a_requested_day(
    warehouse: Warehouse,
) -> None:
    """Rows without a day of their own may; what is of another day will be told with that."""
    night_without_id = raw_document(january(9), day="2026-01-09")
    beat_without_source = raw_document(january(9), timestamp="2026-01-09T11:00:00Z", bpm=60)
    land(warehouse, SLEEP, {"ada": []}, outside={"ada": [night_without_id]})
    land(warehouse, HEARTRATE, {"ada": [beat_without_source]})
    assert kept(warehouse) == [("ada", "heartrate", january(9), None)]


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"text"', b"null"])
def test_what_is_no_object_is_no_document(warehouse: Warehouse, raw: bytes) -> None:
    """Also where the day alone is the key."""
    land(warehouse, DAILY_SLEEP, {"ada": [RawDocument(january(1), raw), score(january(2))]})
    assert [day for _, day, _ in all_documents(warehouse, DAILY_SLEEP)] == [january(2)]
    assert kept(warehouse) == [("ada", "daily_sleep", january(1), None)]
    assert warehouse.quarantined()[0].reason == "no object"


def test_a_row_without_source_costs_itself(warehouse: Warehouse) -> None:
    """It says neither which measurement it is nor what else was measured at the instant."""
    rows = [beat(january(1), f"10:{minute:02}:00") for minute in range(60)]
    odd = raw_document(january(1), timestamp="2026-01-01T11:00:00+00:00", bpm=60, source=None)
    assert land(warehouse, HEARTRATE, {"ada": [*rows, odd]}).inserted == 60
    assert kept(warehouse) == [("ada", "heartrate", january(1), None)]


def test_days_without_an_answer_stay_as_they_are(warehouse: Warehouse) -> None:
    """Also where an unusable document may have come right, and where a document moved away."""
    land(
        warehouse,
        SLEEP,
        {"ada": [night(january(day), id=f"n{day}") for day in (1, 2, 3)]},
        unusable={"ada": [Odd(january(2), "odd")]},
    )
    landing = land(
        warehouse,
        SLEEP,
        {"ada": [night(january(2), id="new"), night(january(3), id="n3", type="rest")]},
        unanswered=[("ada", january(2))],
    )
    assert [found["id"] for _, _, found in all_documents(warehouse, SLEEP)] == ["n2", "n3"]
    assert landing.days == {
        ("ada", january(1)): DayCount(0, 1),
        ("ada", january(2)): DayCount(1, 0),
        ("ada", january(3)): DayCount(1, 1),
    }
    assert kept(warehouse) == [("ada", "sleep", january(2), "odd")]


def test_who_leaves_takes_it_along(warehouse: Warehouse) -> None:
    secret = Odd(january(2), "odd", b'{"id":"odd","comment":"a secret"}')
    land(warehouse, SLEEP, {"ada": [], "bob": []}, unusable={"ada": [secret], "bob": [secret]})
    warehouse.forget("ada")
    assert [q.username for q in warehouse.quarantined()] == ["bob"]
    warehouse.forget("bob")
    assert b"a secret" not in warehouse.path.read_bytes()


def test_a_discarded_answer_is_not_set_aside(warehouse: Warehouse) -> None:
    with warehouse.spool(SLEEP) as spool:
        spool.set_aside("ada", [Odd(january(2), "odd")])
        spool.discard("ada")
        spool.set_aside("ada", [Odd(january(2), "odd")])
        assert spool.unusable_files(["ada"]) == []
        assert list(spool.folder.glob("*.unusable")) == []
