"""The promise of `long`: it has the points that Graphite gets, all of them and no others.

What surprises: sums and means are added up in another order than in Python, so that values may
differ by a rounding error (relative 1e-9); everything else is compared exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.documents import (
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    HEARTRATE,
    DocumentType,
)
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.warehouse.views.catalogue import ensure_views
from oura_pipeline_tests.warehouse.making import NOON, Made
from oura_pipeline_tests.warehouse.views.asking import Desk, make_empty

LAST = date(2026, 4, 20)  # so that somebody travelled and somebody changed the clocks
Points = dict[tuple[str, str, str], float]  # day, metric with its series, time


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A warehouse with everything that the sandbox's five awkward people have of 45 days."""
    path = tmp_path_factory.mktemp("long") / "warehouse.duckdb"
    make_empty(path)
    desk = Desk(path)
    with running(SandboxOptions(people=5, days=45, end=LAST)) as sandbox:
        for username in sandbox.usernames:
            for type_ in DOCUMENT_TYPES:
                land(desk, type_, username, held(sandbox, type_, username))
    renew(desk)
    return desk


def held(sandbox: Sandbox, type_: DocumentType, username: str) -> Iterator[Made]:
    for entry in sandbox.truth(username, type_.name):
        day = date.fromisoformat(entry["day"]) if entry["day"] else LAST
        yield Made(day, json.dumps(entry["document"]).encode())


def land(desk: Desk, type_: DocumentType, username: str, documents: Iterable[Made]) -> None:
    with desk.warehouse.spool(type_) as spool:
        spool.add(username, list(documents), True)
        desk.warehouse.land(
            type_,
            spool,
            usernames=[username],
            first_day=LAST - timedelta(days=60),
            last_day=LAST,
            fetched_at=NOON,
            run_id="run-1",
        )


def renew(desk: Desk) -> None:
    """Make the views anew, as publishing does."""
    with desk.opened() as connection:
        ensure_views(connection)


def pushed(desk: Desk, type_: DocumentType, username: str) -> Points:
    """What Graphite gets."""
    documents = desk.warehouse.documents(type_, username, date.min, date.max)
    flat = flatten(type_, username, documents, first_day=date.min, last_day=date.max)
    return {
        (day.day.isoformat(), metric.removeprefix(f"bio.{username}."), text(time)): value
        for day in flat.days
        for metric, points in day.points.items()
        for time, value in points
    }


def shown(desk: Desk, type_: DocumentType, username: str) -> Points:
    """What the view has."""
    rows = desk.ask(
        "SELECT day, series || '.' || metric, time, value FROM oura.long "
        f"WHERE username = '{username}' AND document_type = '{type_.name}'"
    )
    points = {(day, metric, time): value for day, metric, time, value in rows}
    assert len(points) == len(rows)
    return points


def text(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat() + "Z"


@pytest.mark.parametrize("type_", DOCUMENT_TYPES, ids=lambda type_: type_.name)
def test_everybodys_points_are_those_of_graphite(five: Desk, type_: DocumentType) -> None:
    """For every document type and each of five awkward people: days, metrics, times and values."""
    many = 0
    for (username,) in five.ask(f"SELECT DISTINCT username FROM oura.{type_.table} ORDER BY ALL"):
        wanted, found = pushed(five, type_, username), shown(five, type_, username)
        assert sorted(wanted.keys() ^ found.keys()) == []
        apart = [key for key in wanted if not isclose(wanted[key], found[key], rel_tol=1e-9)]
        assert apart == []
        many += len(wanted)
    assert many > 0
