"""Staying connected: everybody's tokens are renewed every night, and who is lost is told.

What surprises: tokens are renewed before they expire although every question would renew them. How
long Oura keeps a refresh token that nobody uses is not documented, and a sign-in that is lost is
better noticed at night than by the run that needs it.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from oura_pipeline.accounts.errors import AccountsBusy, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.credentials import OuraError, SignInRequired
from oura_pipeline.defs.oura_assets import RETRIES, TRANSIENT
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.oura.errors import RateLimited
from oura_pipeline.people.notify import configured, send_pending
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings, operator_zone
from oura_pipeline.sync.fetch import PEOPLE_AT_ONCE

PEOPLE = dg.AssetKey(["accounts", "people"])
EVERYONE_CONNECTED = "everyone_connected"
EXPIRES_WITHIN = timedelta(hours=26)  # until the next night and a little longer
LONGEST_UNUSED = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """What came of renewing.

    Attributes:
        renewed: whose tokens are new.
        refused: who must sign in again from now on.
        failed: what went wrong for the others, by username.
    """

    renewed: Sequence[str]
    refused: Sequence[str]
    failed: dict[str, Exception]


def due_for_renewal(people: Iterable[Person], now: datetime) -> list[Person]:
    """Whose access token expires soon, or whose refresh token was not used for a week."""
    return [
        person
        for person in people
        if (person.expires_at is not None and person.expires_at < now + EXPIRES_WITHIN)
        or person.renewed_at is None
        or person.renewed_at < now - LONGEST_UNUSED
    ]


def renew_tokens(pipeline: Pipeline, people: Sequence[Person]) -> Renewal:
    """Renew these people's tokens, some at a time; whoever left meanwhile is left out."""
    with ThreadPoolExecutor(max_workers=PEOPLE_AT_ONCE) as pool:
        errors = list(pool.map(partial(_renew, pipeline), people))
    outcome = {person.username: error for person, error in zip(people, errors, strict=True)}
    return Renewal(
        renewed=[name for name, error in outcome.items() if error is None],
        refused=[name for name, error in outcome.items() if isinstance(error, SignInRequired)],
        failed={
            name: error
            for name, error in outcome.items()
            if error and not isinstance(error, SignInRequired | UnknownPerson)
        },
    )


@dg.asset(
    key=PEOPLE,
    group_name="accounts",
    kinds={"oura"},
    description="Everybody's sign-in, renewed before it expires.",
    retry_policy=RETRIES,
)
def people(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
    """Renew whose tokens expire before the next night."""
    accounts = pipeline.opened.accounts
    due = due_for_renewal(accounts.people.all([PersonState.CONNECTED]), datetime.now(UTC))
    renewal = renew_tokens(pipeline.opened, due)
    fail_if_nobody_renewed(renewal)
    states = [person.state for person in accounts.people.all()]
    context.add_asset_metadata(
        {
            "connected": states.count(PersonState.CONNECTED),
            "renewed": len(renewal.renewed),
            "must_reconnect": states.count(PersonState.SIGN_IN_REQUIRED),
            "failed": len(renewal.failed),
        }
    )


def fail_if_nobody_renewed(renewal: Renewal) -> None:
    """Fail when there were people to renew and none of them got an answer.

    Raises:
        Failure: with the reasons, not the names; worth a retry only when Oura was away.
    """
    if not renewal.failed or renewal.renewed or renewal.refused:
        return
    why = "; ".join(sorted({str(error) for error in renewal.failed.values()}))
    raise dg.Failure(
        f"nobody's tokens could be renewed: {why}",
        allow_retries=any(isinstance(error, TRANSIENT) for error in renewal.failed.values()),
    )


@dg.asset_check(
    asset=PEOPLE,
    name=EVERYONE_CONNECTED,
    description="Nobody must sign in again.",
)
def everyone_connected_check(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Whether everybody's sign-in still works."""
    opened = pipeline.opened
    lost = opened.accounts.people.all([PersonState.SIGN_IN_REQUIRED])
    return everyone_connected(lost, opened.settings.site.url)


def everyone_connected(lost: Sequence[Person], site_url: str) -> dg.AssetCheckResult:
    """Red when somebody must sign in again; names who, since when, why and where."""
    lines = [
        f"{person.username}: since {person.state_since:%Y-%m-%d %H:%M} UTC; {person.error}"
        for person in lost
    ]
    where = [f"Send them to {site_url} to sign in again."] if lost else ["Everybody is connected."]
    return dg.AssetCheckResult(
        asset_key=PEOPLE,
        check_name=EVERYONE_CONNECTED,
        passed=not lost,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join([*lines, *where]),
        metadata={"people_lost": len(lost)},
    )


def renewal_job() -> Any:
    """The job that renews."""
    return dg.define_asset_job("renew_tokens", selection=dg.AssetSelection.assets(PEOPLE))


def renewal_schedule(job: Any) -> dg.ScheduleDefinition:
    """Every night, before the daily sync."""
    return dg.ScheduleDefinition(
        name="daily_renewal",
        job=job,
        cron_schedule="30 3 * * *",
        execution_timezone=operator_zone(),
        description="Everybody's tokens.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the operator, once, who must sign in again.",
)
def must_reconnect() -> dg.SkipReason:
    """Say it over the ways that are set up; a way that fails is a red tick, and tried again."""
    settings = load_settings()
    if not configured(settings):
        return dg.SkipReason("Neither OURA_NOTIFY_URL nor OURA_NOTIFY_EMAIL is set.")
    with open_accounts(settings) as accounts:
        told = send_pending(accounts, settings)
    if not told:
        return dg.SkipReason("Nobody must sign in again of whom the operator does not know.")
    return dg.SkipReason(f"Told the operator that people must sign in again: {len(told)}.")


def _renew(pipeline: Pipeline, person: Person) -> Exception | None:
    """Renew one person's tokens, unless somebody did so meanwhile; what went wrong, if anything."""
    try:
        tokens = pipeline.tokens(person.username)
        pipeline.budget.acquire(pipeline.share)
        current = tokens.access_token()
        if pipeline.accounts.people.get(person.username).renewed_at == person.renewed_at:
            tokens.renew(current)
    except RateLimited as error:
        pipeline.budget.obey(error.retry_after)
        return error
    except (OuraError, AccountsBusy, UnknownPerson) as error:
        return error
    return None
