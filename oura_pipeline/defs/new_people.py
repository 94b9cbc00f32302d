"""The sensors that ask for people: the history of who signed in, and a sync for who wants one now.

What surprises: nobody keeps a list of what is left to do. The ledger knows the earliest day that
each person was asked for, by document type; history goes on from there, whatever came between: a
restart, a run that died, a document type that is new in the table.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import ONE_DAY, batched
from oura_pipeline.defs.run_requests import ONE_AT_A_TIME, run_for, set_digest
from oura_pipeline.defs.schedules import days_back
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

HISTORY = "new_people"
RUNS_PER_TICK = 3
LONGEST_RUN = timedelta(days=90)
PEOPLE_PER_RUN = 500  # so that whoever signs in today does not wait for hours behind everybody
ASK_AGAIN = timedelta(hours=1)  # a run that died before it wrote to the ledger is repeated
SYNC_DAYS = 7
REMEMBERED = timedelta(days=1)
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
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Days of history that some people are to be asked for next.

    Attributes:
        newcomers: whether nothing was ever asked for them.
        first_day: the first day.
        last_day: the last day, included.
        people: their usernames, in order.
        types: names of the document types.
    """

    newcomers: bool
    first_day: date
    last_day: date
    people: tuple[str, ...]
    types: tuple[str, ...]


def next_chunks(
    people: Iterable[str],
    first_asked: Mapping[tuple[str, str], date],
    *,
    history_start: date,
    newest: date,
) -> list[Chunk]:
    """What history asks for next: newcomers first, then the newest days.

    Args:
        people: the usernames of who is connected.
        first_asked: the earliest day in the ledger, by username and document type.
        history_start: the first day of history.
        newest: the newest day for which there is a partition.
    """
    alike: dict[tuple[bool, date, date, tuple[str, ...]], list[str]] = {}
    for username in people:
        asked = {name: first_asked.get((username, name)) for name in PARTITIONED}
        if (span := _next_span(asked, history_start, newest)) is None:
            continue
        first_day, last_day, names = span
        snapshots = (name for name in SNAPSHOTS if (username, name) not in first_asked)
        newcomer = not any(asked.values())
        key = (newcomer, first_day, last_day, (*names, *snapshots))
        alike.setdefault(key, []).append(username)
    chunks = [
        Chunk(newcomers=newcomer, first_day=first, last_day=last, people=tuple(some), types=types)
        for (newcomer, first, last, types), everybody in alike.items()
        for some in batched(sorted(everybody), PEOPLE_PER_RUN)
    ]
    return sorted(chunks, key=lambda it: (not it.newcomers, -it.last_day.toordinal(), it.people))


def history_request(
    chunk: Chunk, since: Mapping[str, datetime], now: datetime, share: float
) -> dg.RunRequest:
    """The run for a chunk; whoever signs in anew under the same name is somebody new.

    Args:
        chunk: what to ask.
        since: since when people are connected.
        now: the present moment.
        share: the part of Oura's budget that it may use.
    """
    who = set_digest(f"{name} {since[name].isoformat()}" for name in chunk.people)
    again = int(now.timestamp() / ASK_AGAIN.total_seconds())
    days = (chunk.first_day, chunk.last_day)
    key = f"history {days[0]}:{days[1]} {who} {set_digest(chunk.types)} {again}"
    return run_for(chunk.people, chunk.types, days, key, share=share, history=HISTORY)


def new_people_sensor(job: Any, partitions: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    """The sensor that asks for everybody's history, step by step."""

    @dg.sensor(
        name="new_people",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the history of who signed in, 90 days a run, the newest first.",
    )
    def new_people(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if _at_work(context.instance):
            return dg.SkipReason("History is being asked for; the next part comes after it.")
        settings, now = load_settings(), datetime.now(UTC)
        with open_accounts(settings) as accounts:
            people = accounts.people.all([PersonState.CONNECTED])
            first_asked = accounts.overview.first_asked()
        since = {person.username: person.connected_since for person in people}
        _, newest = days_back(partitions, now, 1)
        chunks = next_chunks(
            since, first_asked, history_start=settings.oura.history_start, newest=newest
        )
        if not chunks:
            return dg.SkipReason("Everybody who is connected has their history.")
        share = settings.oura.background_share
        context.log.info("%s runs of history are next; asking for %s", len(chunks), RUNS_PER_TICK)
        return dg.SensorResult(
            run_requests=[
                history_request(chunk, since, now, share) for chunk in chunks[:RUNS_PER_TICK]
            ]
        )

    return new_people


def to_sync(
    people: Iterable[Person], handled: Mapping[str, str], now: datetime
) -> tuple[list[Person], dict[str, str]]:
    """Who asked for a sync and has none yet, and what to remember of that: no names.

    Args:
        people: who is connected.
        handled: what was to be remembered the last time.
        now: the present moment.
    """
    # By person and not by the newest moment: whoever asked first may be stored last.
    asked = {
        person: (set_digest([person.username]), person.sync_asked_at.isoformat())
        for person in people
        if person.sync_asked_at and now - person.sync_asked_at < REMEMBERED
    }
    news = [person for person, (who, when) in asked.items() if handled.get(who) != when]
    return news, dict(asked.values())


def sync_request(people: Sequence[Person], days: tuple[date, date]) -> dg.RunRequest:
    """One run for all of them; its key is new for everybody who asks and each time they do."""
    who = set_digest(f"{person.username} {person.sync_asked_at}" for person in people)
    return run_for(
        [person.username for person in people],
        [*PARTITIONED, *SNAPSHOTS],
        days,
        run_key=f"sync_now {days[0]}:{days[1]} {who}",
    )


def sync_now_sensor(job: Any, partitions: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    """The sensor that syncs who pressed the button on their page."""

    @dg.sensor(
        name="sync_now",
        job=job,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the last 7 days of people who want that now.",
    )
    def sync_now(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        with open_accounts(load_settings()) as accounts:
            people = accounts.people.all([PersonState.CONNECTED])
        news, remembered = to_sync(people, json.loads(context.cursor or "{}"), now)
        if not news:
            return dg.SkipReason("Nobody asked for a sync.")
        days = days_back(partitions, now, SYNC_DAYS)
        return dg.SensorResult(
            run_requests=[sync_request(news, days)], cursor=json.dumps(remembered)
        )

    return sync_now


def _next_span(
    asked: Mapping[str, date | None], history_start: date, newest: date
) -> tuple[date, date, tuple[str, ...]] | None:
    """First and last day and the types of a person's next run; None: everything was asked.

    Types that are behind the others are asked until they have caught up, then all go on together.
    """
    ends = {name: min(day - ONE_DAY, newest) if day else newest for name, day in asked.items()}
    last = max(ends.values())
    if last < history_start:
        return None
    others = max((end for end in ends.values() if end < last), default=date.min)
    first = max(history_start, last - LONGEST_RUN + ONE_DAY, others + ONE_DAY)
    return first, last, tuple(name for name, end in ends.items() if end == last)


def _at_work(instance: dg.DagsterInstance) -> bool:
    """Whether a run of history waits or works."""
    runs = dg.RunsFilter(tags={ONE_AT_A_TIME: HISTORY}, statuses=UNFINISHED)
    return instance.get_runs_count(runs) > 0
