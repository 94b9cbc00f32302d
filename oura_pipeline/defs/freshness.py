"""Whether the daily sync came: the freshness of assets, and a check that is red when it did not."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg

from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.schedules import DAILY, IN_SHARDS
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings, operator_zone

PUBLISHED = dg.AssetKey(["analytics", "published"])
CAME = "daily_sync_came"
HOUR = int(DAILY.split()[1])
LONGEST = timedelta(hours=4)  # of a daily sync
LATE = timedelta(hours=1)  # a daemon that was away for so long makes up for it
DESCRIPTION = "The daily sync began when it was due, and did not fail."


@cache
def daily_freshness() -> dg.FreshnessPolicy:
    """Return how fresh everything is that the daily sync makes."""
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {HOUR + LONGEST // timedelta(hours=1)} * * *",
        lower_bound_delta=LONGEST,
        timezone=operator_zone(),
    )


@dg.asset_check(asset=PUBLISHED, name=CAME, description=DESCRIPTION)
@nameless
def daily_sync_check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Check it now; the sensor does so by itself."""
    problem = daily_problem(context.instance, datetime.now(UTC))
    return dg.AssetCheckResult(passed=not problem, description=problem or DESCRIPTION)


def daily_sync_sensor() -> dg.SensorDefinition:
    """Return the sensor that tells when the daily sync is missed, and when it came after all."""

    @dg.sensor(
        name=CAME,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns the check of the published copy red when the daily sync did not come.",
    )
    @nameless
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        problem = daily_problem(context.instance, datetime.now(UTC))
        said = problem or DESCRIPTION
        if context.cursor == said:
            return dg.SkipReason(said)
        check = dg.AssetCheckEvaluation(
            asset_key=PUBLISHED, check_name=CAME, passed=not problem, description=said, metadata={}
        )
        return dg.SensorResult(asset_events=[check], cursor=said)

    return sensor


def daily_problem(instance: dg.DagsterInstance, now: datetime) -> str:
    """Return what is wrong with the latest daily sync that was due; empty: nothing."""
    due = latest_due(now - LATE, operator_zone())
    daily = dg.RunsFilter(tags={"dagster/schedule_name": ["daily", IN_SHARDS]})
    newest = next(iter(instance.get_run_records(daily, limit=1)), None)
    if newest and newest.create_timestamp >= due:
        failed = newest.dagster_run.status is dg.DagsterRunStatus.FAILURE
        run_id = newest.dagster_run.run_id
        return f"The daily sync failed: [its run](/runs/{run_id}) says why." if failed else ""
    # Who just signed in does not wait, nor whom a program asked for.
    with open_accounts(load_settings()) as accounts:
        if not accounts.overview.is_anybody_unasked(due):
            return ""
    return (
        f"The sync of {due:%Y-%m-%d %H:%M %Z} did not come. See whether the schedule `daily` and "
        "the daemon run: `oura-pipeline doctor` says so. To make up for it, launch the job `sync`."
    )


def latest_due(now: datetime, zone: str) -> datetime:
    """Return when a daily sync was last due."""
    local = now.astimezone(ZoneInfo(zone))
    due = local.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return due if due <= local else due - timedelta(days=1)
