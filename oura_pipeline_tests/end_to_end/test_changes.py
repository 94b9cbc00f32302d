"""Running again changes nothing; what Oura changed, and only that, changes here."""

from __future__ import annotations

import json
from datetime import date, timedelta

import dagster as dg

from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    HEARTRATE,
    SLEEP,
    WORKOUT,
)
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.world import World, metadata, reported

FIRST = LAST - timedelta(days=6)
TYPES = [document_type.name for document_type in DOCUMENT_TYPES]


def changed(result: object) -> dict[tuple[str, str], int]:
    """Changed rows per document type and day, where there are any."""
    return {
        (name, day): count
        for name in TYPES
        for day, count in metadata(result, ["oura", name], "changed_rows").items()  # type: ignore[arg-type]
        if count
    }


def snapshot(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, as a query sees it."""
    return {
        document_type.name: world.warehouse.query(
            f"SELECT * FROM oura.{document_type.table} ORDER BY ALL"
        )
        for document_type in DOCUMENT_TYPES
    }


def test_running_twice_leaves_one_copy_and_no_change(own_world: World) -> None:
    """The same rows, also the same `fetched_at`, and 0 changed on every day."""
    own_world.sign_in("runa")
    own_world.sign_in("sione")
    own_world.fetch(FIRST, LAST)
    before = snapshot(own_world)
    again = own_world.fetch(FIRST, LAST)
    assert [row for result in again.values() for row in result.fetches if row.changed] == []
    assert sum(row.documents for result in again.values() for row in result.fetches) > 500
    assert snapshot(own_world) == before


def test_a_rerun_shows_exactly_what_oura_changed(own_world: World) -> None:
    """What was revised or deleted is counted on its day, and everything stands as Oura has it."""
    cloud, name = own_world.sandbox, "runa"
    types = ["daily_sleep", "sleep", "workout", "heartrate", "daily_activity"]
    own_world.sign_in(name)
    own_world.fetch(FIRST, LAST, types=types)
    day = LAST - timedelta(days=3)
    sleep = own_world.truth(name, SLEEP, day, day)
    workout = own_world.truth(name, WORKOUT, FIRST, LAST)[0]
    beat = own_world.truth(name, HEARTRATE, day, day)[10]
    cloud.revise(name, "daily_sleep", day=day, fields={"score": 12}, new_id="another-id")
    cloud.delete(name, "sleep", id=sleep[0][1]["id"])
    cloud.delete(name, "workout", id=workout[1]["id"])
    cloud.revise(name, "heartrate", timestamp=beat[1]["timestamp"], fields={"bpm": 99})
    result = own_world.run(FIRST, LAST, types=types)
    assert changed(result) == {
        ("daily_sleep", str(day)): 1,
        ("sleep", str(day)): 1,
        ("workout", workout[0]): 1,
        ("heartrate", str(day)): 1,
    }
    for row in (DAILY_SLEEP, SLEEP, WORKOUT, HEARTRATE):
        assert own_world.landed(name, row) == own_world.truth(name, row, FIRST, LAST)


def test_a_bedtime_edit_that_moves_a_night_moves_its_row(own_world: World) -> None:
    """Asked for one day only, the document still stands once, under its new day."""
    cloud, name = own_world.sandbox, "koa"
    own_world.sign_in(name)
    day = LAST - timedelta(days=5)
    own_world.fetch(day, day, types=["sleep"])
    [(_, night)] = own_world.truth(name, SLEEP, day, day)
    next_day = (day + timedelta(days=1)).isoformat()
    cloud.revise(name, "sleep", id=night["id"], fields={"day": next_day})
    own_world.fetch(day, day, types=["sleep"])
    rows = own_world.warehouse.query("SELECT day, id FROM oura.sleep")
    assert rows == [(date.fromisoformat(next_day), night["id"])]


def test_a_field_of_tomorrow_is_kept_reported_and_sent(own_world: World) -> None:
    """Unknown numbers stay in the JSON, redden a check, and reach Graphite's file."""
    cloud, name = own_world.sandbox, "koa"
    own_world.sign_in(name)
    day = LAST - timedelta(days=2)
    cloud.revise(name, "daily_readiness", day=day, fields={"calmness": 17})
    result = own_world.run(day, day, types=["daily_readiness"])
    [check] = [
        event.metadata["unknown_fields"].value
        for event in reported(result)
        if isinstance(event, dg.AssetCheckEvaluation) and not event.passed
    ]
    assert check == ["calmness"]
    [(document,)] = own_world.warehouse.query("SELECT document FROM oura.daily_readiness")
    assert json.loads(document)["calmness"] == 17
    lines = (own_world.home / "graphite.log").read_text(encoding="utf-8")
    assert "bio.koa.readiness.calmness 17 " in lines
