"""Days whose rows move because offsets are learned: ledgers, copy and pushes know of it."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.catalog.document_types import (
    DOCUMENT_TYPES,
    HEARTRATE,
    RING_BATTERY_LEVEL,
    SLEEP,
    WORKOUT,
    DocumentType,
    get_document_type,
)
from oura_pipeline.days import days_between
from oura_pipeline.ledger import FetchStatus, Push, PushState
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.publish import publish
from oura_pipeline.sync.push import push_documents
from oura_pipeline.sync.waiting import push_waiting
from oura_pipeline_tests.end_to_end.test_everything_lands import local_times
from oura_pipeline_tests.testing.world import World, comparable, world

# Yuki flies between Berlin and Tokyo, and Europe's clocks change on the 29th.
LAST = date(2026, 4, 10)
FIRST = date(2026, 3, 26)
WHO = "yuki"
TEACHERS = tuple(
    t for t in DOCUMENT_TYPES if t.partitioned and any(field.tells_offset for field in t.fields)
)
DATED = (HEARTRATE, RING_BATTERY_LEVEL)


@pytest.fixture
def made(empty_home: Path, tmp_path: Path) -> Iterator[World]:
    """A world of its own, with a traveller in it."""
    options = SandboxOptions(people=1, awkward=True, days=18, end=LAST, thin=20)
    with running(options) as cloud, world(tmp_path / "data", cloud, begun=empty_home) as made:
        made.sign_in(WHO)
        yield made


def fetch(pipeline: Pipeline, document_type: DocumentType, first: date = FIRST) -> None:
    fetch_and_land(
        pipeline,
        document_type,
        people_to_fetch(pipeline),
        first_day=first,
        last_day=LAST,
        run_id="a run",
    )


Observed = list[tuple[datetime, timedelta]]  # when somebody was at which offset, in order


def observed_in(made: World, known: Sequence[DocumentType]) -> Observed:
    """What the documents of these types say that the sandbox has now."""
    return sorted(
        (at.astimezone(UTC), at.utcoffset() or timedelta())
        for teacher in known
        for _, document in made.truth(WHO, teacher, FIRST, LAST)
        for at in local_times(teacher.fields, document)
        # Nobody is at UTC here; a note in rest mode says so nevertheless.
        if at.utcoffset()
    )


def truth(made: World, document_type: DocumentType, observed: Observed) -> Any:
    """The rows of the asked days by what was observed."""
    rows = []
    for _, document in made.truth(WHO, document_type):
        at = datetime.fromisoformat(document["timestamp"])
        place = bisect_left(observed, (at,))
        near = observed[max(0, place - 1) : place + 1] or [(at, timedelta())]
        day = (at + min(near, key=lambda one: abs(one[0] - at))[1]).date()
        rows.append((day.isoformat(), document))
    return comparable(row for row in rows if str(FIRST) <= row[0] <= str(LAST))


def landed(pipeline: Pipeline, document_type: DocumentType) -> Any:
    rows = pipeline.warehouse.documents(document_type, WHO, date.min, date.max)
    return comparable((day.isoformat(), json.loads(raw)) for day, raw in rows)


def assert_all_is_known(made: World, pipeline: Pipeline, known: Sequence[DocumentType]) -> None:
    """Rows, ledger and published copy say the same."""
    publish(pipeline)
    observed = observed_in(made, known)
    for document_type in DATED:
        rows = truth(made, document_type, observed)
        assert landed(pipeline, document_type) == rows
        counts = Counter(date.fromisoformat(day) for day, _ in rows)
        ledger = pipeline.accounts.fetches.find(document_type.name)
        expected = {
            day: (FetchStatus.LANDED if counts[day] else FetchStatus.EMPTY, counts[day])
            for day in days_between(FIRST, LAST)
        }
        assert {row.day: (row.status, row.documents) for row in ledger} == expected
        copied = {
            day: (FetchStatus(status), documents)
            for day, status, documents in copy(
                pipeline,
                "SELECT day, status, documents FROM oura.fetches WHERE document_type = ?",
                document_type.name,
            )
        }
        assert copied == expected


def copy(pipeline: Pipeline, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(pipeline.settings.storage.analytics_path, read_only=True) as connection:
        return connection.execute(sql, values).fetchall()


def test_days_are_right_after_each_landing_in_any_order(made: World) -> None:
    """Heart rate first, as for somebody who grants the nights later; then random revisions."""
    dice = random.Random(1)
    with open_pipeline() as pipeline, pipeline.warehouse.kept_open():
        for document_type in DATED:
            fetch(pipeline, document_type)
        asked = questions(made)
        known: list[DocumentType] = []
        for teacher in dice.sample(TEACHERS, len(TEACHERS)):
            fetch(pipeline, teacher)
            known.append(teacher)
            observed = observed_in(made, known)
            for document_type in DATED:
                rows = truth(made, document_type, observed)
                assert landed(pipeline, document_type) == rows
        assert_all_is_known(made, pipeline, known)
        for _ in range(4):
            fetch(pipeline, change_something(made, dice))
            assert_all_is_known(made, pipeline, known)
    assert questions(made) == asked


def questions(made: World) -> list[dict[str, int]]:
    """How often Oura was asked for what has no day."""
    names = [document_type.name for document_type in DATED]
    requests = made.sandbox.requests().items()
    return [counts for route, counts in requests if route.rpartition("/")[2] in names]


def change_something(made: World, dice: random.Random) -> DocumentType:
    """Take away, add or change a document that says where Yuki was."""
    teacher = dice.choice([SLEEP, WORKOUT, get_document_type("daily_activity")])
    day, document = dice.choice(made.truth(WHO, teacher, FIRST, LAST))
    field = teacher.starts_at or ""
    moved = datetime.fromisoformat(document[field]) + timedelta(hours=dice.choice([-3, 0, 3]))
    zone = dice.choice(["+02:00", "+09:00", "-08:00"])
    fields = {field: f"{moved:%Y-%m-%dT%H:%M:%S}{zone}"}
    match dice.randrange(3):
        case 0:
            made.sandbox.delete(WHO, teacher.name, id=document["id"])
        case 1:
            made.sandbox.revise(WHO, teacher.name, id=document["id"], fields=fields)
        case _:
            made.sandbox.add(WHO, teacher.name, day=day, fields={"period": 7})
    return teacher


def test_a_crash_before_the_ledger_is_written_heals_with_the_next_landing(made: World) -> None:
    """Rows have moved, and whoever moved them died."""
    with open_pipeline() as pipeline:
        for document_type in DATED:
            fetch(pipeline, document_type)
        client = pipeline.client(WHO)
        with pipeline.warehouse.spool(SLEEP) as spool:
            for page in client.documents(SLEEP, FIRST, LAST):
                spool.add(WHO, page.documents)
            pipeline.warehouse.land(
                SLEEP,
                spool,
                usernames=[WHO],
                first_day=FIRST,
                last_day=LAST,
                fetched_at=datetime.now(UTC),
                run_id="a run that dies",
            )
        fetch(pipeline, get_document_type("daily_sleep"))
        assert_all_is_known(made, pipeline, [SLEEP])


def test_days_that_changed_are_pushed_and_nothing_counts_as_withdrawn(made: World) -> None:
    """Each point stands at its instant, so Graphite has it already, under another day."""
    days = days_between(FIRST, LAST)
    with open_pipeline() as pipeline:
        fetch(pipeline, HEARTRATE)
        push_documents(pipeline, HEARTRATE, [WHO], days)
        before = dict(rows_by_day(made))
        fetch(pipeline, SLEEP)
        after = rows_by_day(made)
        moved = {day for day in days if before.get(day) != after.get(day)}
        waiting = pipeline.accounts.waiting
        assert {row.day for row in waiting.due(datetime.now(UTC), limit=99)} == moved
        assert len(moved) > 1
        push_waiting(pipeline, datetime.now(UTC))
        assert waiting.due(datetime.now(UTC), limit=99) == []
        assert {row.state for row in pushes(pipeline)} == {PushState.DELIVERED}
        assert pipeline.accounts.pushes.withdrawn() == []
        assert push_documents(pipeline, HEARTRATE, [WHO], days).sent == 0


def rows_by_day(made: World) -> dict[date, list[Any]]:
    rows: dict[date, list[Any]] = {}
    for day, document in made.landed(WHO, HEARTRATE):
        rows.setdefault(date.fromisoformat(day), []).append(document)
    return rows


def pushes(pipeline: Pipeline) -> list[Push]:
    return pipeline.accounts.pushes.find("heartrate")
