"""Webhook subscriptions in Dagster: an asset that keeps them as they must be, a sensor over time.

What surprises: the sensor asks nobody but the accounts database, every minute; only a run asks
Oura. Once a day it starts one without a reason, because Oura ends subscriptions by itself. And what
does not get better by a run is left alone for longer and longer, up to an hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.accounts.people import Person
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.days import back_off, digest
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.subscriptions import (
    MaintainResult,
    describe,
    group_by_reason,
    maintain,
    not_ready,
    plan,
    required,
)

SUBSCRIPTIONS = dg.AssetKey(["accounts", "subscriptions"])
ALIVE = "subscriptions_alive"
JOB = "maintain_subscriptions"
NEEDS = "oura_pipeline/needs"  # the tag by which runs for the same reason are found again
TOO_SHORT = timedelta(days=3)
TICK = 60  # seconds: who has just signed in does not wait for webhooks
LOOK_EVERY = timedelta(hours=24)
FIRST_WAIT = timedelta(minutes=9)
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Try:
    """A run of the last day.

    Attributes:
        at: when it was asked for.
        needs: why, as `needs_digest` has it; None: somebody started it by hand.
        finished: whether it has ended.
        succeeded: whether it has looked at Oura's list.
    """

    at: datetime
    needs: str | None
    finished: bool
    succeeded: bool


@dg.asset(
    key=SUBSCRIPTIONS,
    group_name="accounts",
    kinds={"oura"},
    description="What Oura tells us of by webhook: one subscription per document type and event.",
    check_specs=[
        dg.AssetCheckSpec(
            ALIVE,
            asset=SUBSCRIPTIONS,
            description="Each subscription that is wanted is there and lives for 3 days at least.",
        )
    ],
)
def subscriptions(
    context: dg.AssetExecutionContext, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """Make what is missing, renew what runs out, end what nobody wants."""
    now = datetime.now(UTC)
    try:
        done = maintain(pipeline.opened, now=now)
    except OuraError as error:
        raise dg.Failure(f"Oura's webhook subscriptions are not known: {error}") from None
    for line in group_by_reason(done.failed):
        context.log.warning(line)
    check = subscriptions_alive(done, pipeline.opened.settings.site.webhook_url, now)
    return dg.MaterializeResult(metadata=metadata_of(done, now), check_results=[check])


def metadata_of(done: MaintainResult, now: datetime) -> dict[str, int | float | str]:
    """Counts, and when the first of them ends."""
    if done.skipped:
        return {"skipped": done.skipped}
    ends = [row.expires_at for row in done.remote if row.expires_at]
    counts = {
        "wanted": len(done.required),
        "listed": len(done.remote),
        "created": done.created,
        "renewed": done.renewed,
        "deleted": done.deleted,
        "failed": len(done.failed),
    }
    days = {"days_to_next_expiry": round((min(ends) - now) / timedelta(days=1), 1)} if ends else {}
    return counts | days


def subscriptions_alive(
    done: MaintainResult, callback_url: str, now: datetime
) -> dg.AssetCheckResult:
    """Red when one is missing or ends within three days, or when something did not work."""
    left = plan(done.required, done.remote, callback_url=callback_url, now=now)
    missing = [" ".join(pair) for pair in left.create]
    short = [
        describe(row)
        for row in left.renew
        if row.expires_at is not None and row.expires_at - now <= TOO_SHORT
    ]
    lines = [f"Missing: {', '.join(missing)}"] if missing else []
    lines += [f"Over within {TOO_SHORT.days} days: {', '.join(short)}"] if short else []
    lines += group_by_reason(done.failed)
    return dg.AssetCheckResult(
        asset_key=SUBSCRIPTIONS,
        check_name=ALIVE,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(lines) or done.skipped or "Each one is there and lives.",
        metadata={"missing": len(missing), "short": len(short), "failed": len(done.failed)},
    )


def maintenance_job() -> Any:
    """The job that keeps them."""
    return dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(SUBSCRIPTIONS))


def expiry_sensor(job: Any) -> dg.SensorDefinition:
    """The sensor over what was recorded of the subscriptions."""

    @dg.sensor(
        name="subscription_expiry",
        job=job,
        minimum_interval_seconds=TICK,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps the webhook subscriptions alive, and looks at them once a day.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now, settings = datetime.now(UTC), load_settings()
        if reason := not_ready(settings):
            return dg.SkipReason(reason)
        with open_accounts(settings) as accounts:
            people, recorded = accounts.people.all(), accounts.subscriptions.all()
        needs = needed(people, recorded, callback_url=settings.site.webhook_url, now=now)
        return due(needs, tries(context.instance, now), now)

    return sensor


def needed(
    people: Iterable[Person],
    recorded: Sequence[Subscription],
    *,
    callback_url: str,
    now: datetime,
) -> str:
    """What is to be done by what we remember, in words; empty: nothing."""
    steps = plan(required(people), recorded, callback_url=callback_url, now=now)
    words = {
        "make": [" ".join(pair) for pair in steps.create],
        "renew": [describe(row) for row in steps.renew],
        "end": [describe(row) for row in steps.delete],
    }
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in words.items() if names)


def due(needs: str, tries: Sequence[Try], now: datetime) -> dg.RunRequest | dg.SkipReason:
    """The run that does what is needed, or that looks whether it is; why there is none otherwise.

    Args:
        needs: as `needed` says.
        tries: the runs of the last day.
        now: the present moment.
    """
    if any(not one.finished for one in tries):
        return dg.SkipReason("A run is under way.")
    if not needs and any(one.succeeded for one in tries):
        return dg.SkipReason("As far as we remember, every subscription is there and lives.")
    needed = needs_digest(needs)
    same = [one.at for one in tries if one.needs == needed]
    if same and now - max(same) < wait(len(same)):
        return dg.SkipReason(
            f"{len(same)} runs in a day did not help; the next one comes "
            f"{wait(len(same))} after the last one. It is to {needs or 'look at the list'}."
        )
    # Dagster remembers a key for ever; a try that failed must not be the last one.
    key = f"{needed} {now.timestamp() // FIRST_WAIT.total_seconds():.0f}"
    return dg.RunRequest(run_key=key, tags={NEEDS: needed})


def wait(tries: int) -> timedelta:
    """How long to leave alone what that many runs in a day did not mend."""
    return back_off(tries, first=FIRST_WAIT, longest=LONGEST_WAIT)


def needs_digest(needs: str) -> str:
    """A short name for what is needed."""
    return digest(needs)[:16]


def tries(instance: dg.DagsterInstance, now: datetime) -> list[Try]:
    """The runs of the last day."""
    of_a_day = dg.RunsFilter(job_name=JOB, created_after=now - LOOK_EVERY)
    return [
        Try(
            at=record.create_timestamp,
            needs=record.dagster_run.tags.get(NEEDS),
            finished=record.dagster_run.is_finished,
            succeeded=record.dagster_run.is_success,
        )
        for record in instance.get_run_records(of_a_day)
    ]
