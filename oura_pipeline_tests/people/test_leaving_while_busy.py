"""Somebody leaves while other processes fetch, land and push: nothing of theirs comes back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta

import pytest

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.catalog.document_types import DAILY_SLEEP, WORKOUT
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.people.leave import delete_everything, leave
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.fetch import FetchResult, fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.testing.world import World
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

LAST = date(2026, 6, 1)
FIRST = LAST - timedelta(days=2)
DAYS = [FIRST, FIRST + timedelta(days=1), LAST]


cloud = cloud_with(people=2, days=6, end=LAST + timedelta(days=1))


made = world_with("runa", "koa")


def fetch(pipeline: Pipeline) -> FetchResult:
    return fetch_and_land(
        pipeline,
        DAILY_SLEEP,
        people_to_fetch(pipeline),
        first_day=FIRST,
        last_day=LAST,
        run_id="a run",
    )


def graphite_log(made: World) -> str:
    return (made.home / "graphite.log").read_text(encoding="utf-8")


def test_what_was_fetched_before_they_left_does_not_land_afterwards(made: World) -> None:
    """The run goes on for everybody else."""
    made.sandbox.fault("slow", route="daily_sleep", person="koa", seconds=2, count=1)
    done: list[FetchResult] = []
    with open_pipeline() as pipeline:
        run = threading.Thread(target=lambda: done.append(fetch(pipeline)))
        run.start()
        wait_for_requests(made, "runa")
        delete_everything(pipeline, "runa")
        run.join(60)
        [fetched] = done
        assert {row.username for row in fetched.fetches} == {"koa"}
        assert {row.status for row in fetched.fetches} == {FetchStatus.LANDED}
    assert made.warehouse.usernames() == ["koa"]


def wait_for_requests(made: World, username: str) -> None:
    """Until somebody's documents were asked for."""
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while username not in made.sandbox.requests().get("daily_sleep", {}):
        assert datetime.now(UTC) < deadline


@pytest.mark.parametrize(
    "busy",
    [lambda p: p.landing(WORKOUT), lambda p: p.pushing(WORKOUT), lambda p: p.exporting()],
    ids=["landing", "writing points", "exporting"],
)
def test_whoever_deletes_waits_for_what_is_being_written(
    made: World, busy: Callable[[Pipeline], AbstractContextManager[None]]
) -> None:
    """Only then is everything there that is to be deleted."""
    with open_pipeline() as pipeline:
        with busy(pipeline):
            deletion = threading.Thread(target=delete_everything, args=(pipeline, "runa"))
            deletion.start()
            deletion.join(1)
            assert deletion.is_alive()
            assert pipeline.accounts.people.get("runa").state is PersonState.RETIRED
        deletion.join(60)
        assert [person.username for person in pipeline.accounts.people.all()] == ["koa"]


def test_nothing_is_pushed_of_somebody_who_has_left(made: World) -> None:
    """Their documents may have been read for it already; the others' points are sent."""
    with open_pipeline() as pipeline:
        fetch(pipeline)
        leave(pipeline, "runa")
        push_documents(pipeline, DAILY_SLEEP, ["runa", "koa"], DAYS)
    assert "bio.koa." in graphite_log(made)
    assert "bio.runa." not in graphite_log(made)


def test_nobody_inherits_a_username(made: World) -> None:
    """It is free again once Graphite holds nothing under it."""
    someone = SignIn(refresh_token="a refresh token of somebody else")
    with open_pipeline() as pipeline:
        people, removal = pipeline.accounts.people, pipeline.accounts.removal
        delete_everything(pipeline, "runa")
        assert b"runa" not in (made.home / "accounts.sqlite").read_bytes()
        with pytest.raises(PersonRefused, match=r"^runa belonged to somebody who has left, and "):
            people.add("runa", someone)
        assert removal.release(["koa", "runa"]) == 0
        with pytest.raises(PersonRefused):
            people.add("runa", someone)
        assert removal.release(["koa"]) == 1
        assert people.add("runa", someone).username == "runa"


def test_a_file_that_others_read_is_scrubbed_later(made: World) -> None:
    """Until then somebody knows that it is to be done."""
    with open_pipeline() as pipeline:
        removal = pipeline.accounts.removal
        delete_everything(pipeline, "runa")
        assert removal.unscrubbed_since() is None
        with sqlite3.connect(made.home / "accounts.sqlite") as accounts:
            accounts.execute("UPDATE former_usernames SET scrubbed = 0")
        accounts.close()
        assert removal.unscrubbed_since() is not None
        assert removal.scrub()
        assert removal.unscrubbed_since() is None


def test_a_deletion_that_is_late_is_said(made: World) -> None:
    """To the operator, once, after five minutes."""
    with open_pipeline() as pipeline:
        people = pipeline.accounts.people
        leave(pipeline, "runa")
        assert people.to_notify() == []
        with sqlite3.connect(made.home / "accounts.sqlite") as accounts:
            accounts.execute(
                "UPDATE people SET state_since = '2026-06-01 00:00:00' WHERE username = 'runa'"
            )
        accounts.close()
        [late] = people.to_notify()
        assert (late.username, late.deletion_is_late(datetime.now(UTC))) == ("runa", True)
        people.mark_notified(["runa"])
        assert people.to_notify() == []
