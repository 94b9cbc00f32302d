"""The job that syncs: what it is told, what it records, and what it does when something fails."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES, SLEEP
from oura_pipeline.days import days_between
from oura_pipeline.defs.partitions import daily_partitions, first_and_last_day
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.sync_job import Sync, SyncConfig, UnknownTypes, UnusableDays
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.graphite.fake_carbon import fake_carbon
from oura_pipeline_tests.testing.world import World, failures, metadata, red_checks, world
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=2)
DAYS = [day.isoformat() for day in days_between(FIRST, LAST)]
TYPES = ["daily_sleep", "daily_stress"]


cloud = cloud_with(people=2, days=5, end=LAST)


made = world_with("koa")


def events(run_id: str) -> Counter[str]:
    """How many events of each kind a run has."""
    with project_instance(captures_output=False) as instance:
        logs = instance.all_logs(run_id)
    return Counter(entry.dagster_event_type.value for entry in logs if entry.dagster_event_type)


def test_a_day_of_an_asset_is_one_event_and_a_check_is_one(made: World) -> None:
    """Nothing is planned, and nothing is said per day and check."""
    result = made.run(FIRST, LAST, types=TYPES)
    assert result.success
    found = events(result.run_id)
    assert found["ASSET_MATERIALIZATION"] == 2 * len(TYPES) * len(DAYS)
    assert found["ASSET_CHECK_EVALUATION"] == 7 * len(TYPES)
    assert not [kind for kind in found if "PLANNED" in kind]
    assert sum(found.values()) < 2 * len(TYPES) * len(DAYS) + 7 * len(TYPES) + 30


def test_the_ui_shows_what_it_shows_of_assets_that_were_run(made: World) -> None:
    """The same days, the same numbers and the newest result of each check."""
    result = made.run(FIRST, LAST, types=["daily_sleep"])
    key = dg.AssetKey(["oura", "daily_sleep"])
    assert metadata(result, key.path, "people_landed") == dict.fromkeys(DAYS, 1)
    with project_instance(captures_output=False) as instance:
        assert instance.get_materialized_partitions(key) == {*DAYS}
        store: Any = instance.event_log_storage
        checks = [key for key in _checks(made) if key.asset_key.path[-1:] == ["daily_sleep"]]
        latest = store.get_latest_asset_check_execution_by_key(checks)
        shown = {key.name: record.status.value for key, record in latest.items()}
    assert shown == dict.fromkeys(sorted(key.name for key in checks), "SUCCEEDED")
    assert len(shown) == 7


def _checks(made: World) -> list[dg.AssetCheckKey]:
    return [
        key
        for checks in made.definitions.asset_checks or ()
        if isinstance(checks, dg.AssetChecksDefinition)
        for key in checks.check_keys
    ]


def test_what_fails_for_everybody_is_red_and_named(made: World, cloud: Sandbox) -> None:
    """The others land, and the checks say whose question failed."""
    cloud.change_person("koa", membership=False)
    result = made.run(FIRST, LAST, types=["daily_sleep", "personal_info"])
    cloud.change_person("koa", membership=True)
    assert set(failures(result)) == {"daily_sleep"}
    assert list(metadata(result, ["oura", "personal_info"], "dagster/row_count").values()) == [1]
    assert set(red_checks(result)) == {("oura/daily_sleep", "every_person_landed")}


def test_what_was_not_foreseen_keeps_its_traceback_and_no_text(made: World) -> None:
    (made.home / "spool").write_text("koa was here", encoding="utf-8")
    result = made.run(LAST, LAST, types=["daily_sleep"])
    assert "daily_sleep" in failures(result)
    with project_instance(captures_output=False) as instance:
        said = [e.user_message for e in instance.all_logs(result.run_id) if e.level == 40]
    assert "in fetched_documents" in said[0]
    assert not any(str(made.home) in text for text in said)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"first_day": "2026-6-1"}, "write days as YYYY-MM-DD"),
        ({"last_day": "yesterday"}, "write days as YYYY-MM-DD"),
        ({"first_day": "2026-06-02", "last_day": "2026-06-01"}, "is not a range of days"),
        ({"first_day": "1999-01-01"}, "where history begins"),
        ({"last_day": "2999-01-01"}, "the newest day"),
    ],
)
def test_days_that_are_none_are_said(made: World, config: dict[str, str], why: str) -> None:
    with pytest.raises(UnusableDays, match=why):
        SyncConfig(**config).days()


def test_without_a_choice_it_is_the_last_week_of_everything(made: World) -> None:
    _, newest = first_and_last_day(daily_partitions())
    assert SyncConfig().days() == days_between(newest - timedelta(days=6), newest)
    chosen = SyncConfig().chosen(DOCUMENT_TYPES)
    assert {one.name for one in chosen} == {one.name for one in DOCUMENT_TYPES}
    by_offset = [one.dated_by_offset for one in chosen]
    assert by_offset == sorted(by_offset), "those whose days follow from the others come last"


def test_a_type_that_there_is_not_is_said_with_those_that_there_are() -> None:
    with pytest.raises(UnknownTypes, match=r"is called sleeep: there are .*, sleep, "):
        SyncConfig(document_types=["sleeep"]).chosen(DOCUMENT_TYPES)


def test_a_graphite_that_cannot_be_asked_is_said_once(cloud: Sandbox, tmp_path: Path) -> None:
    """Not once for each document type; what landed was checked before."""
    with fake_carbon() as carbon:
        nobody = {
            "GRAPHITE_HOST": "127.0.0.1",
            "GRAPHITE_PORT": str(carbon.port),
            "GRAPHITE_RENDER_URL": "http://127.0.0.1:1/render",
        }
        with world(tmp_path / "data", cloud, settings=nobody) as made:
            made.sign_in("koa")
            result = made.run(LAST, LAST, types=TYPES)
            assert set(failures(result)) == {"read back"}
            assert events(result.run_id)["ASSET_CHECK_EVALUATION"] == 6 * len(TYPES)


def test_what_is_tried_again_is_said_in_the_log_and_in_the_list_of_runs() -> None:
    """Of an outage that passes nothing else would be left to see."""

    def work(context: Any) -> None:
        Sync(context, PipelineResource(), [LAST]).tell_retry([DAILY_SLEEP, SLEEP], 1, 10.0)

    op = dg.OpDefinition(lambda context, _: work(context), name="work", outs={})
    job = dg.GraphDefinition("job", node_defs=[op]).to_job(executor_def=dg.in_process_executor)
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = job.execute_in_process(instance=instance).run_id
        run = instance.get_run_by_id(run_id)
        said = [e.user_message for e in instance.all_logs(run_id) if e.level == 30]
    assert run
    assert run.tags["oura_pipeline/retries"] == "1"
    assert said == ["In 10 s again, attempt 2 of 3: daily_sleep, sleep"]
