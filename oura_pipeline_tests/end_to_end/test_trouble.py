"""One person's trouble stays that person's; everybody's trouble is red."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DAILY_RESILIENCE, DAILY_SLEEP, DOCUMENT_TYPES
from oura_pipeline.defs.person_ids import with_usernames
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.world import World, failures, metadata, red_checks, reported

FIRST = LAST - timedelta(days=2)
SOME = ["daily_sleep", "daily_resilience", "sleep", "heartrate", "personal_info"]
# One document type of each way in which they are asked for, dated and sent.
KINDS = [
    *{
        (row.ask, row.partitioned, row.daily, bool(row.variants), row.dated_by_offset): row.name
        for row in DOCUMENT_TYPES
    }.values()
]


@pytest.fixture
def troubled(own_world: World) -> World:
    """Two healthy people, a dead token, a missing scope, a lapsed membership."""
    cloud = own_world.sandbox
    without_stress = [scope for scope in ALL_SCOPES.split() if scope != "stress"]
    for username in ("runa", "koa", "milo", "sione"):
        own_world.sign_in(username)
    own_world.sign_in("asha", without_stress)
    cloud.change_person("milo", revoke="all")
    cloud.change_person("sione", membership=False)
    return own_world


def test_the_others_land_and_the_checks_name_the_three(troubled: World) -> None:
    """A revoked token, a scope that was not granted and a lapse stop nobody else."""
    result = troubled.run(FIRST, LAST, types=SOME)
    assert result.success
    for username in ("runa", "koa"):
        for row in (DAILY_SLEEP, DAILY_RESILIENCE):
            assert troubled.landed(username, row) == troubled.truth(username, row, FIRST, LAST)
    red = red_checks(result)
    resilience = red["oura/daily_resilience", "every_person_landed"]
    assert named(troubled, resilience) == ["asha", "milo", "sione"]
    assert "stress" in resilience
    assert "sign" in resilience
    assert "membership" in resilience
    sleep = red["oura/daily_sleep", "every_person_landed"]
    assert named(troubled, sleep) == ["milo", "sione"]
    assert metadata(result, ["oura", "daily_resilience"], "people_not_granted") == {
        (FIRST + timedelta(days=n)).isoformat(): 1 for n in range(3)
    }


def named(made: World, description: str) -> list[str]:
    """Return the usernames of those whom the lines of a check are about."""
    with made.accounts() as accounts:
        text = with_usernames(description, accounts.people.usernames_by_id())
    return sorted(line.split(":")[0] for line in text.splitlines())


def test_the_ledger_knows_who_and_why(troubled: World) -> None:
    """Not granted is neither failed nor empty; a dead refresh token asks for a new sign-in."""
    troubled.fetch(LAST, LAST, types=["daily_resilience"])
    with troubled.accounts() as accounts:
        rows = accounts.fetches.find("daily_resilience", first_day=LAST, last_day=LAST)
        states = {person.username: person.state for person in accounts.people.all()}
    assert {row.username: row.status for row in rows} == {
        "runa": FetchStatus.LANDED,
        "koa": FetchStatus.LANDED,
        "milo": FetchStatus.FAILED,
        "asha": FetchStatus.NOT_GRANTED,
        "sione": FetchStatus.FAILED,
    }
    assert [name for name, state in states.items() if state is not PersonState.CONNECTED] == [
        "milo"
    ]


def test_what_failed_leaves_what_stood(own_world: World) -> None:
    """An answer that breaks off half-way lands nothing and deletes nothing."""
    own_world.sign_in("runa")
    own_world.sign_in("koa")
    own_world.fetch(FIRST, LAST, types=["heartrate"])
    rows = "SELECT username, count(*) FROM oura.heartrate GROUP BY ALL ORDER BY ALL"
    before = own_world.warehouse.query(rows)
    assert [username for username, _ in before] == ["koa", "runa"]
    own_world.sandbox.fault("repeated_token", route="heartrate", person="runa", count=50)
    result = own_world.run(FIRST, LAST, types=["heartrate"])
    assert result.success
    assert list(red_checks(result)) == [("oura/heartrate", "every_person_landed")]
    assert own_world.warehouse.query(rows) == before


def test_a_route_that_fails_for_everybody_is_red_and_alone(own_world: World) -> None:
    """The asset fails and says why; other document types land all the same."""
    own_world.sign_in("runa")
    own_world.sign_in("koa")
    for username in ("runa", "koa"):
        own_world.sandbox.change_person(username, membership=False)
    result = own_world.run(FIRST, LAST, types=["daily_sleep", "personal_info"])
    failed = set(failures(result))
    assert failed == {"daily_sleep"}
    assert list(metadata(result, ["oura", "personal_info"], "dagster/row_count").values()) == [2]


def test_passing_faults_are_not_even_noticed(own_world: World) -> None:
    """Errors, truncation, resets and an HTML 504 are retried within the run."""
    own_world.sign_in("runa")
    for kind in ("error", "gateway_timeout", "reset", "truncated"):
        own_world.sandbox.fault(kind, route="*", person="runa", count=1)
    result = own_world.run(FIRST, LAST, types=SOME)
    assert result.success
    assert red_checks(result) == {}


def test_nobody_signed_in_is_no_failure(own_world: World) -> None:
    """Absence is not an error: everything is materialized with nothing in it."""
    result = own_world.run(LAST, LAST, types=KINDS)
    assert result.success
    rows = metadata(result, ["oura", "sleep"], "dagster/partition_row_count")
    assert rows == {LAST.isoformat(): 0}
    made = [event for event in reported(result) if isinstance(event, dg.AssetMaterialization)]
    assert len(made) == 2 * len(KINDS)


def test_people_can_be_chosen_for_a_run(own_world: World) -> None:
    """The resource's config names them; an empty list means everybody."""
    own_world.sign_in("runa")
    own_world.sign_in("koa")
    own_world.run(LAST, LAST, types=["daily_sleep"], people=["koa"])
    assert own_world.warehouse.usernames() == ["koa"]
    own_world.run(LAST, LAST, types=["daily_sleep"])
    assert own_world.warehouse.usernames() == ["koa", "runa"]


def test_somebody_who_leaves_during_a_run_stops_nobody(own_world: World) -> None:
    """Their answer is dropped, the others' lands."""
    own_world.sign_in("runa")
    own_world.sign_in("koa")
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline)
        pipeline.accounts.removal.delete("koa")
        fetched = fetch_and_land(
            pipeline, DAILY_SLEEP, people, first_day=FIRST, last_day=LAST, run_id="a run"
        )
    assert [answer.username for answer in fetched.results] == ["runa"]
    assert own_world.landed("runa", DAILY_SLEEP) == own_world.truth(
        "runa", DAILY_SLEEP, FIRST, LAST
    )
