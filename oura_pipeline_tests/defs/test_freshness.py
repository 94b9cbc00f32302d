"""The daily sync that did not come: from when on it is missed, and what makes up for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.defs.freshness import (
    CAME,
    DESCRIPTION,
    PUBLISHED,
    daily_problem,
    daily_sync_sensor,
    latest_due,
)
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings, operator_zone

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=2)  # a day after whoever is here now was to be synced


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    if context.run.tags.get("fails"):
        raise dg.Failure("it failed")


@dg.job
def job() -> None:
    work()


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    """Where somebody has signed in just now."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path / "data"))
    with open_accounts(load_settings()) as accounts:
        tokens = SignIn(refresh_token="r", access_token="a", expires_at=NOW + timedelta(hours=1))
        accounts.people.add("ada", tokens)
        yield accounts


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, **tags: str) -> None:
    job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


DAILY = {"dagster/schedule_name": "daily"}


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-06-10T07:59:00+00:00", "2026-06-09T10:00:00+02:00"),
        ("2026-06-10T08:00:00+00:00", "2026-06-10T10:00:00+02:00"),
        ("2026-12-10T08:30:00+00:00", "2026-12-09T10:00:00+01:00"),
    ],
)
def test_a_sync_is_due_at_ten_where_the_operator_is(now: str, due: str) -> None:
    at = latest_due(datetime.fromisoformat(now), "Europe/Berlin")
    assert at.isoformat() == due


def test_nobody_misses_a_sync_before_it_was_due(
    accounts: Accounts, instance: dg.DagsterInstance
) -> None:
    """Who has just signed in is fetched by other runs."""
    assert daily_problem(instance, NOW) == ""


def test_a_sync_that_did_not_come_is_missed(
    accounts: Accounts, instance: dg.DagsterInstance
) -> None:
    """Until one comes by the schedule, of whatever it was told to do; any other run is none."""
    run(instance)
    due = latest_due(LATER - timedelta(hours=1), operator_zone())
    said = daily_problem(instance, LATER)
    assert said.startswith(f"The sync of {due:%Y-%m-%d %H:%M %Z} did not come.")
    run(instance, **DAILY)
    assert daily_problem(instance, NOW + timedelta(minutes=1)) == ""
    assert daily_problem(instance, LATER) == said


def test_a_daily_sync_that_failed_leads_to_its_run(
    accounts: Accounts, instance: dg.DagsterInstance
) -> None:
    run(instance, **DAILY, fails="yes")
    [failed] = instance.get_runs()
    said = daily_problem(instance, NOW + timedelta(minutes=1))
    assert said == f"The daily sync failed: [its run](/runs/{failed.run_id}) says why."


def test_whoever_was_asked_for_by_other_means_misses_nothing(
    accounts: Accounts, instance: dg.DagsterInstance
) -> None:
    """The command line in cron is as good as the daemon, as long as it asks for everybody."""
    row = Fetch(
        username="ada",
        document_type="sleep",
        day=LATER.date(),
        status=FetchStatus.EMPTY,
        documents=0,
        changed=0,
        error=None,
        run_id="a run",
        at=LATER - timedelta(minutes=5),
    )
    accounts.fetches.record([row])
    assert daily_problem(instance, LATER) == ""
    assert "did not come" in daily_problem(instance, LATER + timedelta(days=1))


def test_the_sensor_tells_only_what_is_new(
    accounts: Accounts, instance: dg.DagsterInstance
) -> None:
    """A check that is green stays so without an event for each tick."""
    sensor = daily_sync_sensor()
    first = sensor(dg.build_sensor_context(instance))
    assert isinstance(first, dg.SensorResult)
    [check] = first.asset_events
    assert isinstance(check, dg.AssetCheckEvaluation)
    assert (check.asset_key, check.check_name, check.passed) == (PUBLISHED, CAME, True)
    again = sensor(dg.build_sensor_context(instance, cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)
    assert again.skip_message == DESCRIPTION
    other = sensor(dg.build_sensor_context(instance, cursor="The daily sync failed"))
    assert isinstance(other, dg.SensorResult)
