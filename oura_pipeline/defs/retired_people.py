"""The job that deletes people who left and revokes who is not to be fetched, and its sensor."""

from collections.abc import Mapping, Sequence
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
DESCRIPTION = (
    "Deletes the data of people who left; revokes the tokens of people who disconnected, or never "
    "finished to sign up."
)
RECENT_RUNS = 10  # a run that somebody starts by hand is among them
EXPECTED = (AccountsError, WarehouseError, OSError)


@dataclass(kw_only=True)
class Retirement:
    """What a run did, in numbers.

    Attributes:
        deleted: people of whom nothing is left.
        revoked: people who disconnected, were deleted or never finished their sign-up, and whose
            tokens are revoked now.
        unrevoked: such people, but for who disconnected, whose consent is not given back yet.
        waiting: people who disconnected, and for whom Oura is waited for.
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
    for gone in _gone(pipeline.opened.accounts):
        revocation = revoke_gone(pipeline.opened, gone.id)
        done.revoked += revocation.done
        done.unrevoked += not revocation.done
    if pipeline.opened.accounts.removal.unscrubbed_since():
        pipeline.opened.accounts.removal.scrub()
    for person in _leaving(pipeline.opened.accounts):
        try:
            _retire_one(pipeline.opened, person, done)
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
            accounts.sign_ups.end_expired()
            waiting = {person.id: person.state_since for person in _leaving(accounts)}
            waiting |= {somebody.id: somebody.state_since for somebody in _gone(accounts)}
            if (left := accounts.removal.unscrubbed_since()) is not None:
                waiting["scrub"] = left
        runs = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=RECENT_RUNS)
        return retire_request(waiting, runs, datetime.now(UTC))

    return retired_people


def retire_request(
    waiting: Mapping[str, datetime], runs: Sequence[dg.RunRecord], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """Return the run for those who wait; one at a time, and again every few minutes.

    Args:
        waiting: since when, by id: who left, who disconnected and still has tokens, and who was
            deleted and has; and `scrub`, where their rows are still in the database's file.
        runs: the latest runs of the job.
        now: the present moment.
    """
    if not waiting:
        return dg.SkipReason("Nobody has left, and no tokens are to be revoked.")
    if any(not record.dagster_run.is_finished for record in runs):
        return dg.SkipReason("A run is in progress.")
    who = set_digest(f"{what} {since.isoformat()}" for what, since in waiting.items())
    interval = pause(now - max(waiting.values()))
    return dg.RunRequest(
        run_key=f"{JOB} {who} {now.timestamp() // interval.total_seconds():.0f}",
        tags={"dagster/priority": "100"},  # before whatever else waits for a place
    )


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
        return timedelta(minutes=1 if waited < timedelta(minutes=10) else 5)
    return timedelta(hours=1) if waited < timedelta(days=1) else timedelta(hours=6)


def _retire_one(opened: Pipeline, person: Person, done: Retirement) -> None:
    if person.state is PersonState.DISCONNECTED:
        revocation = revoke(opened, person.username)
        done.revoked += revocation.done
        done.waiting += not revocation.done
        return
    # Not even when Oura is away: the tokens are kept, under nothing but an id, until it is back.
    deleted = delete_everything(opened, person.username)
    done.deleted += 1
    done.unrevoked += not deleted.revocation.done


def _reason(error: Exception) -> str:
    # The text of the system's own errors holds paths, and the folders of people have their names.
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
