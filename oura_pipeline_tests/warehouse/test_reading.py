"""Several people's documents with one look into the warehouse."""

from __future__ import annotations

from oura_pipeline.documents import DAILY_SLEEP, SLEEP
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.making import january, landed, score


def test_several_people_are_read_at_once(warehouse: Warehouse) -> None:
    """Everybody asked for is in the answer, nobody else, each with the asked days in order."""
    first, second, third = (score(january(day), 70 + day) for day in (1, 2, 3))
    other = score(january(2), 90)
    landed(
        warehouse,
        DAILY_SLEEP,
        {"ada": [third, second, first], "bob": [other], "cleo": [first], "dan": []},
    )
    found = warehouse.documents_of(DAILY_SLEEP, ["bob", "ada", "dan"], january(2), january(3))
    assert found == {
        "ada": [(january(2), second.raw), (january(3), third.raw)],
        "bob": [(january(2), other.raw)],
        "dan": [],
    }


def test_a_person_named_twice_is_read_once(warehouse: Warehouse) -> None:
    document = score(january(1))
    landed(warehouse, DAILY_SLEEP, {"ada": [document]})
    assert warehouse.documents_of(DAILY_SLEEP, ["ada", "ada"], january(1), january(1)) == {
        "ada": [(january(1), document.raw)]
    }


def test_nobody_has_documents_where_nothing_landed(warehouse: Warehouse) -> None:
    """Neither without a file nor without a table of the type."""
    assert warehouse.documents_of(DAILY_SLEEP, ["ada"], january(1), january(1)) == {"ada": []}
    landed(warehouse, SLEEP, {"ada": []})
    assert warehouse.documents_of(DAILY_SLEEP, ["ada"], january(1), january(1)) == {"ada": []}
