"""Who left is deleted, and who disconnected is given back to Oura: a job, and a sensor over both.

What surprises: it waits a little. A run that began before somebody left may still land their
documents, so they are deleted when it is over; and while Oura is away their tokens are kept for an
hour, because without them their consent cannot be given back. Nothing of the run names them: what
Dagster remembers of it stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from oura_pipeline.accounts.errors import AccountsError, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_requests import set_digest
from oura_pipeline.defs.scrub_names import LEFT, DagsterBusy, forget_in, runs_under_way
from oura_pipeline.people.leave import delete_everything, revoke
from oura_pipeline.pipeline import Pipeline, open_accounts
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.errors import WarehouseError

JOB = "retire_people"
SENSOR = "retired_people"
PATIENCE = timedelta(hours=1)  # with Oura; after that their data goes without its knowing
LOOKED_AT = 10  # runs: whoever starts one by hand has it among them
EXPECTED = (AccountsError, WarehouseError, DagsterBusy, OSError)


@dataclass(kw_only=True)
class Retired:
    """What a run did, in numbers.

    Attributes:
        deleted: people of whom nothing is left.
        revoked: people who disconnected and whose tokens are revoked now.
        unrevoked: people who were deleted although Oura could not be told.
        waiting: people for whom Oura or the end of another run is waited for.
        failures: what went wrong, without names.
    """

    deleted: int = 0
    revoked: int = 0
    unrevoked: int = 0
    waiting: int = 0
    failures: tuple[str, ...] = ()


@dg.op(description="Deletes everything of who left, and revokes the tokens of who disconnected.")
def retire(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Work through everybody who left or disconnected."""
    done = Retired()
    now = datetime.now(UTC)
    for person in to_retire(pipeline.opened):
        try:
            _retire_one(context, pipeline.opened, person, done, now)
        except UnknownPerson:
            continue  # somebody else deleted them meanwhile
        except EXPECTED as error:
            done.failures += (str(error).replace(person.username, LEFT),)
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


@dg.job(
    name=JOB,
    description="Deletes everything of who left, and revokes the tokens of who disconnected.",
    executor_def=dg.in_process_executor,
)
def retire_people() -> None:
    """Everybody who is waiting for it."""
    retire()


def retired_people_sensor() -> dg.SensorDefinition:
    """The sensor over who left and who disconnected."""

    @dg.sensor(
        name=SENSOR,
        job_name=JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Deletes the data of who left, and revokes the tokens of who disconnected.",
    )
    def retired_people(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with open_accounts(load_settings()) as accounts:
            to_revoke = accounts.removal.to_revoke()
            people = accounts.people.all([PersonState.RETIRED, PersonState.DISCONNECTED])
        runs = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=LOOKED_AT)
        return to_request(_waiting(people, to_revoke), runs, datetime.now(UTC))

    return retired_people


def to_retire(pipeline: Pipeline) -> list[Person]:
    """Who left, and who disconnected and still has tokens, by username."""
    people = pipeline.accounts.people.all([PersonState.RETIRED, PersonState.DISCONNECTED])
    return _waiting(people, pipeline.accounts.removal.to_revoke())


def to_request(
    waiting: Sequence[Person], runs: Sequence[dg.RunRecord], now: datetime
) -> dg.RunRequest | dg.SkipReason:
    """The run that works through those who wait; one at a time, and again every few minutes.

    Args:
        waiting: who left, and who disconnected and still has tokens.
        runs: the latest runs of the job.
        now: the present.
    """
    if not waiting:
        return dg.SkipReason("Nobody left, and nobody's tokens are to be revoked.")
    if any(not record.dagster_run.is_finished for record in runs):
        return dg.SkipReason("A run is under way.")
    # Dagster keeps the key for ever: of the people only the moments of their leaving are in it.
    since = set_digest(person.state_since.isoformat() for person in waiting)
    again = pause(now - max(person.state_since for person in waiting))
    return dg.RunRequest(run_key=f"{JOB} {since} {now.timestamp() // again.total_seconds():.0f}")


def pause(waited: timedelta) -> timedelta:
    """How long until what could not be done is tried again: longer, the longer it could not."""
    if waited < timedelta(hours=2):
        return timedelta(minutes=5)
    return timedelta(hours=1) if waited < timedelta(days=1) else timedelta(hours=6)


def _waiting(people: Iterable[Person], to_revoke: Iterable[str]) -> list[Person]:
    with_tokens = set(to_revoke)
    return [
        person
        for person in people
        if person.state is PersonState.RETIRED or person.username in with_tokens
    ]


def _retire_one(
    context: dg.OpExecutionContext,
    rooms: Pipeline,
    person: Person,
    done: Retired,
    now: datetime,
) -> None:
    revocation = revoke(rooms, person.username)
    if person.state is PersonState.DISCONNECTED:
        done.revoked += revocation.done
        done.waiting += not revocation.done
        return
    impatient = now - person.state_since >= PATIENCE
    busy = runs_under_way(context.instance, person.state_since, besides=context.run_id)
    if busy or not (revocation.done or impatient):
        done.waiting += 1
        return
    deleted = delete_everything(rooms, person.username, partial(forget_in, context.instance))
    done.deleted += 1
    done.unrevoked += not deleted.revocation.done
