"""The job that syncs shard by shard tells what the plain one does, and no day too early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.people import SHARDS, shard_of
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.defs.executors import package, shard_executor
from oura_pipeline.defs.resources import lives_here
from oura_pipeline.defs.run_requests import SUM_OP, shards_config
from oura_pipeline.defs.shards_job import ShardSum, key_of, seventh_of_shards, shards_of
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import SettingsError
from oura_pipeline_tests.testing.world import World, failures, red_checks, reported, world

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=1)
TYPES = tuple(
    one for one in DOCUMENT_TYPES if one.name in ("daily_sleep", "sleep", "personal_info")
)
ROWS = "dagster/partition_row_count"
COSTS = {"seconds", "requests", "pages", "changed_rows", "points_sent"}
CHART = "points_per_day"  # of a type without days: there is none of shards


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with running(SandboxOptions(people=3, days=5, end=LAST)) as sandbox:
        yield sandbox


@pytest.fixture
def made(cloud: Sandbox, tmp_path: Path) -> Iterator[World]:
    settings = {"OURA_PEOPLE_PER_SHARD": "1"}
    with world(tmp_path / "data", cloud, document_types=TYPES, settings=settings) as made:
        for username in cloud.usernames:
            made.sign_in(username)
        yield made
    for username in cloud.usernames:
        cloud.change_person(username, membership=True)


def run(made: World, **options: Any) -> dg.ExecuteInProcessResult:
    config = shards_config(FIRST, LAST, **options)
    config["ops"][SUM_OP]["config"]["publish"] = False  # it takes longer than everything else
    with project_instance(captures_output=False) as instance:
        return made.definitions.resolve_job_def("sync_shards").execute_in_process(
            instance=instance,
            run_config=config | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def told(result: dg.ExecuteInProcessResult) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """Everything that was reported of assets and checks, without what it took."""
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for one in reported(result):
        entries = {name: entry for name, entry in one.metadata.items() if name not in COSTS}
        if isinstance(one, dg.AssetMaterialization):
            values = {name: entry.value for name, entry in entries.items()}
            if not one.partition:
                values.pop(CHART, None)
            found[one.asset_key.to_user_string(), one.partition or ""] = values
        else:
            said = {"passed": one.passed, "severity": one.severity.value}
            found[one.asset_key.to_user_string(), one.check_name] = entries | said
    return found


def shards_done(result: dg.ExecuteInProcessResult) -> list[str]:
    steps = [str(event.step_key) for event in result.all_events if event.is_step_success]
    return [step for step in steps if step.startswith("sync_shard[")]


def test_shards_tell_together_what_one_run_tells(made: World) -> None:
    """Days, counts, tables, charts and checks; each person is asked in a step of one shard."""
    of_shards = run(made)
    assert of_shards.success
    assert len(shards_done(of_shards)) == 3
    assert_everything_landed(made)
    in_shards = told(of_shards)
    assert in_shards == told(made.run(FIRST, LAST))
    assert {("oura/sleep", "2026-06-09"), ("graphite/sleep", "2026-06-10")} < in_shards.keys()
    assert ("oura/daily_sleep", "every_person_landed") in in_shards


def assert_everything_landed(made: World) -> None:
    for username in made.sandbox.usernames:
        for document_type in TYPES:
            days = (FIRST, LAST) if document_type.partitioned else ()
            assert (
                made.landed(username, document_type) == made.truth(username, document_type, *days)
                or not document_type.partitioned
            )


def test_a_shard_without_a_member_is_not_a_failure_of_all(made: World, cloud: Sandbox) -> None:
    """Where everybody of a shard fails, the others' days are green; the check names all who failed.

    Its link asks again for them, as the check of one run for everybody does.
    """
    lapsed = cloud.usernames[:2]
    for username in lapsed:
        cloud.change_person(username, membership=False)
    result = run(made)
    assert result.success
    in_shards = told(result)
    rows = in_shards[("oura/daily_sleep", LAST.isoformat())]
    assert (rows["people_landed"], rows["people_failed"]) == (1, 2)
    assert set(red_checks(result)) == {
        (f"oura/{one.name}", "every_person_landed") for one in TYPES
    } - {("oura/personal_info", "every_person_landed")}
    for person in made.ids(*lapsed):
        assert person in red_checks(result)[("oura/daily_sleep", "every_person_landed")]
    check = ("oura/daily_sleep", "every_person_landed")
    assert in_shards[check] == told(made.run(FIRST, LAST))[check]
    assert "ask_again" in in_shards[check]


def test_what_fails_in_all_shards_is_no_green_day(made: World, cloud: Sandbox) -> None:
    for username in cloud.usernames:
        cloud.change_person(username, membership=False)
    result = run(made)
    assert {name.partition(" of ")[0] for name in failures(result)} == {"daily_sleep", "sleep"}
    assert not [key for key in told(result) if key[0] == "oura/sleep" and key[1][:2] == "20"]


def test_a_seventh_is_whoever_is_in_it(made: World) -> None:
    """Sevenths are all people once, and a run for one asks nobody else."""
    numbers = [number for seventh in range(7) for number in seventh_of_shards(seventh)]
    assert numbers == [*range(SHARDS)]
    ids = dict(zip(made.ids(*made.sandbox.usernames), made.sandbox.usernames, strict=True))
    for seventh in {_seventh(person) for person in ids}:
        made.sandbox.reset_requests()
        assert run(made, seventh=seventh).success
        asked = {who for people in made.sandbox.requests().values() for who in people}
        assert asked == {ids[one] for one in ids if _seventh(one) == seventh}


def _seventh(person: str) -> int:
    return next(one for one in range(7) if shard_of(person) in seventh_of_shards(one))


def test_the_key_of_a_step_is_its_shards() -> None:
    assert key_of(range(0, 586)) == "0_585"
    assert shards_of("0_585") == range(586)


def told_of(days: Mapping[str, int], **more: Any) -> dict[str, Any]:
    """What a shard tells of `daily_sleep`."""
    nobody = {f"people_{status}": 0 for status in ("empty", "not_granted", "failed")}
    counts = {day: {ROWS: rows, "people_landed": 1, **nobody} for day, rows in days.items()}
    pushed = {day: {"points": 10 * rows} for day, rows in days.items()}
    made = {"oura/daily_sleep": counts, "graphite/daily_sleep": pushed} if days else {}
    return {"counts": made, "checks": [], "nobody": [], "failures": {}, **more}


def test_a_day_is_made_when_all_shards_have_it() -> None:
    """What one shard could not land or push is no day of the others, and says why."""
    [sleep] = [one for one in TYPES if one.name == "daily_sleep"]
    whole = told_of({"2026-06-09": 1, "2026-06-10": 2})
    assert [
        (one.asset_key.path[0], one.partition, one.metadata.get(ROWS))
        for one in ShardSum({"0_9": whole, "10_19": whole}).events([sleep])
        if isinstance(one, dg.AssetMaterialization)
    ] == [
        ("oura", "2026-06-09", dg.MetadataValue.int(2)),
        ("oura", "2026-06-10", dg.MetadataValue.int(4)),
        ("graphite", "2026-06-09", None),
        ("graphite", "2026-06-10", None),
    ]
    none = told_of({}, failures={"daily_sleep": "the disk is full"})
    part = ShardSum({"0_9": whole, "10_19": none})
    assert list(part.events([sleep])) == []
    assert part.failures() == {"daily_sleep of 10_19": "the disk is full"}


@pytest.mark.parametrize(
    ("job", "executor", "here"),
    [
        ("sync_shards", "celery", False),
        ("sync_shards", "in_process", True),
        ("sync", "celery", True),
    ],
)
def test_a_worker_does_not_own_the_run_whose_shard_it_syncs(
    job: str, executor: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the run would fail with the worker that is killed."""
    monkeypatch.setenv("OURA_EXECUTOR", executor)
    monkeypatch.setenv("GRAPHITE_HOST", "carbon")
    assert lives_here(dg.DagsterRun(job_name=job)) is here


@pytest.mark.parametrize("executor", ["celery", "in_process", "k8s"])
def test_the_setting_names_the_executor(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURA_EXECUTOR", executor)
    monkeypatch.setenv("GRAPHITE_HOST", "carbon")
    assert shard_executor().name == executor


def test_an_executor_without_its_package_is_said() -> None:
    with pytest.raises(SettingsError, match=r"^OURA_EXECUTOR needs the package dagster-nothing"):
        package("dagster_nothing.executor")
