"""Everything that a world has after a crash, compared with what the sandbox has."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    ENHANCED_TAG,
    HEARTRATE,
    SLEEP,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.days import days_between
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.ledger import FetchStatus, PushState
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.end_to_end import odd_truth
from oura_pipeline_tests.end_to_end.interrupted_syncs import left_over
from oura_pipeline_tests.end_to_end.odd_cloud import Held, OddCloud
from oura_pipeline_tests.end_to_end.odd_findings import differences
from oura_pipeline_tests.end_to_end.odd_groups import Group, groups_of
from oura_pipeline_tests.testing.world import World

TYPES = (DAILY_SLEEP, SLEEP, WORKOUT, ENHANCED_TAG, HEARTRATE)
KINDS = {  # of findings, by what stands in their text
    "lost": (" is missing", " is None, not", "nobody knows of"),
    "doubled": ("stands twice",),
    "invented": ("should not be there", ", not None", "was never true"),
    "stuck": ("is locked", "is owned", "goes on", "still", "did not end", " after "),
    "signed out": ("must sign in again", "has ended"),
}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What must be there.

    Attributes:
        everything: the sandbox's documents of these types.
        ever: metric and time of every point that was once true.
        usernames: whose.
        first: the first day that is asked for.
        last: the last one.
        session: the id of a session that nobody has ended.
        cloud: reads what Graphite has.
        rows: the document types that are synced.
    """

    everything: Sequence[Held]
    ever: frozenset[tuple[str, int]]
    usernames: Sequence[str]
    first: date
    last: date
    session: str
    cloud: type[OddCloud]
    rows: Sequence[DocumentType]


def kind_of(finding: str) -> str:
    """Return what is wrong: lost, doubled, …"""
    for kind, texts in KINDS.items():
        if any(text in finding for text in texts):
            return kind
    return "wrong"


def points_of(everything: Sequence[Held]) -> Iterator[tuple[str, int]]:
    """Yield metric and time of every point of documents."""
    pairs = {(held.username, held.collection.name) for held in everything}
    for username, name in pairs:
        theirs = [
            (held.day, held.document)
            for held in everything
            if (held.username, held.collection.name) == (username, name) and held.day
        ]
        for metric, at in odd_truth.points_of(name, theirs):
            yield f"bio.{username}.{metric}", at


def wrong_in(made: World, truth: Truth, *, alone: bool = True) -> list[str]:
    """Return a line for everything that is not as at Oura; everybody is at rest.

    Args:
        made: the world.
        truth: what must be there.
        alone: whether a sync was the last thing, and no program of the world runs any more.
    """
    with open_pipeline() as pipeline:
        usernames = [*truth.usernames]
        odd = truth.cloud(made, pipeline, random.Random(), usernames, truth.first, truth.rows)
        found = [*_never_true(odd, truth)]
        groups = list(groups_of(odd, truth.everything, truth.last))
        found += [
            *differences(groups),
            *_ledgers(pipeline, groups),
            *_doubled(pipeline, truth.rows),
            *_accounts(pipeline, truth),
        ]
        if alone:
            found += [*_copy(pipeline, truth.rows), *_runs(made.home), *left_over(made)]
    return found


def signed_out(made: World) -> list[str]:
    """Return who must sign in again."""
    with made.accounts() as accounts:
        return [one.username for one in accounts.people.all([PersonState.SIGN_IN_REQUIRED])]


def unfinished_runs() -> list[str]:
    """Return the ids of runs that wait or go on."""
    with project_instance() as instance:
        return [run.run_id for run in instance.get_runs() if not run.is_finished]


def _ledgers(pipeline: Pipeline, groups: Sequence[Group]) -> Iterator[str]:
    """The ledgers agree with the documents, and nothing waits."""
    for group in groups:
        rows = Counter(row["day"] for row in group.rows)
        span = {"first_day": group.first, "last_day": group.last}
        name, who = group.document_type.name, [group.username]
        fetches = {
            fetch.day: fetch
            for fetch in pipeline.accounts.fetches.find(name, usernames=who, **span)
        }
        for day in days_between(group.first, group.last):
            fetch = fetches.get(day)
            if fetch is None:
                yield f"{group}: {day}: nobody knows of an answer"
            elif (fetch.status, fetch.documents) != (_status(rows[day]), rows[day]):
                yield f"{group}: {day}: {fetch.status} {fetch.documents}, with {rows[day]} rows"
        for push in pipeline.accounts.pushes.find(name, usernames=who):
            if push.state is not PushState.DELIVERED:
                yield f"{group}: {push.day}: the push is {push.state}"
    if days := pipeline.accounts.waiting.count().days:
        yield f"{days} days still wait to be pushed"


def _status(rows: int) -> FetchStatus:
    return FetchStatus.LANDED if rows else FetchStatus.EMPTY


def _doubled(pipeline: Pipeline, rows: Sequence[DocumentType]) -> Iterator[str]:
    for document_type in rows:
        twice = pipeline.warehouse.query(
            f"SELECT username, document::VARCHAR FROM oura.{document_type.table} "
            "GROUP BY ALL HAVING count(*) > 1"
        )
        yield from (f"{who} {document_type.name}: {text[:60]} stands twice" for who, text in twice)


def _copy(pipeline: Pipeline, rows: Sequence[DocumentType]) -> Iterator[str]:
    """What readers see is what landed."""
    with closing(connect()) as copy:
        for document_type in rows:
            sql = f"SELECT count(*), sum(hash(username, day, document)) FROM {document_type.table}"
            copied = copy.execute(sql).fetchall()
            if copied != pipeline.warehouse.query(sql.replace("FROM ", "FROM oura.")):
                yield f"{document_type.name}: the published copy has other rows"


def _accounts(pipeline: Pipeline, truth: Truth) -> Iterator[str]:
    if pipeline.accounts.sessions.get(truth.session) is None:
        yield "the session has ended"
    people = {person.username for person in pipeline.accounts.people.all()}
    if people != {*truth.usernames}:
        yield f"the people are {sorted(people)}"
    if aside := pipeline.warehouse.quarantined():
        yield f"{len(aside)} documents are set aside"


def _never_true(odd: OddCloud, truth: Truth) -> Iterator[str]:
    # A daemon syncs all document types, of which others are not looked at here.
    others = {row.series for row in DOCUMENT_TYPES} - {row.series for row in truth.rows}
    known = {f"bio.{username}.{series}" for username in truth.usernames for series in others}
    for metric, at in sorted(odd.values().keys() - truth.ever):
        if ".".join(metric.split(".")[:3]) not in known:
            yield f"point {metric} {at} was never true"


def _runs(home: Path) -> Iterator[str]:
    """No run is open whose process is gone; what is queued waits for a daemon."""
    open_runs = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    with project_instance() as instance:
        for record in instance.get_run_records(open_runs):
            run, age = (
                record.dagster_run,
                datetime.now(UTC) - record.update_timestamp.astimezone(UTC),
            )
            path = home / "runs" / run.run_id
            if path.exists() or age > timedelta(minutes=2):
                yield f"run {run.run_id} is still {run.status.value}"


def read_copies(stop: Path) -> None:
    """Read the published copy again and again; end with a status when that fails once."""
    while not stop.exists():
        with closing(connect()) as copy:
            for document_type in TYPES:
                copy.execute(f"SELECT sum(hash(t)) FROM {document_type.table} t").fetchall()
