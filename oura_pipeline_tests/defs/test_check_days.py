"""Checks of days: a range is one record, and Dagster reads of each day what was said last."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.event_api import PartitionKeyFilter

from oura_pipeline.defs.asset_events import report
from oura_pipeline.defs.old_records import forget_checks
from oura_pipeline.defs.storage import project_instance
from oura_pipeline_tests.defs.test_postgres_storage import dagster_config, instance_with
from oura_pipeline_tests.testing.paths import ROOT

ASSET = dg.AssetKey(["oura", "sleep"])
CHECK = dg.AssetCheckKey(ASSET, "every_person_landed")
DAYS = dg.DailyPartitionsDefinition("2026-06-01", end_date="2026-06-15")

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
]


@pytest.fixture(params=["sqlite", "postgres"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The project's, with its records in SQLite and on Postgres."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    if request.param == "sqlite":
        monkeypatch.chdir(tmp_path)
        Path(tmp_path / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
        with project_instance() as instance:
            yield instance
        return
    server = request.getfixturevalue("postgres_server")
    with instance_with(dagster_config(), server, monkeypatch, tmp_path / "one") as instance:
        yield instance


def said(partition: str | None, *, passed: bool) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=ASSET,
        check_name=CHECK.name,
        passed=passed,
        metadata={},
        description=f"{partition}: {passed}",
        partition=partition,
    )


def sync(instance: dg.DagsterInstance, **by_days: bool) -> str:
    """A run of an op that reports what the check found: days, as `_06_04___06` for a range."""

    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        report(context, [said(days(name), passed=passed) for name, passed in by_days.items()])

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    run_id = str(uuid.uuid4())
    job.execute_in_process(instance=instance, run_id=run_id)
    return run_id


def days(name: str) -> str:
    first, _, last = name.removeprefix("june_").partition("_to_")
    return f"2026-06-{first}" + (f"...2026-06-{last}" if last else "")


def by_day(instance: dg.DagsterInstance) -> dict[str, str]:
    """What the UI's calendar of the check shows."""
    store: Any = instance.event_log_storage
    state = store.get_asset_check_state([(CHECK, DAYS)])[CHECK]
    return {
        day[-2:]: status.value
        for status, subset in state.subsets.items()
        for day in sorted(subset.subset_value.get_partition_keys())
    }


def latest(instance: dg.DagsterInstance) -> str | None:
    """What the UI shows first of the check."""
    store: Any = instance.event_log_storage
    [record] = store.get_latest_asset_check_execution_by_key([CHECK]).values()
    return record.evaluation.description if record.evaluation else None


def history(instance: dg.DagsterInstance, day: str) -> list[str]:
    """What the UI lists when somebody looks at a day, the newest first."""
    store: Any = instance.event_log_storage
    found = store.get_asset_check_execution_history(
        CHECK, limit=10, partition_filter=PartitionKeyFilter(key=day)
    )
    return [record.evaluation.description for record in found]


def test_history_does_not_paint_over_today(instance: dg.DagsterInstance) -> None:
    """Days keep what was said of them last, and the newest day stands first."""
    sync(instance, june_04_to_07=True, june_08_to_09=False, june_10=True)
    sync(instance, june_01_to_05=True)
    week = dict.fromkeys(("01", "02", "03", "04", "05", "06", "07", "10"), "SUCCEEDED")
    assert by_day(instance) == week | {"08": "FAILED", "09": "FAILED"}
    assert latest(instance) == "2026-06-10: True"
    assert history(instance, "2026-06-05") == [
        "2026-06-01...2026-06-05: True",
        "2026-06-04...2026-06-07: True",
    ]
    assert history(instance, "2026-06-09") == ["2026-06-08...2026-06-09: False"]
    sync(instance, june_09_to_11=True)
    assert by_day(instance) == week | {"08": "FAILED", "09": "SUCCEEDED", "11": "SUCCEEDED"}
    store: Any = instance.event_log_storage
    assert len(store.get_asset_check_execution_history(CHECK, limit=10)) == 5


def test_a_check_without_days_reads_as_dagsters_own(instance: dg.DagsterInstance) -> None:
    """The latest is the latest."""

    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        report(context, [said(None, passed=True), said(None, passed=False)])

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    job.execute_in_process(instance=instance)
    assert latest(instance) == "None: False"
    store: Any = instance.event_log_storage
    assert by_state(store) == {"FAILED"}


def by_state(store: Any) -> set[str]:
    state = store.get_asset_check_state([(CHECK, None)])[CHECK]
    return {status.value for status, subset in state.subsets.items() if subset.value}


@dg.asset(key=ASSET, partitions_def=DAYS)
def sleep() -> None: ...


def test_a_step_of_one_day_is_that_days_and_nothing_stays_planned(
    instance: dg.DagsterInstance,
) -> None:
    """As when somebody materializes a day, or executes its check, in the UI."""

    @dg.asset_check(asset=ASSET, name=CHECK.name, partitions_def=DAYS)
    def check() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="of the step")

    location = dg.Definitions(
        assets=[sleep],
        asset_checks=[check],
        jobs=[dg.define_asset_job("job", selection=dg.AssetSelection.all())],
        executor=dg.in_process_executor,
    )
    job = location.resolve_job_def("job")
    job.execute_in_process(instance=instance, partition_key="2026-06-07")
    assert by_day(instance) == {"07": "FAILED"}
    store: Any = instance.event_log_storage
    [record] = store.get_asset_check_execution_history(CHECK, limit=10)
    assert (record.partition, record.status.value) == ("2026-06-07", "FAILED")


def test_tidying_keeps_failures_until_they_are_spoken_of_again(
    instance: dg.DagsterInstance,
) -> None:
    """Of runs that are gone only the newest result, and what is still red, stays."""
    runs = [
        sync(instance, june_01_to_03=False),
        sync(instance, june_02=True, june_04=False),
        sync(instance, june_04_to_05=True),
        sync(instance, june_06=True),
    ]
    for run_id in runs:
        instance.run_storage.delete_run(run_id)
    before = {day: status for day, status in by_day(instance).items() if status == "FAILED"}
    assert before == {"01": "FAILED", "03": "FAILED"}
    list(forget_checks(instance))
    # What is green again, but not spoken of lately, is as if it had not been checked.
    after = by_day(instance)
    assert after == {"01": "FAILED", "03": "FAILED", "02": "SUCCEEDED", "06": "SUCCEEDED"}
