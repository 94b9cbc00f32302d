"""The sensors that fetch for people: the history of those who signed in, and a sync on demand."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle

import dagster as dg

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import ONE_DAY, batched
from oura_pipeline.defs.partitions import HISTORY, HISTORY_TAG
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.run_requests import JOB, set_digest, sync_request
from oura_pipeline.defs.schedules import days_back
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import Settings, load_settings

RUNS_PER_TICK = 3  # for each that works at a time
MAX_RUN = timedelta(days=90)
REPEAT_AFTER = timedelta(hours=1)  # a run that died before it wrote to the ledger is repeated
LOOK_AT_ALL_AFTER = timedelta(minutes=10)
CLOCKS_DIFFER_BY = timedelta(minutes=1)  # that of the site, where people sign in, and this one
SYNC_DAYS = 7
REMEMBER_SYNCS_FOR = timedelta(days=1)
PARTITIONED = tuple(
    document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned
)
SNAPSHOTS = tuple(
    document_type.name for document_type in DOCUMENT_TYPES if not document_type.partitioned
)
FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
Since = Mapping[str, datetime]  # since when people are connected, by id
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Days of history that are to be fetched next for some people.

    Attributes:
        newcomers: whether nothing was ever fetched for them.
        first_day: the first day.
        last_day: the last day, included.
        people: their ids, in order.
        document_types: names of the document types.
    """

    newcomers: bool
    first_day: date
    last_day: date
    people: tuple[str, ...]
    document_types: tuple[str, ...]


def new_people_sensor(partitions: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    """Return the sensor that fetches everybody's history, step by step."""

    @dg.sensor(
        name="new_people",
        job_name=JOB,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fetches the history of people who signed in: 90 days a run, newest first.",
    )
    @nameless
    def new_people(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings, now = load_settings(), datetime.now(UTC)
        complete = complete_since(context.cursor, settings, now)
        # Whatever runs or is requested: everybody is looked at when it is over.
        context.update_cursor("")
        if _history_runs(context.instance):
            return dg.SkipReason("History is being fetched; the next part comes after it.")
        _, newest = days_back(partitions, now, 1)
        next_ones, left = first_chunks(settings, newest, connected_after=complete)
        if not next_ones:
            context.update_cursor(json.dumps([_answers(settings), (complete or now).isoformat()]))
            return dg.SkipReason("The history of everybody who is connected is complete.")
        share, turns = settings.oura.background_share, cycle(settings.workers.turns)
        context.log.info("Runs of history left: %s; requested: %s", left, len(next_ones))
        return dg.SensorResult(
            run_requests=[
                history_request(chunk, since, now, share, turn)
                for (chunk, since), turn in zip(next_ones, turns, strict=False)
            ]
        )

    return new_people


def complete_since(cursor: str | None, settings: Settings, now: datetime) -> datetime | None:
    """Return when everybody's history was last found complete.

    None: it was not; it was for other document types or a later first day; or that is ten minutes
    ago. Then everybody is to be looked at, and otherwise those who have signed in since: what
    everybody was asked for takes a search for each person and document type.
    """
    with suppress(ValueError, TypeError):
        answers, text = json.loads(cursor or "")
        since = datetime.fromisoformat(text)
        if answers == _answers(settings) and timedelta(0) <= now - since < LOOK_AT_ALL_AFTER:
            return since
    return None


def _answers(settings: Settings) -> str:
    """Return a digest of what a complete history has."""
    return set_digest([*PARTITIONED, *SNAPSHOTS, str(settings.oura.history_start)])


def first_chunks(
    settings: Settings, newest: date, *, connected_after: datetime | None = None
) -> tuple[list[tuple[Chunk, Since]], int]:
    """Return what to fetch next of people's history, and how many runs are left in all.

    Args:
        settings: of the project.
        newest: the newest day for which there is a partition.
        connected_after: of those who have signed in since; None: of everybody.
    """
    # Nobody keeps a list of what is left to do. The ledger knows each person's earliest day, by
    # document type; history goes on from there, whatever came between: a restart, a run that
    # died, a document type that is new in the table.
    first: list[tuple[Chunk, Since]] = []
    left, at_most = 0, RUNS_PER_TICK * settings.workers.history_runs
    connected_after = connected_after and connected_after - CLOCKS_DIFFER_BY
    with open_accounts(settings) as accounts:
        for shards in accounts.people.shards(settings.workers.people_per_shard):
            people = accounts.people.all(
                [PersonState.CONNECTED], shards=shards, connected_after=connected_after
            )
            asked = accounts.overview.first_asked(person.username for person in people)
            ids = {person.username: person.id for person in people}
            since = {person.id: person.connected_since for person in people}
            chunks = next_chunks(
                {one.id: one.history_start(settings.oura.history_start) for one in people},
                {(ids[who], name): day for (who, name), day in asked.items()},
                newest=newest,
                at_most=settings.workers.history_people,
            )
            left += len(chunks)
            first += [(one, {who: since[who] for who in one.people}) for one in chunks]
            first = sorted(first, key=lambda pair: _urgency(pair[0]))[:at_most]
    return first, left


def next_chunks(
    starts: Mapping[str, date],
    first_asked: Mapping[tuple[str, str], date],
    *,
    newest: date,
    at_most: int,
) -> list[Chunk]:
    """Return what to fetch next of people's history: newcomers first, then the newest days.

    Args:
        starts: the first day of the history of those who are connected, by id.
        first_asked: the earliest day in the ledger, by id and document type.
        newest: the newest day for which there is a partition.
        at_most: how many people a run is for.
    """
    groups: dict[tuple[bool, date, date, tuple[str, ...]], list[str]] = {}
    for person, start in starts.items():
        asked = {name: first_asked.get((person, name)) for name in PARTITIONED}
        if (span := _next_span(asked, min(start, newest), newest)) is None:
            continue
        first_day, last_day, names = span
        snapshots = (name for name in SNAPSHOTS if (person, name) not in first_asked)
        newcomer = not any(asked.values())
        key = (newcomer, first_day, last_day, (*names, *snapshots))
        groups.setdefault(key, []).append(person)
    chunks = [
        Chunk(
            newcomers=newcomer,
            first_day=first,
            last_day=last,
            people=tuple(some),
            document_types=names,
        )
        for (newcomer, first, last, names), everybody in groups.items()
        for some in batched(sorted(everybody), at_most)
    ]
    return sorted(chunks, key=_urgency)


def _urgency(chunk: Chunk) -> tuple[bool, int, tuple[str, ...]]:
    return not chunk.newcomers, -chunk.last_day.toordinal(), chunk.people


def history_request(
    chunk: Chunk, since: Since, now: datetime, share: float, turn: int = 1
) -> dg.RunRequest:
    """Return the run that fetches a chunk.

    Args:
        chunk: what to fetch.
        since: since when people are connected: after signing in anew everything is fetched again.
        now: the present moment.
        share: the part of Oura's budget that the run may use.
        turn: one run of each works at a time.
    """
    who = set_digest(f"{person} {since[person].isoformat()}" for person in chunk.people)
    repeat = int(now.timestamp() / REPEAT_AFTER.total_seconds())
    days = (chunk.first_day, chunk.last_day)
    key = f"history {days[0]}:{days[1]} {who} {set_digest(chunk.document_types)} {repeat}"
    return sync_request(
        chunk.people, chunk.document_types, days, key, share=share, history=HISTORY, turn=turn
    )


def sync_now_sensor(partitions: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    """Return the sensor that syncs people who pressed the button on their page."""

    @dg.sensor(
        name="sync_now",
        job_name=JOB,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Syncs the last 7 days of people who pressed “Sync now”.",
    )
    @nameless
    def sync_now(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        with open_accounts(load_settings()) as accounts:
            people = accounts.people.all(
                [PersonState.CONNECTED], sync_asked_after=now - REMEMBER_SYNCS_FOR
            )
        due, remembered = people_to_sync(people, remembered_syncs(context.cursor), now)
        if not due:
            return dg.SkipReason("Nobody requested a sync.")
        request = sync_now_request(due, days_back(partitions, now, SYNC_DAYS))
        return dg.SensorResult(run_requests=[request], cursor=json.dumps(remembered))

    return sync_now


def remembered_syncs(cursor: str | None) -> dict[str, str]:
    """Return what a cursor remembers; one that cannot be read, or of another version, is empty."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def people_to_sync(
    people: Iterable[Person], handled: Mapping[str, str], now: datetime
) -> tuple[list[Person], dict[str, str]]:
    """Return who asked for a sync and got none yet, and what to remember of that.

    Args:
        people: who is connected.
        handled: what was to be remembered the last time.
        now: the present moment.
    """
    # By person and not by the newest moment: whoever asked first may be stored last.
    asked = {
        person: (person.id, person.sync_asked_at.isoformat())
        for person in people
        if person.sync_asked_at and now - person.sync_asked_at < REMEMBER_SYNCS_FOR
    }
    due = [person for person, (key, when) in asked.items() if handled.get(key) != when]
    return due, dict(asked.values())


def sync_now_request(people: Sequence[Person], days: tuple[date, date]) -> dg.RunRequest:
    """Return one run for all of them; its key is new each time that somebody asks."""
    who = set_digest(f"{person.id} {person.sync_asked_at}" for person in people)
    return sync_request(
        [person.id for person in people],
        [*PARTITIONED, *SNAPSHOTS],
        days,
        run_key=f"sync_now {days[0]}:{days[1]} {who}",
    )


def _next_span(
    asked: Mapping[str, date | None], history_start: date, newest: date
) -> tuple[date, date, tuple[str, ...]] | None:
    """Return the first and last day and the types of a person's next run; None: all is fetched.

    Types that are behind the others are fetched until they have caught up, then all together.
    """
    ends = {name: min(day - ONE_DAY, newest) if day else newest for name, day in asked.items()}
    last = max(ends.values())
    if last < history_start:
        return None
    others = max((end for end in ends.values() if end < last), default=date.min)
    first = max(history_start, last - MAX_RUN + ONE_DAY, others + ONE_DAY)
    return first, last, tuple(name for name, end in ends.items() if end == last)


def _history_runs(instance: dg.DagsterInstance) -> bool:
    runs = dg.RunsFilter(tags={HISTORY_TAG: HISTORY}, statuses=UNFINISHED)
    return instance.get_runs_count(runs) > 0
