"""Values that no column can hold and words that nobody knows: what is noted, and until when."""

from __future__ import annotations

import duckdb
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_STRESS,
    HEARTRATE,
    PERSONAL_INFO,
    SLEEP,
    DocumentType,
)
from oura_pipeline.warehouse.connection import ONE_CORE, SETTINGS
from oura_pipeline.warehouse.odd_values import NOT_IN_TIME, NOT_OF_ITS_KIND, UNKNOWN_WORD
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import (
    RawDocument,
    beat,
    january,
    land,
    night,
    raw_document,
    score,
)

pytestmark = pytest.mark.usefixtures("kept_open")

SERIES = {"interval": 300.0, "items": [None, 40], "timestamp": "2026-01-01T23:00:00+01:00"}
NO_TIME = {"timestamp": None}


def noted(warehouse: Warehouse) -> list[str]:
    """Whose, and what."""
    return [f"{one.username}: {one.text}" for one in warehouse.odd_values()]


@pytest.mark.parametrize(
    ("document_type", "document", "text"),
    [
        (DAILY_SLEEP, score(january(1), timestamp="soon"), f"timestamp: {NOT_OF_ITS_KIND}"),
        (
            DAILY_SLEEP,
            score(january(1), contributors={"timing": "many"}),
            f"contributors.timing: {NOT_OF_ITS_KIND}",
        ),
        (SLEEP, night(january(1), type="siesta"), f"type: {UNKNOWN_WORD}"),
        (SLEEP, night(january(1), type=["sleep"]), f"type: {NOT_OF_ITS_KIND}"),
        (
            DAILY_RESILIENCE,
            raw_document(january(1), day="2026-01-01", level="Solid"),
            f"level: {UNKNOWN_WORD}",
        ),
        (
            DAILY_STRESS,
            raw_document(january(1), day="2026-01-01", day_summary=""),
            f"day_summary: {UNKNOWN_WORD}",
        ),
        (HEARTRATE, beat(january(1), "10:00:00", source="dream"), f"source: {UNKNOWN_WORD}"),
        *(
            (SLEEP, night(january(1), hrv=SERIES | part), f"hrv: {NOT_IN_TIME}")
            for part in ({"interval": 0}, {"interval": 1e-300}, {"interval": None}, NO_TIME)
        ),
        (PERSONAL_INFO, raw_document(january(1), id="x", age="old"), f"age: {NOT_OF_ITS_KIND}"),
    ],
)
def test_what_is_odd_is_noted_with_its_document(
    warehouse: Warehouse, document_type: DocumentType, document: RawDocument, text: str
) -> None:
    land(warehouse, document_type, {"ada": [document], "bob": []})
    [line] = noted(warehouse)
    assert line.startswith(f"ada: {document_type.name} of 2026-01-01")
    assert line.endswith(f": {text}")
    land(warehouse, document_type, {"ada": [document]})
    assert noted(warehouse) == [line]


def test_it_is_forgotten_when_the_day_comes_without_it(warehouse: Warehouse) -> None:
    odd, right = score(january(2), timestamp="soon"), score(january(2))
    line = f"daily_sleep of 2026-01-02 (id score-2026-01-02): timestamp: {NOT_OF_ITS_KIND}"
    land(warehouse, DAILY_SLEEP, {"ada": [odd], "bob": [odd]})
    land(warehouse, DAILY_SLEEP, {"ada": [right]}, days=(3, 4))
    land(warehouse, DAILY_SLEEP, {"ada": [right]}, unanswered=[("ada", january(2))])
    land(warehouse, SLEEP, {"ada": [night(january(2))]})
    assert noted(warehouse) == [f"ada: {line}", f"bob: {line}"]
    land(warehouse, DAILY_SLEEP, {"ada": [right]}, days=(2, 2))
    assert noted(warehouse) == [f"bob: {line}"]
    warehouse.forget("bob")
    assert noted(warehouse) == []


def test_what_landed_before_anybody_noted_it_is_noted_when_it_comes_again(
    warehouse: Warehouse,
) -> None:
    """Though nothing of it changed."""
    for _ in range(2):
        land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), timestamp="soon")]})
        assert len(noted(warehouse)) == 1
        with duckdb.connect(warehouse.path, config=SETTINGS | ONE_CORE) as connection:
            connection.execute("DELETE FROM oura.odd_values")


def test_what_was_expected_is_not_noted(warehouse: Warehouse) -> None:
    """All words that are known, null, numbers as texts, decimals."""
    sources = ("awake", "workout", "rest", "sleep", "live", "session")
    rows = [beat(january(1), f"10:00:0{n}", source=name) for n, name in enumerate(sources)]
    land(warehouse, HEARTRATE, {"ada": rows})
    kinds = ("long_sleep", "sleep", "late_nap", "rest", "deleted", None)
    nights = [night(january(1), id=f"{kind}", type=kind) for kind in kinds]
    land(warehouse, SLEEP, {"ada": nights})
    land(warehouse, DAILY_SLEEP, {"ada": [score(january(1), 80.5, contributors={"timing": "7"})]})  # type: ignore[arg-type]
    assert noted(warehouse) == []
