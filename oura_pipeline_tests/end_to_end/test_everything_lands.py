"""What the sandbox holds is what DuckDB has: nothing missing, nothing extra, asked for once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    HEARTRATE,
    Ask,
    DocumentType,
)
from oura_pipeline.catalog.fields import Field
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.end_to_end.conftest import DAYS, FIRST, LAST, Synced
from oura_pipeline_tests.testing.world import comparable, world

USERNAMES = ["runa", "koa", "milo", "asha", "sione"]
EDGE = timedelta(days=2)
# Of what tells where somebody was, or has no day but by that, all; of what comes once a day one.
SINGLE = [
    row
    for row in DOCUMENT_TYPES
    if row.dated_by_offset
    or row is DAILY_SLEEP
    or (row.partitioned and any(field.tells_offset for field in row.fields))
]
PARTITIONED = [document_type for document_type in DOCUMENT_TYPES if document_type.partitioned]


@pytest.fixture(scope="module", autouse=True)
def kept_open(synced: Synced) -> Iterator[None]:
    """Each test reads a few rows, and opening the file takes longer than that."""
    with synced.world.warehouse.kept_open():
        yield


def named(document_type: DocumentType) -> str:
    return document_type.name


@pytest.mark.parametrize("username", USERNAMES)
@pytest.mark.parametrize("document_type", DOCUMENT_TYPES, ids=named)
def test_a_range_of_days_lands_whole(
    synced: Synced, document_type: DocumentType, username: str
) -> None:
    """Document by document, for every zone, whatever a range means to that collection."""
    held = expected(synced, document_type, username)
    landed = synced.world.landed(username, document_type)
    if not document_type.partitioned:
        held, landed = [("", d) for _, d in held], [("", d) for _, d in landed]
    assert len(held) > 0
    assert landed == held


def expected(synced: Synced, document_type: DocumentType, username: str) -> list[tuple[str, Any]]:
    """What the sandbox holds of these days; for samples by the rule that anyone can apply.

    Rows of samples carry UTC only. The sandbox knows where the person was; everybody else takes
    the offset of the document nearest in time.
    """
    place = (username, document_type.name)
    if place not in synced.expected:
        synced.expected[place] = _expected(synced, document_type, username)
    return synced.expected[place]


def _expected(synced: Synced, document_type: DocumentType, username: str) -> list[tuple[str, Any]]:
    truth = synced.world.truth
    if document_type.ask is not Ask.INSTANTS:
        return truth(username, document_type, FIRST, LAST)
    if username not in synced.offsets:
        synced.offsets[username] = _offsets(synced, username)
    known = synced.offsets[username]
    rows = []
    for _, document in truth(username, document_type, FIRST - EDGE, LAST + EDGE):
        at = datetime.fromisoformat(document["timestamp"])
        place = bisect_left(known, at, key=lambda one: one[0])
        near = min(known[max(0, place - 1) : place + 1], key=lambda one: abs(one[0] - at))
        rows.append(((at + near[1]).date(), document))
    return comparable((str(day), document) for day, document in rows if FIRST <= day <= LAST)


def _offsets(synced: Synced, username: str) -> list[tuple[datetime, timedelta]]:
    """When which offset was a person's, as their documents say, in order."""
    return sorted(
        (text.astimezone(UTC), text.utcoffset() or timedelta())
        for other in PARTITIONED
        for _, document in synced.world.truth(username, other, FIRST - EDGE, LAST + EDGE)
        for text in local_times(other.fields, document)
    )


def local_times(fields: Sequence[Field], document: Any) -> Iterator[datetime]:
    """The instants of a document that carry the offset of where the person was."""
    for field in fields:
        value = document.get(field.name) if document else None
        if field.kind is kinds.LOCAL and value:
            yield datetime.fromisoformat(value)
        elif field.kind is kinds.SERIES and value:
            yield datetime.fromisoformat(value["timestamp"])
        elif field.kind is kinds.OBJECT:
            yield from local_times(field.fields, value)
        elif field.kind is kinds.OBJECTS:
            for part in value or ():
                yield from local_times(field.fields, part)


def test_single_days_land_the_same(synced: Synced, cloud: Sandbox, tmp_path: Path) -> None:
    """Day by day, each day on its own, gives what the range gave, around a change of clocks."""
    days = [date(2026, 3, 28) + timedelta(days=n) for n in range(3)]
    with world(tmp_path / "data", cloud) as made:
        for username in USERNAMES:
            made.sign_in(username)
        for day in days:
            made.fetch(day, day, types=list(map(named, SINGLE)))
        with made.warehouse.kept_open():
            differing = [
                (username, document_type.name)
                for username in USERNAMES
                for document_type in SINGLE
                if made.landed(username, document_type)
                != made.truth(username, document_type, days[0], days[-1])
            ]
    assert differing == []


@pytest.mark.parametrize("document_type", DOCUMENT_TYPES, ids=named)
def test_nothing_is_asked_twice(synced: Synced, document_type: DocumentType) -> None:
    """Once per person and type; samples once per 30 days, and then page by page."""
    [asked] = [
        people
        for route, people in synced.requests.items()
        if route.rpartition("/")[2] == document_type.name
    ]
    if document_type.ask is not Ask.INSTANTS:
        assert asked == dict.fromkeys(USERNAMES, 1)
        return
    for username in USERNAMES:
        questions, pages = fewest(synced, document_type, username)
        # The last page of each question may be any part of a page.
        assert max(questions, pages) <= asked[username] <= pages + questions, username


def fewest(synced: Synced, document_type: DocumentType, username: str) -> tuple[int, int]:
    """The least questions, and the least pages, that bring all rows that can be of these days.

    A day begins fourteen hours before UTC's midnight in the east and ends twelve after in the west;
    a document may carry an offset of an hour more.
    """
    since = datetime.combine(FIRST, time(), UTC) - timedelta(hours=15)
    until = datetime.combine(LAST, time(), UTC) + timedelta(hours=24 + 13)
    rows = sum(
        since <= datetime.fromisoformat(document["timestamp"]) < until
        for _, document in synced.world.truth(username, document_type, FIRST - EDGE, LAST + EDGE)
    )
    return ceil((until - since) / timedelta(days=30)), ceil(rows / 1000)


def test_every_day_is_counted_on_its_own(synced: Synced) -> None:
    """One run for all days, and each partition says how many rows it has."""
    days = [(FIRST + timedelta(days=n)).isoformat() for n in range(DAYS)]
    truth = [day for username in USERNAMES for day, _ in expected(synced, HEARTRATE, username)]
    assert synced.heartrates == {day: truth.count(day) for day in days}


def test_all_is_green_when_all_is_well(synced: Synced) -> None:
    """Every asset is materialized and no check complains."""
    assert synced.success
    assert synced.red_checks == {}
