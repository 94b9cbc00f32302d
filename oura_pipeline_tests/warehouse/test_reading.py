"""Several people's documents with one look into the warehouse."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE, SLEEP
from oura_pipeline.catalog.parts import Part
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    RawDocument,
    beat,
    january,
    land,
    night,
    score,
)


def test_several_people_are_read_at_once(warehouse: Warehouse) -> None:
    """Everybody asked for is in the answer, nobody else, each with the asked days in order."""
    first, second, third = (score(january(day), 70 + day) for day in (1, 2, 3))
    other = score(january(2), 90)
    land(
        warehouse,
        DAILY_SLEEP,
        {"ada": [third, second, first], "bob": [other], "cleo": [first], "dan": []},
    )
    found = warehouse.documents_of(DAILY_SLEEP, ["bob", "ada", "dan"], january(2), january(3))
    assert found == {
        "ada": [(january(2), second.raw, None), (january(3), third.raw, None)],
        "bob": [(january(2), other.raw, None)],
        "dan": [],
    }


def test_a_person_named_twice_is_read_once(warehouse: Warehouse) -> None:
    document = score(january(1))
    land(warehouse, DAILY_SLEEP, {"ada": [document]})
    assert warehouse.documents_of(DAILY_SLEEP, ["ada", "ada"], january(1), january(1)) == {
        "ada": [(january(1), document.raw, None)]
    }


def test_nobody_has_documents_where_nothing_landed(warehouse: Warehouse) -> None:
    """Neither without a file nor without a table of the type."""
    assert warehouse.documents_of(DAILY_SLEEP, ["ada"], january(1), january(1)) == {"ada": []}
    land(warehouse, SLEEP, {"ada": []})
    assert warehouse.documents_of(DAILY_SLEEP, ["ada"], january(1), january(1)) == {"ada": []}


def test_the_days_of_a_document_are_found_by_its_id(warehouse: Warehouse) -> None:
    """Under whatever days it stands, of the people asked about and of nobody else."""
    same = [night(january(day), id="night") for day in (1, 3)]
    land(warehouse, SLEEP, {"ada": [same[0], night(january(2))], "bob": [same[1]]})
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(2))], "bob": [score(january(2))]})
    found = warehouse.days_of(SLEEP, usernames=["ada", "bob"], ids=["night", "other"])
    assert found == {("ada", "night"): {january(1)}, ("bob", "night"): {january(3)}}
    identifier = f"score-{january(2)}"
    assert warehouse.days_of(DAILY_SLEEP, usernames=["bob"], ids=[identifier]) == {
        ("bob", identifier): {january(2)}
    }


def test_what_never_landed_or_has_no_id_has_no_days(warehouse: Warehouse) -> None:
    """Neither a type without a table nor one whose rows have no id is an error."""
    assert warehouse.days_of(SLEEP, usernames=["ada"], ids=["night"]) == {}
    land(warehouse, HEARTRATE, {"ada": [beat(january(1), "12:00:00")]})
    assert warehouse.days_of(HEARTRATE, usernames=["ada"], ids=["night"]) == {}


def test_chosen_days_are_read_by_person_and_day(warehouse: Warehouse) -> None:
    """Each day once, its documents by key, as received; nobody else's and no other day."""
    rows = [beat(january(1), f"0{hour}:00:00", source="ä\n") for hour in (2, 1)]
    land(warehouse, HEARTRATE, {"ada": [*rows, beat(january(2), "01:00:00")], "bob": rows})
    chosen = [("ada", january(1)), ("bob", january(2)), ("ada", january(1)), ("cleo", january(1))]
    [(key, stored)] = warehouse.stored_days(HEARTRATE, chosen).items()
    assert (key, stored.raws, stored.parts) == (
        ("ada", january(1)),
        [row.raw for row in reversed(rows)],
        [None, None],
    )
    assert warehouse.day_digests(HEARTRATE, chosen) == {
        ("ada", january(1)): (sum(len(row.raw) for row in rows), stored.digest)
    }
    assert warehouse.day_digests(HEARTRATE, []) == warehouse.stored_days(SLEEP, chosen) == {}


def test_a_digest_changes_with_a_document_and_its_part(warehouse: Warehouse) -> None:
    """Not with the documents of other days, unless these take its part."""
    short, other = night(january(1), id="short"), night(january(3))
    chosen = [("ada", january(1))]

    def digest_with(*documents: RawDocument) -> tuple[str, list[Part | None]]:
        land(warehouse, SLEEP, {"ada": [*documents]})
        [stored] = warehouse.stored_days(SLEEP, chosen).values()
        return stored.digest, list(stored.parts)

    alone, parts = digest_with(short)
    assert parts == [Part.MAIN]
    assert digest_with(short, other) == (alone, [Part.MAIN])
    longer = night(january(2), bedtime_start="2025-12-31T23:00:00+01:00", total_sleep_duration=9000)
    beside, parts = digest_with(short, longer)
    assert (beside != alone, parts) == (True, [None])
    assert digest_with(night(january(1), id="short", average_hrv=40))[0] != alone
