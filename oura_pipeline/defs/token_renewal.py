"""Keeping people signed in: tokens are renewed every night, and the operator learns who is lost."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from oura_pipeline.accounts.errors import AccountsBusy, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.credentials import OuraError, SignInRequired
from oura_pipeline.defs.oura_assets import RETRIES, TRANSIENT
from oura_pipeline.defs.person_ids import nameless, status_link
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.schedules import Job
from oura_pipeline.oura.errors import RateLimited
from oura_pipeline.people.notify import configured, send_pending
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings, operator_zone

PEOPLE = dg.AssetKey(["accounts", "people"])
EVERYONE_CONNECTED = "everyone_connected"
JOB = "renew_tokens"
EXPIRES_WITHIN = timedelta(hours=26)  # until the next night and a little longer
# How long Oura keeps a refresh token that nobody uses is not documented. Every request renews an
# access token that has expired, but a lost sign-in is better noticed at night than by that run.
MAX_UNUSED = timedelta(days=7)
RENEWED_AT_ONCE = 8  # renewals are no requests of the budget


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """The outcome of renewing tokens.

    Attributes:
        renewed: whose tokens are new.
        refused: who must sign in again from now on.
        failed: what went wrong for the others.
    """

    renewed: Sequence[str]
    refused: Sequence[str]
    failed: dict[str, Exception]

    def __add__(self, other: "Renewal") -> "Renewal":
        return Renewal(
            renewed=[*self.renewed, *other.renewed],
            refused=[*self.refused, *other.refused],
            failed=self.failed | other.failed,
        )


def due_for_renewal(people: Iterable[Person], now: datetime) -> list[Person]:
    """Return those whose access token expires soon, or whose refresh token is unused for a week."""
    return [
        person
        for person in people
        if (person.expires_at is not None and person.expires_at < now + EXPIRES_WITHIN)
        or person.renewed_at is None
        or person.renewed_at < now - MAX_UNUSED
    ]


def renew_tokens(pipeline: Pipeline, people: Sequence[Person]) -> Renewal:
    """Renew these people's tokens, several at a time; those who left meanwhile are left out."""
    with ThreadPoolExecutor(max_workers=RENEWED_AT_ONCE) as pool:
        errors = list(pool.map(partial(_renew, pipeline), people))
    outcome = {person.username: error for person, error in zip(people, errors, strict=True)}
    return Renewal(
        renewed=[who for who, error in outcome.items() if error is None],
        refused=[who for who, error in outcome.items() if isinstance(error, SignInRequired)],
        failed={
            who: error
            for who, error in outcome.items()
            if error and not isinstance(error, SignInRequired | UnknownPerson)
        },
    )


def fail_if_nobody_renewed(renewal: Renewal) -> None:
    """Fail when there were people to renew and none of them got an answer.

    Raises:
        Failure: with the reasons; worth a retry only during an outage of Oura.
    """
    if not renewal.failed or renewal.renewed or renewal.refused:
        return
    reasons = "; ".join(sorted({str(error) for error in renewal.failed.values()}))
    raise dg.Failure(
        f"nobody's tokens could be renewed: {reasons}",
        allow_retries=any(isinstance(error, TRANSIENT) for error in renewal.failed.values()),
    )


@dg.asset(
    key=PEOPLE,
    group_name="accounts",
    kinds={"oura"},
    description="Everybody's tokens, renewed before they expire by the job `renew_tokens`.",
    retry_policy=RETRIES,
)
@nameless
def people(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Renew the tokens that expire before the next night."""
    accounts, now = pipeline.opened.accounts, datetime.now(UTC)
    renewal = Renewal(renewed=[], refused=[], failed={})
    # One part after the other: everybody together may be more than there is memory for.
    for shards in accounts.people.shards(pipeline.opened.settings.workers.people_per_shard):
        people = accounts.people.all([PersonState.CONNECTED], shards=shards)
        renewal += renew_tokens(pipeline.opened, due_for_renewal(people, now))
    fail_if_nobody_renewed(renewal)
    counts = accounts.people.counts()
    context.add_asset_metadata(
        {
            "connected": counts[PersonState.CONNECTED],
            "renewed": len(renewal.renewed),
            "must_reconnect": counts[PersonState.SIGN_IN_REQUIRED],
            "failed": len(renewal.failed),
        }
    )


@dg.asset_check(
    asset=PEOPLE,
    name=EVERYONE_CONNECTED,
    description="Nobody has to sign in again.",
)
@nameless
def everyone_connected_check(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Check that everybody's sign-in still works."""
    opened = pipeline.opened
    lost = opened.accounts.people.all([PersonState.SIGN_IN_REQUIRED])
    return everyone_connected(lost, opened.settings.site.url)


def everyone_connected(lost: Sequence[Person], site_url: str) -> dg.AssetCheckResult:
    """Return a failed check when people must sign in again: who, since when, why and where."""
    lines = [
        f"- {status_link(person.id, site_url)}: "
        f"since {person.state_since:%Y-%m-%d %H:%M} UTC; {person.error}"
        for person in lost
    ]
    advice = f"Ask them to sign in again at {site_url}." if lost else "Everybody is connected."
    return dg.AssetCheckResult(
        asset_key=PEOPLE,
        check_name=EVERYONE_CONNECTED,
        passed=not lost,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join([*lines, "", advice] if lines else [advice]),
        metadata={"people_lost": len(lost)},
    )


def renewal_job() -> Job:
    """Return the job that renews tokens."""
    return dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(PEOPLE))


def renewal_schedule() -> dg.ScheduleDefinition:
    """Return the schedule that renews tokens every night, before the daily sync."""
    return dg.ScheduleDefinition(
        name="daily_renewal",
        job_name=JOB,
        cron_schedule="30 3 * * *",
        execution_timezone=operator_zone(),
        description="Renews everybody's tokens.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notifies the operator, once, of people who must sign in again, and of late "
    "deletions.",
)
@nameless
def must_reconnect() -> dg.SkipReason:
    """Send the notices that are pending; one that cannot be sent fails the tick and is repeated."""
    settings = load_settings()
    if not configured(settings):
        return dg.SkipReason("Neither OURA_NOTIFY_URL nor OURA_NOTIFY_EMAIL is set.")
    with open_accounts(settings) as accounts:
        notified = send_pending(accounts, settings)
    if not notified:
        return dg.SkipReason("The operator knows of everybody who must sign in again.")
    return dg.SkipReason(f"People reported to the operator: {len(notified)}.")


def _renew(pipeline: Pipeline, person: Person) -> Exception | None:
    """Renew one person's tokens, unless somebody did meanwhile; return what went wrong."""
    try:
        tokens = pipeline.tokens(person.username)
        pipeline.budget.acquire(pipeline.share)
        current = tokens.access_token()
        if pipeline.accounts.people.get(person.username).renewed_at == person.renewed_at:
            tokens.renew(current)
    except RateLimited as error:
        pipeline.budget.pause(error.retry_after)
        return error
    except (OuraError, AccountsBusy, UnknownPerson) as error:
        return error
    return None
