"""Oura's webhook subscriptions: the asset that maintains them, and the sensor that starts it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.days import back_off
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_requests import set_digest
from oura_pipeline.defs.schedules import Job
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.subscription_plan import plan, required
from oura_pipeline.sync.subscriptions import (
    MaintainResult,
    describe,
    group_by_reason,
    maintain,
    not_ready,
)

SUBSCRIPTIONS = dg.AssetKey(["accounts", "subscriptions"])
ALIVE = "subscriptions_alive"
JOB = "maintain_subscriptions"
NEEDS_TAG = "oura_pipeline/needs"  # by which runs for the same reason are found again
DESCRIPTION = "Every required subscription exists and lasts for at least 3 days."
EXPIRES_SOON = timedelta(days=3)
TICK_SECONDS = 60  # who has just signed in does not wait for webhooks
CHECK_EVERY = timedelta(hours=24)  # Oura ends subscriptions by itself
FIRST_PAUSE = timedelta(minutes=9)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class RecentRun:
    """A run of the last day.

    Attributes:
        at: when it was requested.
        needs: the digest of what it was to do; None: somebody started it by hand.
        finished: whether it has ended.
        succeeded: whether it could read Oura's list.
    """

    at: datetime
    needs: str | None
    finished: bool
    succeeded: bool


@dg.asset(
    key=SUBSCRIPTIONS,
    group_name="accounts",
    kinds={"oura"},
    description="Oura's webhook subscriptions, one per document type and kind of event, maintained "
    f"by the job `{JOB}`.",
    check_specs=[dg.AssetCheckSpec(ALIVE, asset=SUBSCRIPTIONS, description=DESCRIPTION)],
)
@nameless
def subscriptions(
    context: dg.AssetExecutionContext, pipeline: PipelineResource
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows it without a parameter only
    """Create what is missing, renew what expires, delete what nobody needs."""
    now = datetime.now(UTC)
    try:
        done = maintain(pipeline.opened, now=now)
    except OuraError as error:
        raise dg.Failure(f"Oura's webhook subscriptions cannot be listed: {error}") from None
    for line in group_by_reason(done.failed):
        context.log.warning(line)
    check = subscriptions_alive(done, pipeline.opened.settings.site.webhook_url, now)
    return dg.MaterializeResult(metadata=maintenance_metadata(done, now), check_results=[check])


@dg.asset_check(asset=SUBSCRIPTIONS, name=ALIVE, description=DESCRIPTION)
@nameless
def recorded_subscriptions_check(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Check what was recorded of the subscriptions; only the job asks Oura."""
    opened, now = pipeline.opened, datetime.now(UTC)
    recorded = MaintainResult(
        required=required(opened.accounts.people.granted()),
        remote=opened.accounts.subscriptions.all(),
        skipped=not_ready(opened.settings),
    )
    if recorded.skipped:
        recorded = MaintainResult(skipped=recorded.skipped)
    return subscriptions_alive(recorded, opened.settings.site.webhook_url, now)


def maintenance_metadata(done: MaintainResult, now: datetime) -> dict[str, int | float | str]:
    """Return counts, and the days until the first subscription expires."""
    if done.skipped:
        return {"skipped": done.skipped}
    metadata: dict[str, int | float | str] = {
        "wanted": len(done.required),
        "listed": len(done.remote),
        "created": done.created,
        "renewed": done.renewed,
        "deleted": done.deleted,
        "failed": len(done.failed),
    }
    if ends := [row.expires_at for row in done.remote if row.expires_at]:
        metadata["days_to_next_expiry"] = round((min(ends) - now) / timedelta(days=1), 1)
    return metadata


def subscriptions_alive(
    done: MaintainResult, callback_url: str, now: datetime
) -> dg.AssetCheckResult:
    """Return a failed check when one is missing, expires soon, or could not be changed."""
    left = plan(done.required, done.remote, callback_url=callback_url, now=now)
    missing = [" ".join(pair) for pair in left.create]
    expiring = [
        describe(row)
        for row in left.renew
        if row.expires_at is not None and row.expires_at - now <= EXPIRES_SOON
    ]
    lines = [f"Missing: {', '.join(missing)}"] if missing else []
    lines += [f"Expire within {EXPIRES_SOON.days} days: {', '.join(expiring)}"] if expiring else []
    lines += group_by_reason(done.failed)
    return dg.AssetCheckResult(
        asset_key=SUBSCRIPTIONS,
        check_name=ALIVE,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(lines) or done.skipped or "All subscriptions exist and last.",
        metadata={"missing": len(missing), "short": len(expiring), "failed": len(done.failed)},
    )


def maintenance_job() -> Job:
    """Return the job that maintains the subscriptions."""
    return dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(SUBSCRIPTIONS))


def maintenance_sensor() -> dg.SensorDefinition:
    """Return the sensor over what was recorded of the subscriptions; only a run asks Oura."""

    @dg.sensor(
        name="subscription_expiry",
        job_name=JOB,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Maintains the webhook subscriptions when something is to be done, and checks "
        "them once a day.",
    )
    @nameless
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now, settings = datetime.now(UTC), load_settings()
        if reason := not_ready(settings):
            return dg.SkipReason(reason)
        with open_accounts(settings) as accounts:
            granted, recorded = accounts.people.granted(), accounts.subscriptions.all()
        needs = needed(granted, recorded, callback_url=settings.site.webhook_url, now=now)
        return maintenance_request(needs, recent_runs(context.instance, now), now)

    return sensor


def needed(
    granted: Iterable[frozenset[str] | None],
    recorded: Sequence[Subscription],
    *,
    callback_url: str,
    now: datetime,
) -> str:
    """Return in words what is to be done by what was recorded; empty: nothing."""
    steps = plan(required(granted), recorded, callback_url=callback_url, now=now)
    words = {
        "create": [" ".join(pair) for pair in steps.create],
        "renew": [describe(row) for row in steps.renew],
        "delete": [describe(row) for row in steps.delete],
    }
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in words.items() if names)


def maintenance_request(
    needs: str, runs: Sequence[RecentRun], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return the run that does what is needed, or checks whether anything is.

    Args:
        needs: as `needed` says.
        runs: those of the last day.
        now: the present moment.
    """
    if any(not run.finished for run in runs):
        return dg.SkipReason("A run is in progress.")
    if not needs and any(run.succeeded for run in runs):
        return dg.SkipReason("As far as is recorded, every subscription exists and lasts.")
    reason = set_digest([needs])
    same = [run.at for run in runs if run.needs == reason]
    if same and now - max(same) < pause(len(same)):
        return dg.SkipReason(
            f"{len(same)} runs in a day did not help; the next one starts {pause(len(same))} "
            f"after the last one. To be done: {needs or 'check the list'}."
        )
    # Dagster remembers a key for ever; the time lets a run that failed be repeated.
    key = f"{reason} {now.timestamp() // FIRST_PAUSE.total_seconds():.0f}"
    return dg.RunRequest(run_key=key, tags={NEEDS_TAG: reason})


def pause(runs: int) -> timedelta:
    """Return how long to leave alone what that many runs in a day did not mend."""
    return back_off(runs, first=FIRST_PAUSE, longest=LONGEST_PAUSE)


def recent_runs(instance: dg.DagsterInstance, now: datetime) -> list[RecentRun]:
    """Return the runs of the last day."""
    of_a_day = dg.RunsFilter(job_name=JOB, created_after=now - CHECK_EVERY)
    return [
        RecentRun(
            at=record.create_timestamp,
            needs=record.dagster_run.tags.get(NEEDS_TAG),
            finished=record.dagster_run.is_finished,
            succeeded=record.dagster_run.is_success,
        )
        for record in instance.get_run_records(of_a_day)
    ]
