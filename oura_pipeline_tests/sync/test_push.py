"""When another document of a sleep counts, Graphite gets it, on whatever day it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.warehouse.documents import RawDocument, january, land, night


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline that writes points to a file, with ada."""
    settings = settings_with(
        oura_pipeline_home=tmp_path, oura_client_id="id", oura_client_secret="secret"
    )
    with open_pipeline(settings) as made:
        made.accounts.people.add("ada", SignIn(refresh_token="ada"))
        yield made


def sleep(day: int, name: str, asleep: int, **more: Any) -> RawDocument:
    """One of two documents of the same sleep, from the evening of the second of January."""
    times = {"bedtime_start": "2026-01-02T20:00:00Z", "bedtime_end": "2026-01-03T04:00:00Z"}
    return night(january(day), id=name, total_sleep_duration=asleep, **times | more)


def land_and_push(pipeline: Pipeline, day: int, *documents: RawDocument) -> list[str]:
    """Let a day have these documents, push that day, and return what was sent of amounts."""
    log = pipeline.settings.storage.graphite_log_path
    before = len(log.read_text()) if log.exists() else 0
    land(pipeline.warehouse, SLEEP, {"ada": documents}, days=(day, day))
    push_documents(pipeline, SLEEP, ["ada"], [january(day)])
    new = log.read_text()[before:] if log.exists() else ""
    return [_readable(line) for line in new.splitlines() if "total_sleep_duration" in line]


def withdrawn(pipeline: Pipeline) -> list[str]:
    """Return which amounts Graphite keeps although they no longer count."""
    return [
        _readable(f"{entry.metric} - {time}")
        for entry in pipeline.accounts.pushes.withdrawn()
        for time in entry.times
        if "total_sleep_duration" in entry.metric
    ]


def _readable(line: str) -> str:
    metric, value, time = line.split()
    moment = datetime.fromtimestamp(int(time), UTC)
    return f"{metric.removeprefix('bio.ada.')} {value} {moment:%d %H:%M}"


def test_the_other_document_of_a_sleep_takes_its_place_on_its_own_day(pipeline: Pipeline) -> None:
    """The day on which it stands was never pushed, or is no longer; nobody asked for it."""
    first = "sleep.total_sleep_duration 20000 02 00:00"
    second = "sleep.total_sleep_duration 25000 03 00:00"
    assert land_and_push(pipeline, 3, sleep(3, "b", 25000)) == [second]
    assert land_and_push(pipeline, 2, sleep(2, "a", 20000)) == []
    assert land_and_push(pipeline, 3) == [first]
    assert withdrawn(pipeline) == ["sleep.total_sleep_duration - 03 00:00"]
    assert land_and_push(pipeline, 3, sleep(3, "b", 25000)) == [second]
    assert "sleep.total_sleep_duration - 02 00:00" in withdrawn(pipeline)
    assert land_and_push(pipeline, 3, sleep(3, "b", 25000)) == []


def test_a_pulse_of_255_changes_which_one_counts(pipeline: Pipeline) -> None:
    """The revised document loses its place to the other one, two days before it."""
    assert land_and_push(pipeline, 1, sleep(1, "a", 20000, lowest_heart_rate=50)) == [
        "sleep.total_sleep_duration 20000 01 00:00"
    ]
    more = sleep(3, "b", 25000, lowest_heart_rate=48)
    assert land_and_push(pipeline, 3, more) == ["sleep.total_sleep_duration 25000 03 00:00"]
    assert withdrawn(pipeline) == ["sleep.total_sleep_duration - 01 00:00"]
    assert land_and_push(pipeline, 3, sleep(3, "b", 25000, lowest_heart_rate=255)) == [
        "sleep.total_sleep_duration 20000 01 00:00"
    ]


def test_days_that_were_asked_for_are_sent_once_each(pipeline: Pipeline) -> None:
    """More than are read at once: those at the seam are neighbours of each other."""
    days = [january(1) + timedelta(days=n) for n in range(100)]
    documents = [night(day, id=str(day), time_in_bed=20000) for day in days]
    with pipeline.warehouse.spool(SLEEP) as spool:
        spool.add("ada", documents, True)
        pipeline.warehouse.land(
            SLEEP,
            spool,
            usernames=["ada"],
            first_day=days[0],
            last_day=days[-1],
            fetched_at=datetime(2026, 5, 1, tzinfo=UTC),
            run_id="run",
        )
    pushed = push_documents(pipeline, SLEEP, ["ada"], days)
    assert pushed.sent == 100
    assert set(pushed.points.values()) == {1}
