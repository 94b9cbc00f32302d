"""Two weeks with tokens that live a day: what goes wrong on the way loses nobody without need."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.database import Database
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.defs.token_renewal import due_for_renewal, renew_tokens
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.people.notify import send_pending
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline_tests.accounts.homes import alone
from oura_pipeline_tests.end_to_end import renewal_crashes
from oura_pipeline_tests.testing.http_sink import HttpSink, http_sink
from oura_pipeline_tests.testing.world import World, environment, sandbox_tokens, world

LAST = date(2026, 6, 1)
DAY = timedelta(days=1)
DAYS = 14
PEOPLE = ("koa", "milo", "runa")
PATIENCE = 12  # times that a day's question is repeated, as the sensor `gaps` would


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as made:
        yield made


@pytest.fixture
def weeks(empty_home: Path, tmp_path: Path, sink: HttpSink) -> Iterator[World]:
    """Three people who have just signed in, and an operator who is told."""
    settings = {"OURA_NOTIFY_URL": sink.url}
    with (
        running(SandboxOptions(people=3, days=5, end=LAST), process=True) as cloud,
        world(tmp_path / "data", cloud, settings=settings, begun=empty_home) as made,
    ):
        for username in PEOPLE:
            made.sign_in(username)
        cloud.reset_requests()
        yield made


def test_two_weeks_with_a_token_that_lives_a_day(weeks: World, sink: HttpSink) -> None:
    """Errors, silence, restarts and processes that are killed: nobody has to sign in again."""
    for kind in ("error", "gateway_timeout", "hang", "rate_limited"):
        weeks.sandbox.fault(kind, route="token", probability=0.05, count=None, seconds=0.01)
    for number in range(DAYS):
        a_day_passes(weeks, ours_too=number % 2 == 0)
        kill_somebody(weeks, number)
        with open_pipeline() as pipeline:
            if number % 4:
                renew(pipeline)
            with pipeline.warehouse.kept_open():
                assert until_it_landed(pipeline) <= PATIENCE
    with open_pipeline() as pipeline:
        assert states(pipeline) == dict.fromkeys(PEOPLE, PersonState.CONNECTED)
        assert send_pending(pipeline.accounts, pipeline.settings) == []
    asked = weeks.sandbox.requests()["token"]
    assert set(asked) == set(PEOPLE), "a token was shown twice"
    assert min(asked.values()) >= DAYS
    assert sink.bodies == []


def test_two_weeks_in_which_answers_are_lost(weeks: World, sink: HttpSink) -> None:
    """Whom Oura refuses must sign in again, nobody else; told why, and once."""
    lost: list[str] = []
    for number in range(DAYS):
        a_day_passes(weeks, ours_too=number % 2 == 0)
        lose_answers(weeks, number)
        with open_pipeline() as pipeline, pipeline.warehouse.kept_open():
            for username in PEOPLE:
                refused = [username] if refused_by_oura(weeks, pipeline, username) else []
                assert must_sign_in(pipeline) == refused
                assert send_pending(pipeline.accounts, pipeline.settings) == refused
                assert send_pending(pipeline.accounts, pipeline.settings) == []
                sign_in_again(weeks, pipeline)
                lost += refused
    assert set(lost) == set(PEOPLE), "the test has lost too little to say anything"
    assert sink.names == lost
    reasons = {re.sub(r"[\d:-]+ [\d:]+ UTC", "… UTC", body["reason"]) for body in sink.bodies}
    # The answer was lost when it was asked for, or when that was repeated at once.
    assert reasons == {
        "Oura refused to renew their tokens: Oura no longer accepts the sign-in (400: "
        "invalid_grant Token already used or revoked); sign in again",
        "a renewal of … UTC was interrupted and Oura refused to repeat it: Oura no longer accepts "
        "the sign-in (400: invalid_grant Token already used or revoked); sign in again",
    }


# There are two clocks. The sandbox's goes on by a day; ours is real, so what we know of the tokens
# grows a day older instead. Every second night it does not, as if Oura's clock went faster: then
# tokens are refused that should still work.
def a_day_passes(weeks: World, *, ours_too: bool) -> None:
    """At Oura, where every access token dies of it; and for what we know of them."""
    weeks.sandbox.forward(DAY.total_seconds())
    if not ours_too:
        return
    tokens = schema.tokens
    database = Database(f"sqlite:///{weeks.home / 'accounts.sqlite'}")
    with database.writing() as connection:
        for row in connection.execute(select(tokens)).all():
            older = {"expires_at": row.expires_at - DAY, "renewed_at": row.renewed_at - DAY}
            theirs = tokens.c.username == row.username
            connection.execute(update(tokens).where(theirs).values(older))
    database.close()


def kill_somebody(weeks: World, number: int) -> None:
    """Every third day, where it does no harm: a process that renews dies without a word."""
    if number % 3 != 1:
        return
    crash = renewal_crashes
    die = crash.die_before_the_request if number % 2 else crash.die_after_saving
    code = alone(die, settings_of(weeks), PEOPLE[number // 3 % 3])
    # What Oura answers to a process that would have asked may go wrong, too.
    assert code in ((-signal.SIGKILL,) if number % 2 else (-signal.SIGKILL, 1))


def settings_of(weeks: World) -> dict[str, str]:
    return {name: os.environ[name] for name in environment(weeks.home, weeks.sandbox)}


def renew(pipeline: Pipeline) -> None:
    """As every night."""
    people = pipeline.accounts.people.all([PersonState.CONNECTED])
    renew_tokens(pipeline, due_for_renewal(people, datetime.now(UTC)))


def until_it_landed(pipeline: Pipeline) -> int:
    """Ask for everybody until everybody has landed; how often that took."""
    for times in range(1, PATIENCE + 1):
        fetched = fetch_and_land(
            pipeline,
            DAILY_SLEEP,
            people_to_fetch(pipeline),
            first_day=LAST - DAY,
            last_day=LAST - DAY,
            run_id="a day",
        )
        if {row.status for row in fetched.fetches} == {FetchStatus.LANDED}:
            return times
    return PATIENCE + 1


def states(pipeline: Pipeline) -> dict[str, PersonState]:
    return {person.username: person.state for person in pipeline.accounts.people.all()}


def must_sign_in(pipeline: Pipeline) -> list[str]:
    lost = PersonState.SIGN_IN_REQUIRED
    return [name for name, state in states(pipeline).items() if state is lost]


def lose_answers(weeks: World, number: int) -> None:
    """Now and then anybody's; one day a certain one's, and one day that of a killed process."""
    weeks.sandbox.clear_faults()
    if number == 5:
        assert (
            alone(renewal_crashes.die_after_the_answer, settings_of(weeks), "koa")
            == -signal.SIGKILL
        )
    if number in (2, 7, 12):
        weeks.sandbox.fault("truncated", route="token", person=PEOPLE[number // 5])
        return
    for kind in ("reset", "truncated", "late"):
        weeks.sandbox.fault(kind, route="token", probability=0.02, count=None, seconds=0.01)


def refused_by_oura(weeks: World, pipeline: Pipeline, username: str) -> bool:
    """Ask for one person until it landed or we give up; whether Oura, not we, has refused them."""
    for _ in range(PATIENCE):
        person = pipeline.accounts.people.get(username)
        fetched = fetch_and_land(
            pipeline,
            DAILY_SLEEP,
            [person],
            first_day=LAST - DAY,
            last_day=LAST - DAY,
            run_id="a day",
        )
        if fetched.fetches[0].status is FetchStatus.LANDED or must_sign_in(pipeline):
            # The sandbox does not know whose a token was that it has used up: "-".
            asked = weeks.sandbox.requests().get("token", {})
            weeks.sandbox.reset_requests()
            return "-" in asked
    raise AssertionError(f"{username} neither landed nor was refused")


def sign_in_again(weeks: World, pipeline: Pipeline) -> None:
    """Whoever has to, as on the site."""
    for username in must_sign_in(pipeline):
        weeks.sandbox.clear_faults()
        pipeline.accounts.people.reconnect(username, sandbox_tokens(weeks.sandbox, username))
