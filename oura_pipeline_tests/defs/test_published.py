"""A copy is published when there is something new and nobody is landing."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.defs.published import LastCopy, last_copy, publish_request, published
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.oura.pages import Document
from oura_pipeline.warehouse.warehouse import Warehouse

DAY = date(2026, 1, 2)


@pytest.fixture
def warehouse(empty_home: Path, tmp_path: Path) -> Warehouse:
    """A warehouse with one document in it."""
    made = Warehouse(Path(shutil.copy(empty_home / "warehouse.duckdb", tmp_path)))
    land(made, 70)
    return made


def land(warehouse: Warehouse, score: int) -> None:
    document = Document(day=DAY, raw=b'{"id":"a","day":"2026-01-02","score":%d}' % score)
    with warehouse.spool(DAILY_SLEEP) as spool:
        spool.add("ada", [document], requested=True)
        warehouse.land(
            DAILY_SLEEP,
            spool,
            usernames=["ada"],
            first_day=DAY,
            last_day=DAY,
            fetched_at=datetime(2026, 1, 3, tzinfo=UTC),
            run_id="run",
        )


def why(skipped: object) -> str:
    assert isinstance(skipped, dg.SkipReason)
    return skipped.skip_message or ""


def test_a_new_warehouse_is_published_once_it_is_quiet(warehouse: Warehouse) -> None:
    """Not during a run, and not again when nothing changed."""
    copy = warehouse.path.with_name("analytics.duckdb")
    warehouse.publish(copy)
    land(warehouse, 71)
    changed = warehouse.path.stat().st_mtime
    assert "going on" in why(publish_request(warehouse, copy, changed + 5))
    request = publish_request(warehouse, copy, changed + 100)
    assert isinstance(request, dg.RunRequest)
    warehouse.publish(copy)
    assert "up to date" in why(publish_request(warehouse, copy, changed + 200))


def test_whoever_lands_all_the_time_does_not_keep_the_copy_old(warehouse: Warehouse) -> None:
    """The first copy comes at once, and then one at least every ten minutes."""
    copy = warehouse.path.with_name("analytics.duckdb")
    changed = warehouse.path.stat().st_mtime
    assert isinstance(publish_request(warehouse, copy, changed + 5), dg.RunRequest)
    warehouse.publish(copy)
    for minutes, due in ((9, False), (11, True)):
        later = changed + 60 * minutes
        os.utime(warehouse.path, (later, later))
        answer = publish_request(warehouse, copy, later + 5)
        assert isinstance(answer, dg.RunRequest) is due


def test_copying_never_takes_more_than_a_tenth_of_the_time(warehouse: Warehouse) -> None:
    """Whatever the cost of a copy: over any stretch it rests nine times as long."""
    copy = warehouse.path.with_name("analytics.duckdb")
    warehouse.publish(copy)
    land(warehouse, 71)
    changed = warehouse.path.stat().st_mtime
    for seconds, pause in ((0.5, 60), (30.0, 270), (3600.0, 32_400)):
        last = LastCopy(changed, seconds)
        early = publish_request(warehouse, copy, changed + pause - 1, last)
        assert isinstance(early, dg.SkipReason)
        due = publish_request(warehouse, copy, changed + pause + 1, last)
        assert isinstance(due, dg.RunRequest)
    copy.unlink()
    without = publish_request(warehouse, copy, changed + 1, LastCopy(changed, 3600.0))
    assert isinstance(without, dg.RunRequest)


def test_a_log_beside_the_copy_asks_for_another_one(warehouse: Warehouse) -> None:
    """Somebody wrote into an older copy; readers of the new one would see that."""
    copy = warehouse.path.with_name("analytics.duckdb")
    warehouse.publish(copy)
    later = warehouse.path.stat().st_mtime + 100
    assert "up to date" in why(publish_request(warehouse, copy, later))
    copy.with_name("analytics.duckdb.wal").write_bytes(b"theirs")
    assert isinstance(publish_request(warehouse, copy, later), dg.RunRequest)


def test_the_asset_tells_how_much_and_remembers_how_long(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts only, and what the sensor reads of the last copy."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(warehouse.path.parent))
    monkeypatch.setenv("OURA_CLIENT_ID", "id")
    monkeypatch.setenv("OURA_CLIENT_SECRET", "secret")
    with dg.DagsterInstance.ephemeral() as instance:
        assert last_copy(instance) is None
        result = dg.materialize(
            [published], resources={"pipeline": PipelineResource()}, instance=instance
        )
        [event] = result.get_asset_materialization_events()
        told = event.materialization.metadata
        last = last_copy(instance)
    assert set(told) == {"bytes", "seconds", "path", "dagster/row_count", "rows_by_table"}
    assert "| daily_sleep | 1 |\n" in str(told["rows_by_table"].value)
    assert "ada" not in str(told["rows_by_table"].value)
    assert last is not None
    assert last.seconds == told["seconds"].value


def test_every_change_asks_with_a_key_of_its_own(warehouse: Warehouse) -> None:
    """Dagster remembers run keys for ever."""
    copy = warehouse.path.with_name("analytics.duckdb")
    warehouse.publish(copy)
    keys = set()
    for score in (71, 72):
        land(warehouse, score)
        later = warehouse.path.stat().st_mtime + 100 * score
        os.utime(warehouse.path, (later, later))
        request = publish_request(warehouse, copy, later + 100)
        assert isinstance(request, dg.RunRequest)
        keys.add(request.run_key)
        warehouse.publish(copy)
    assert len(keys) == 2


def test_without_a_warehouse_nothing_is_published(tmp_path: Path) -> None:
    """Before the first landing there is nothing to copy."""
    reason = why(
        publish_request(Warehouse(tmp_path / "warehouse.duckdb"), tmp_path / "analytics.duckdb", 0)
    )
    assert reason == "Nothing has landed yet."
