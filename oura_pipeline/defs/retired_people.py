"""The job that deletes people who left and revokes those who disconnected, and its sensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from oura_pipeline.accounts.errors import AccountsError, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.removal import Unrevoked
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_requests import set_digest
from oura_pipeline.people.leave import delete_everything, revoke, revoke_gone
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.errors import WarehouseError

JOB = "retire_people"
SENSOR = "retired_people"
DESCRIPTION = "Deletes the data of people who left; revokes the tokens of people who disconnected."
# Somebody is kept for a while when Oura is away. After that the data is deleted, and only their
# tokens are kept, until Oura has revoked them.
DELETE_UNREVOKED_AFTER = timedelta(hours=1)
RECENT_RUNS = 10  # a run that somebody starts by hand is among them
EXPECTED = (AccountsError, WarehouseError, OSError)
LONGEST_RUN = timedelta(days=1)  # dagster.yaml ends what takes longer
IN_PROGRESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(kw_only=True)
class Retirement:
    """What a run did, in numbers.

    Attributes:
        deleted: people of whom nothing is left.
        revoked: people who disconnected, or were deleted, and whose tokens are revoked now.
        unrevoked: people who were deleted and whose consent is not given back yet.
        waiting: people for whom Oura or the end of another run is waited for.
        failures: what went wrong.
    """

    deleted: int = 0
    revoked: int = 0
    unrevoked: int = 0
    waiting: int = 0
    failures: tuple[str, ...] = ()


@dg.op(description=DESCRIPTION)
@nameless
def retire(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Delete or revoke everybody who left or disconnected."""
    done = Retirement()
    now = datetime.now(UTC)
    for gone in _gone(pipeline.opened.accounts):
        revocation = revoke_gone(pipeline.opened, gone.id)
        done.revoked += revocation.done
        done.unrevoked += not revocation.done
    for person in _leaving(pipeline.opened.accounts):
        try:
            _retire_one(context, pipeline.opened, person, done, now)
        except UnknownPerson:
            continue  # another process deleted them meanwhile
        except EXPECTED as error:
            done.failures += (f"{person.id}: {_reason(error)}",)
    context.add_output_metadata(
        {
            "people_deleted": done.deleted,
            "people_revoked": done.revoked,
            "people_unrevoked": done.unrevoked,
            "people_waiting": done.waiting,
        }
    )
    if done.failures:
        raise dg.Failure("; ".join(sorted(set(done.failures))), allow_retries=False)


@dg.job(name=JOB, description=DESCRIPTION, executor_def=dg.in_process_executor)
def retire_people() -> None:
    """Process everybody who left or disconnected."""
    retire()


def retired_people_sensor() -> dg.SensorDefinition:
    """Return the sensor over people who left and people who disconnected."""

    @dg.sensor(
        name=SENSOR,
        job_name=JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=DESCRIPTION,
    )
    @nameless
    def retired_people(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with open_accounts(load_settings()) as accounts:
            waiting: list[Person | Unrevoked] = [*_leaving(accounts), *_gone(accounts)]
        runs = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=RECENT_RUNS)
        return retire_request(waiting, runs, datetime.now(UTC))

    return retired_people


def retire_request(
    waiting: Sequence[Person | Unrevoked], runs: Sequence[dg.RunRecord], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return the run for those who wait; one at a time, and again every few minutes.

    Args:
        waiting: who left, who disconnected and still has tokens, and who was deleted and has.
        runs: the latest runs of the job.
        now: the present moment.
    """
    if not waiting:
        return dg.SkipReason("Nobody has left, and no tokens are to be revoked.")
    if any(not record.dagster_run.is_finished for record in runs):
        return dg.SkipReason("A run is in progress.")
    who = set_digest(f"{person.id} {person.state_since.isoformat()}" for person in waiting)
    interval = pause(now - max(person.state_since for person in waiting))
    return dg.RunRequest(run_key=f"{JOB} {who} {now.timestamp() // interval.total_seconds():.0f}")


def _leaving(accounts: Accounts) -> list[Person]:
    with_tokens = set(accounts.removal.to_revoke())
    return [
        person
        for person in accounts.people.all([PersonState.RETIRED, PersonState.DISCONNECTED])
        if person.state is PersonState.RETIRED or person.username in with_tokens
    ]


def _gone(accounts: Accounts) -> list[Unrevoked]:
    return [somebody for somebody in accounts.removal.unrevoked() if somebody.username is None]


def pause(waited: timedelta) -> timedelta:
    """Return how long until the next try: the longer it has not worked, the longer."""
    if waited < timedelta(hours=2):
        return timedelta(minutes=5)
    return timedelta(hours=1) if waited < timedelta(days=1) else timedelta(hours=6)


def unfinished_runs(instance: dg.DagsterInstance, left: datetime, besides: str = "") -> int:
    """Return how many runs may still work on somebody who left: those that began before.

    Args:
        instance: whose runs.
        left: since when nothing is fetched of the person any more, UTC.
        besides: the run that asks.
    """
    recent = dg.RunsFilter(statuses=IN_PROGRESS, created_after=left - LONGEST_RUN)
    records = instance.get_run_records(recent)
    return sum(
        record.dagster_run.run_id != besides and record.create_timestamp < left
        for record in records
    )


def _retire_one(
    context: dg.OpExecutionContext,
    opened: Pipeline,
    person: Person,
    done: Retirement,
    now: datetime,
) -> None:
    revocation = revoke(opened, person.username)
    if person.state is PersonState.DISCONNECTED:
        done.revoked += revocation.done
        done.waiting += not revocation.done
        return
    # A run that began before they left may still land their documents.
    busy = unfinished_runs(context.instance, person.state_since, besides=context.run_id)
    impatient = now - person.state_since >= DELETE_UNREVOKED_AFTER
    if busy or not (revocation.done or impatient):
        done.waiting += 1
        return
    deleted = delete_everything(opened, person.username)
    done.deleted += 1
    done.unrevoked += not deleted.revocation.done


def _reason(error: Exception) -> str:
    # The text of the system's own errors holds paths, and the folders of people have their names.
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
