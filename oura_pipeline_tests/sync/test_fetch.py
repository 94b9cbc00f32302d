"""Who is asked, and what is learned of them by asking."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    HEARTRATE,
    PERSONAL_INFO,
    SLEEP,
    DocumentType,
)
from oura_pipeline.days import days_between
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.oura.pages import UnusableDocument
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import RateLimit
from oura_pipeline.sync.fetch import fetch_and_land, fetched_documents, people_to_fetch
from oura_pipeline.warehouse.landing import Landing
from oura_pipeline.warehouse.spool import Spool
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.testing.world import World, world
from oura_pipeline_tests.testing.worlds import cloud_with, world_with
from oura_pipeline_tests.warehouse.documents import night

cloud = cloud_with(people=3, days=5, end=date(2026, 6, 1))


made = world_with()


def ask_who_they_are(pipeline: Pipeline) -> dict[str, tuple[FetchStatus, str | None]]:
    """Ask everybody for the type that identifies; status and error by username."""
    fetched = fetch_and_land(
        pipeline,
        PERSONAL_INFO,
        people_to_fetch(pipeline),
        first_day=date.min,
        last_day=date.min,
        run_id="a run",
    )
    return {row.username: (row.status, row.error) for row in fetched.fetches}


def test_fetching_personal_info_identifies_a_person(made: World) -> None:
    """By the id that webhook events name them with."""
    for username in ("runa", "koa"):
        made.sign_in(username)
    with open_pipeline() as pipeline:
        assert {person.oura_id for person in pipeline.accounts.people.all()} == {None}
        ask_who_they_are(pipeline)
        ids = {person.username: person.oura_id for person in pipeline.accounts.people.all()}
    truth = {person["username"]: person["id"] for person in made.sandbox.people()}
    assert ids == {"runa": truth["runa"], "koa": truth["koa"]}


def test_two_people_with_one_oura_account_are_a_failure(made: World) -> None:
    """The second one's; nothing of it lands, and the first one keeps theirs."""
    made.sign_in("runa")
    answer = made.sandbox.sign_in("runa")
    with open_pipeline() as pipeline:
        ask_who_they_are(pipeline)
        pipeline.accounts.people.add("runa-again", SignIn(refresh_token=answer["refresh_token"]))
        asked = ask_who_they_are(pipeline)
        assert pipeline.accounts.people.get("runa-again").oura_id is None
        runa = pipeline.accounts.people.get("runa").id
    assert asked == {
        "runa": (FetchStatus.LANDED, None),
        "runa-again": (
            FetchStatus.FAILED,
            f"this Oura account is that of {runa} already; reconnect {runa} instead",
        ),
    }
    assert made.warehouse.usernames() == ["runa"]


def test_whoever_signs_in_with_another_account_than_before_is_refused(made: World) -> None:
    """Two people's documents must never land under one name."""
    made.sign_in("runa")
    answer = made.sandbox.sign_in("koa")
    with open_pipeline() as pipeline:
        ask_who_they_are(pipeline)
        pipeline.accounts.people.reconnect("runa", SignIn(refresh_token=answer["refresh_token"]))
        [(status, error)] = ask_who_they_are(pipeline).values()
    assert status is FetchStatus.FAILED
    assert error is not None
    assert error.startswith("this is another Oura account than before")


def test_who_disconnected_or_left_is_not_fetched(made: World) -> None:
    """Not even by name; who must sign in again is, so that the ledger says why."""
    for username in ("runa", "koa", "milo"):
        made.sign_in(username)
    made.sandbox.change_person("milo", revoke="all")
    with open_pipeline() as pipeline:
        ask_who_they_are(pipeline)
        pipeline.accounts.people.add("left", SignIn(refresh_token="none"))
        pipeline.accounts.removal.retire("left")
        pipeline.accounts.removal.disconnect("koa")
        asked = [person.username for person in people_to_fetch(pipeline)]
        by_name = [person.username for person in people_to_fetch(pipeline, ["milo", "koa", "left"])]
    assert (asked, by_name) == (["milo", "runa"], ["milo"])


def test_as_many_people_are_fetched_at_once_as_can_use_up_the_budget(made: World) -> None:
    """As many requests as the budget has for the half second that an answer may take."""
    with open_pipeline() as pipeline:

        def at_once(requests: int, share: float = 1.0) -> int:
            limited = {"rate_limit": RateLimit(requests, 300)}
            oura = pipeline.settings.oura.model_copy(update=limited)
            settings = pipeline.settings.model_copy(update={"oura": oura})
            return replace(pipeline, settings=settings, share=share).people_at_once

        assert [at_once(1), at_once(5000), at_once(12_000), at_once(10**9)] == [8, 8, 20, 48]
        assert at_once(12_000, share=0.5) == 10


def test_a_name_that_nobody_has_is_refused(made: World) -> None:
    made.sign_in("runa")
    with (
        open_pipeline() as pipeline,
        pytest.raises(UnknownPerson, match="there is no person 'x'; known are: runa"),
    ):
        people_to_fetch(pipeline, ["runa", "x"])


def test_a_part_that_is_no_page_fails_alone(made: World) -> None:
    """The question is asked in halves: four days, two and two, one each, of which one fails."""
    made.sign_in("runa")
    first, last = date(2026, 5, 28), date(2026, 5, 31)
    # The whole six times; both halves, and the first quarter, once.
    made.sandbox.fault("html", route="daily_activity", person="runa", count=6 + 2 + 1)
    with open_pipeline() as pipeline, stamina.set_testing(True, attempts=6):
        people = people_to_fetch(pipeline)
        fetched = fetch_and_land(
            pipeline, DAILY_ACTIVITY, people, first_day=first, last_day=last, run_id="a run"
        )
    assert [(row.day.day, row.status.value) for row in fetched.fetches] == [
        (28, "failed"),
        (29, "landed"),
        (30, "landed"),
        (31, "landed"),
    ]
    assert fetched.fetches[0].error is not None
    assert "is not JSON, or cut short" in fetched.fetches[0].error
    assert fetched.requests == 6 + 2 + 4
    second = first + timedelta(days=1)
    truth = made.truth("runa", DAILY_ACTIVITY, second, last)
    assert made.landed("runa", DAILY_ACTIVITY) == truth


def test_a_page_that_comes_right_costs_nothing(made: World) -> None:
    """After more failures than a question is repeated."""
    made.sign_in("runa")
    first, last = date(2026, 5, 28), date(2026, 5, 31)
    made.sandbox.fault("html", route="daily_activity", person="runa", count=7)
    with open_pipeline() as pipeline, stamina.set_testing(True, attempts=6):
        people = people_to_fetch(pipeline)
        fetched = fetch_and_land(
            pipeline, DAILY_ACTIVITY, people, first_day=first, last_day=last, run_id="a run"
        )
    assert {row.status.value for row in fetched.fetches} == {"landed"}
    assert made.landed("runa", DAILY_ACTIVITY) == made.truth("runa", DAILY_ACTIVITY, first, last)


class Landings(Warehouse):
    """A warehouse that notes what lands together."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.noted: list[tuple[Collection[str], date, date]] = []

    def land(self, document_type: DocumentType, spool: Spool, **request: Any) -> Landing:
        self.noted.append((request["usernames"], request["first_day"], request["last_day"]))
        return super().land(document_type, spool, **request)


def test_what_is_too_much_to_land_at_once_lands_in_pieces(tmp_path: Path) -> None:
    """But not where somebody has a row of an unknown day."""
    first, last = date(2026, 5, 5), date(2026, 6, 1)
    odd = UnusableDocument(None, None, "timestamp: expected `datetime`, got `null`", b"{}")
    with (
        running(SandboxOptions(people=2, days=28, end=last, live_rows=True)) as sandbox,
        world(tmp_path / "data", sandbox) as made,
    ):
        for username in ("runa", "koa"):
            made.sign_in(username)
        landings = Landings(made.warehouse.path)
        with open_pipeline() as opened:
            pipeline = replace(opened, warehouse=landings)
            people = people_to_fetch(pipeline)
            days = {"first_day": first, "last_day": last}
            # Nights first: they tell of which day a heart rate is.
            fetch_and_land(pipeline, SLEEP, people, **days, run_id="a run")
            landings.noted.clear()
            held = sum(
                len(made.sandbox.truth(person.username, HEARTRATE.name, first, last))
                for person in people
            )
            for unusable in ([], [odd]):
                with fetched_documents(pipeline, HEARTRATE, people, **days, run_id="a run") as rows:
                    rows.landed_bytes = 1  # each file by itself
                    rows.spool.set_aside("koa", unusable)
                    result = rows.land()
                assert sum(row.documents for row in result.fetches) == held
    for username, again in (("koa", 1), ("runa", 2)):
        pieces = [days_between(*ends) for who, *ends in landings.noted if who == [username]]
        assert len(pieces) >= 2 + again
        assert [day for piece in pieces for day in piece] == days_between(first, last) * 2
    assert landings.noted.count((["koa"], first, last)) == 1


def test_what_may_move_from_one_day_to_another_lands_together(made: World) -> None:
    """However much it is."""
    made.sign_in("runa")
    first, last = date(2026, 5, 28), date(2026, 6, 9)
    landings = Landings(made.warehouse.path)
    with open_pipeline() as opened:
        pipeline = replace(opened, warehouse=landings)
        people = people_to_fetch(pipeline)
        with fetched_documents(
            pipeline, SLEEP, people, first_day=first, last_day=last, run_id="a run"
        ) as nights:
            # The first fills a file, so that the second is in another.
            nights.spool.add("runa", [night(date(2026, 6, 3), pad="x" * 2_100_000)])
            nights.spool.add("runa", [night(date(2026, 6, 8))])
            assert len(nights.spool.spooled(["runa"])) == 2
            nights.landed_bytes = 1
            nights.land()
    assert landings.noted == [(["runa"], first, last)]


def test_the_day_of_who_they_are_is_today(made: World) -> None:
    made.sign_in("runa")
    with open_pipeline() as pipeline:
        ask_who_they_are(pipeline)
        [row] = pipeline.accounts.fetches.find(PERSONAL_INFO.name)
    assert row.day == datetime.now(UTC).date()
