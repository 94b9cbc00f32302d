"""What history asks for next, that a run for it brings it on, and a sync for who wants one now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES, WORKOUT
from oura_pipeline.days import days_between
from oura_pipeline.defs.new_people import (
    CLOCKS_DIFFER_BY,
    LOOK_AT_ALL_AFTER,
    PARTITIONED,
    SNAPSHOTS,
    Chunk,
    complete_since,
    first_chunks,
    history_request,
    next_chunks,
    people_to_sync,
    remembered_syncs,
)
from oura_pipeline.defs.partitions import daily_partitions
from oura_pipeline.defs.schedules import days_back
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.history import find_first_day, learn_first_days
from oura_pipeline_tests.testing.world import World, sandbox_tokens, world
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

NEWEST = date(2026, 6, 11)
START = date(2026, 1, 1)
NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
EVERYTHING = (*PARTITIONED, *SNAPSHOTS)


def chunk(
    first: date | str,
    last: date | str,
    *,
    people: tuple[str, ...] = ("ada",),
    types: tuple[str, ...] = PARTITIONED,
    newcomers: bool = False,
) -> Chunk:
    return Chunk(
        newcomers=newcomers,
        first_day=date.fromisoformat(str(first)),
        last_day=date.fromisoformat(str(last)),
        people=people,
        document_types=types,
    )


def asked_since(
    day: str, username: str = "ada", types: tuple[str, ...] = EVERYTHING
) -> dict[tuple[str, str], date]:
    """A ledger whose earliest rows of a person are of this day."""
    return {(username, name): date.fromisoformat(day) for name in types}


def following(
    first_asked: dict[tuple[str, str], date], *people: str, start: date = START
) -> list[Chunk]:
    starts = dict.fromkeys(people or ["ada"], start)
    return next_chunks(starts, first_asked, newest=NEWEST, at_most=500)


def test_whoever_signs_in_is_asked_for_everything_of_the_newest_ninety_days() -> None:
    """The current states too, which have no days."""
    assert following({}) == [chunk("2026-03-14", NEWEST, types=EVERYTHING, newcomers=True)]


def test_history_goes_on_before_the_first_day_that_was_asked() -> None:
    """Whoever asked for it: the daily run may have been there first."""
    assert following(asked_since("2026-06-05")) == [chunk("2026-03-07", "2026-06-04")]


def test_history_ends_with_its_first_day() -> None:
    """The last run is shorter, and after it there is nothing."""
    assert following(asked_since("2026-01-11")) == [chunk("2026-01-01", "2026-01-10")]
    assert following(asked_since("2026-01-02")) == [chunk("2026-01-01", "2026-01-01")]
    assert following(asked_since("2026-01-01")) == []


def test_history_that_begins_earlier_now_is_asked_for() -> None:
    """Nothing was written down as finished."""
    found = following(asked_since("2026-01-01"), start=date(2025, 12, 1))
    assert found == [chunk("2025-12-01", "2025-12-31")]


def test_nobody_is_no_history() -> None:
    assert next_chunks({}, {}, newest=NEWEST, at_most=500) == []


def test_history_of_each_person_ends_where_it_begins_for_them() -> None:
    """Whoever got their ring in May has nothing before it."""
    starts = {"ada": START, "bo": date(2026, 5, 20)}
    ledger = asked_since("2026-06-05", "bo") | asked_since("2026-06-05", "ada")
    assert next_chunks(starts, ledger, newest=NEWEST, at_most=500) == [
        chunk("2026-03-07", "2026-06-04", people=("ada",)),
        chunk("2026-05-20", "2026-06-04", people=("bo",)),
    ]
    since = asked_since("2026-03-14", "bo")
    assert next_chunks({"bo": NEWEST}, since, newest=NEWEST, at_most=500) == []


def test_people_who_are_as_far_share_a_run() -> None:
    ledger = asked_since("2026-06-05", "bo") | asked_since("2026-06-05", "ada")
    assert following(ledger, "bo", "ada") == [
        chunk("2026-03-07", "2026-06-04", people=("ada", "bo"))
    ]


def test_newcomers_come_first_and_then_the_newest_days() -> None:
    """Whoever signs in sees something soon; what is years ago can wait."""
    ledger = asked_since("2026-02-01", "ada") | asked_since("2026-05-01", "bo")
    assert [(found.people, found.last_day) for found in following(ledger, "ada", "bo", "cy")] == [
        (("cy",), NEWEST),
        (("bo",), date(2026, 4, 30)),
        (("ada",), date(2026, 1, 31)),
    ]


def test_newcomers_come_before_everybodys_new_document_type() -> None:
    """Though both are asked for the newest days."""
    ledger = asked_since("2026-01-01", types=EVERYTHING[1:])
    assert [(found.people, found.document_types) for found in following(ledger, "ada", "bo")] == [
        (("bo",), EVERYTHING),
        (("ada",), EVERYTHING[:1]),
    ]


def test_a_type_that_was_never_asked_is_asked_alone() -> None:
    """It is new in the table, or was granted later: the others are not asked once more."""
    ledger = asked_since("2026-01-01", types=EVERYTHING[1:])
    assert following(ledger) == [chunk("2026-03-14", NEWEST, types=EVERYTHING[:1])]


def test_a_type_that_is_behind_catches_up_and_then_all_go_on_together() -> None:
    """A run that died half-way has asked for some types only."""
    late, rest = PARTITIONED[:2], PARTITIONED[2:]
    ledger = asked_since("2026-05-01", types=(*rest, *SNAPSHOTS)) | asked_since(
        "2026-06-01", types=late
    )
    assert following(ledger) == [chunk("2026-05-01", "2026-05-31", types=late)]
    ledger |= asked_since("2026-05-01", types=late)
    assert following(ledger) == [chunk("2026-01-31", "2026-04-30")]


def test_a_state_that_was_never_asked_comes_with_the_next_run() -> None:
    ledger = asked_since("2026-06-05", types=PARTITIONED)
    assert following(ledger) == [chunk("2026-03-07", "2026-06-04", types=EVERYTHING)]


def test_more_people_than_fit_become_several_runs() -> None:
    """Somebody who signs in meanwhile does not wait for the last of ten thousand."""
    people = [f"p{number:05}" for number in range(500 * 2 + 1)]
    found = following({}, *people)
    assert [len(one.people) for one in found] == [500, 500, 1]
    assert sorted(name for one in found for name in one.people) == people


def test_run_after_run_every_day_is_asked_for_once() -> None:
    """From the newest to the first day of history, whatever happened in between."""
    ledger = asked_since("2026-06-09", types=PARTITIONED[:3])
    asked: dict[str, list[date]] = {name: [] for name in PARTITIONED}
    asked |= {name: [date(2026, 6, 9)] for name in PARTITIONED[:3]}
    for _ in range(20):
        found = following(ledger)
        if not found:
            break
        [one] = found
        span = (one.last_day - one.first_day).days + 1
        assert span <= 90
        for name in one.document_types:
            ledger["ada", name] = one.first_day
            if name in asked:
                asked[name] += [one.last_day - timedelta(days=number) for number in range(span)]
    whole = [NEWEST - timedelta(days=number) for number in range((NEWEST - START).days + 1)]
    known = date(2026, 6, 9)
    assert following(ledger) == []
    assert asked == {
        name: [known, *(day for day in whole if day < known)] if name in PARTITIONED[:3] else whole
        for name in PARTITIONED
    }


SINCE = {"ada": NOW - timedelta(days=1), "bo": NOW - timedelta(days=2)}
BOTH = chunk("2026-06-01", "2026-06-04", people=("ada", "bo"), types=("sleep", "personal_info"))


def test_a_run_of_history_is_for_the_days_the_people_and_the_types() -> None:
    """Documents and points, at a share of the budget; one such run works at a time."""
    asked = history_request(BOTH, SINCE, NOW, 0.4)
    assert asked.run_config == {
        "ops": {
            "sync_documents": {
                "config": {
                    "first_day": "2026-06-01",
                    "last_day": "2026-06-04",
                    "document_types": ["sleep", "personal_info"],
                    "publish": False,
                }
            }
        },
        "resources": {"pipeline": {"config": {"people": ["ada", "bo"], "share": 0.4}}},
    }
    assert asked.tags == {
        "oura_pipeline/days": "2026-06-01 to 2026-06-04",
        "oura_pipeline/history": "new_people",
        "oura_pipeline/turn": "1",
    }
    assert "ada" not in (asked.run_key or "")


def key_of(one: Chunk, since: dict[str, datetime] = SINCE, now: datetime = NOW) -> str | None:
    return history_request(one, since, now, 0.5).run_key


def test_a_run_of_history_is_repeated_only_when_an_hour_has_passed() -> None:
    """Its ledger was never written, or it would not be asked for again."""
    assert key_of(BOTH, now=NOW + timedelta(minutes=59)) == key_of(BOTH)
    assert key_of(BOTH, now=NOW + timedelta(minutes=60)) != key_of(BOTH)


@pytest.mark.parametrize(
    "change",
    [
        {"first_day": date(2026, 5, 31)},
        {"last_day": date(2026, 6, 5)},
        {"people": ("ada",)},
        {"document_types": ("sleep",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_history_is_another_run(change: dict[str, Any]) -> None:
    assert key_of(replace(BOTH, **change)) != key_of(BOTH)


def test_the_same_name_after_a_new_sign_in_is_another_run() -> None:
    """Somebody left and somebody came within the hour."""
    assert key_of(BOTH, SINCE | {"ada": NOW}) != key_of(BOTH)


def person(username: str, asked: datetime | None = None) -> Person:
    return Person(
        username=username,
        id=f"p-{username}",
        oura_id=None,
        name=None,
        scopes=None,
        state=PersonState.CONNECTED,
        connected_since=NOW,
        renewed_at=None,
        expires_at=None,
        token_url=None,
        error=None,
        joined_at=NOW,
        state_since=NOW,
        sync_asked_at=asked,
        notified_at=None,
    )


@pytest.mark.parametrize("cursor", [None, "", "{", "[1]", "7", "2026-06-10"])
def test_a_cursor_that_cannot_be_read_remembers_nothing(cursor: str | None) -> None:
    """Whoever pressed the button within the day gets a sync once more, and no tick fails."""
    assert remembered_syncs(cursor) == {}


def test_whoever_asks_for_a_sync_gets_one() -> None:
    """And another one each time they ask."""
    people = [person("ada", NOW), person("bo"), person("cy", NOW - timedelta(hours=1))]
    due, remembered = people_to_sync(people, {}, NOW)
    assert [one.username for one in due] == ["ada", "cy"]
    assert people_to_sync(people, remembered, NOW) == ([], remembered)
    later = NOW + timedelta(minutes=5)
    [again], remembered = people_to_sync([person("ada", later), *people[1:]], remembered, later)
    assert again.username == "ada"
    assert set(remembered) == {"p-ada", "p-cy"}


def test_whoever_asked_earlier_and_is_seen_later_is_not_forgotten() -> None:
    """Two pages may store what was asked in another order than it was asked."""
    _, remembered = people_to_sync([person("ada", NOW)], {}, NOW)
    earlier = person("bo", NOW - timedelta(milliseconds=5))
    assert people_to_sync([person("ada", NOW), earlier], remembered, NOW)[0] == [earlier]


def test_what_was_asked_a_day_ago_is_forgotten() -> None:
    """The daily run came in between, and the memory does not grow."""
    people = [person("ada", NOW - timedelta(hours=24))]
    assert people_to_sync(people, {"earlier": "time"}, NOW) == ([], {})


# The sensors, before a sandbox.

TODAY = days_back(daily_partitions(START), datetime.now(UTC), 1)[1]
HISTORY_START = TODAY - timedelta(days=99)


cloud = cloud_with(people=2, days=20, end=TODAY, thin=20)


made = world_with("koa", OURA_HISTORY_START=HISTORY_START.isoformat())


def tick(made: World, name: str = "new_people", cursor: str | None = None) -> Any:
    """What a sensor says now."""
    with (
        project_instance() as instance,
        dg.build_sensor_context(
            instance=instance, definitions=made.definitions, cursor=cursor
        ) as context,
    ):
        return made.definitions.resolve_sensor_def(name)(context)


# These types are fetched. Of all others the ledger is told what a run would have told it: they are
# worked on alike, and each takes as long as the next.
FETCHED = {"daily_sleep", "workout", "personal_info"}


def work(made: World, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Run what a sensor asked for, as Dagster would, but for the points and most types."""
    first, last = map(date.fromisoformat, asked_days(request))
    [person_id] = request.run_config["resources"]["pipeline"]["config"]["people"]
    with made.accounts() as accounts:
        username = accounts.people.usernames_by_id()[person_id]
    write_down(made, username, names(request) - FETCHED, first, last)
    asked = request.run_config["ops"]["sync_documents"]["config"]
    wanted = {**asked, "document_types": sorted(FETCHED & names(request))}
    with project_instance() as instance:
        return made.definitions.resolve_job_def("sync").execute_in_process(
            instance=instance,
            tags=request.tags,
            run_config={
                **request.run_config,
                "ops": {"sync_documents": {"config": wanted}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )


def write_down(
    made: World,
    username: str,
    types: Iterable[str],
    first: date,
    last: date,
    **status: FetchStatus,
) -> None:
    """Tell the ledger that Oura was asked for these types and days, and had nothing."""
    with made.accounts() as accounts:
        accounts.fetches.record(
            [
                Fetch(
                    username=username,
                    document_type=name,
                    day=day,
                    status=status.get(name, FetchStatus.EMPTY),
                    run_id="run-1",
                    at=datetime.now(UTC),
                )
                for name in types
                for day in days_between(first, last)
            ]
        )


def asked_days(request: dg.RunRequest) -> tuple[str, str]:
    asked = request.run_config["ops"]["sync_documents"]["config"]
    return asked["first_day"], asked["last_day"]


def names(request: dg.RunRequest) -> set[str]:
    return {*request.run_config["ops"]["sync_documents"]["config"]["document_types"]}


def test_history_is_asked_for_until_it_is_there(made: World) -> None:
    """Two runs for a hundred days: the second one goes on where the first one ended."""
    [first] = tick(made).run_requests
    assert asked_days(first) == (str(TODAY - timedelta(days=89)), str(TODAY))
    assert names(first) == {*PARTITIONED, *SNAPSHOTS}
    assert work(made, first).success
    [second] = tick(made).run_requests
    assert asked_days(second) == (str(HISTORY_START), str(TODAY - timedelta(days=90)))
    assert names(second) == set(PARTITIONED)
    assert work(made, second).success
    said = tick(made)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "The history of everybody who is connected is complete."
    with made.accounts() as accounts:
        assert accounts.fetches.missing() == []
        known = accounts.overview.first_asked(["koa"])
        assert accounts.people.get("koa").oura_id
    assert {known["koa", name] for name in PARTITIONED} == {HISTORY_START}


def evaluated(made: World, cursor: str | None = None) -> Any:
    """What Dagster learns of a tick of the sensor that fetches history."""
    with (
        project_instance() as instance,
        dg.build_sensor_context(
            instance=instance, definitions=made.definitions, cursor=cursor
        ) as context,
    ):
        return made.definitions.resolve_sensor_def("new_people").evaluate_tick(context)


def test_for_ten_minutes_only_who_signed_in_since_is_looked_at(made: World) -> None:
    """What somebody was asked for takes nineteen searches; of ten thousand people, seconds."""
    with made.accounts() as accounts:
        accounts.people.set_first_day(["koa"], TODAY)
    write_down(made, "koa", (*PARTITIONED, *SNAPSHOTS), TODAY, TODAY)
    complete = evaluated(made)
    assert not complete.run_requests
    digest, moment = json.loads(complete.cursor)

    # Of those who signed in longer ago than clocks differ there could be more by now.
    later = datetime.fromisoformat(moment) + CLOCKS_DIFFER_BY
    settings = load_settings()
    with made.accounts() as accounts:
        accounts.people.set_first_day(["koa"], None)
    assert first_chunks(settings, TODAY)[1] == 1
    assert first_chunks(settings, TODAY, connected_after=later) == ([], 0)
    with made.accounts() as accounts:
        connected = accounts.people.get("koa").connected_since
    assert first_chunks(settings, TODAY, connected_after=connected)[1] == 1

    # What was remembered stands for ten minutes, and for what was to be fetched.
    now = later + timedelta(minutes=5)
    for text, since in {
        complete.cursor: datetime.fromisoformat(moment),
        json.dumps([digest, (now - LOOK_AT_ALL_AFTER).isoformat()]): None,
        json.dumps([digest, (now + timedelta(seconds=1)).isoformat()]): None,
        json.dumps(["of other document types", moment]): None,
        **dict.fromkeys(["", "{", "[]", "7", json.dumps([digest, None])]),
    }.items():
        assert complete_since(text, settings, now) == since, text
    assert complete_since(None, settings, now) is None
    oura = settings.oura.model_copy(update={"history_start": date(2015, 1, 1)})
    sooner = settings.model_copy(update={"oura": oura})
    assert complete_since(complete.cursor, sooner, now) is None

    # Koa has signed in a moment ago, and is looked at; what is requested ends what was remembered.
    asked = evaluated(made, complete.cursor)
    assert len(asked.run_requests) == 1
    assert not asked.cursor


@pytest.fixture
def newcomer(empty_home: Path, tmp_path: Path) -> Iterator[World]:
    """Nils, whose ring is three weeks old, with years of history to go through."""
    options = SandboxOptions(people=1, awkward=True, days=200, end=TODAY, thin=20)
    settings = {"OURA_HISTORY_START": "2015-01-01"}
    with (
        running(options) as cloud,
        world(tmp_path / "data", cloud, settings=settings, begun=empty_home) as made,
    ):
        yield made


def test_history_ends_before_the_first_ring(newcomer: World) -> None:
    """One run, instead of one for each quarter since 2015."""
    newcomer.sign_in("nils")
    [request] = tick(newcomer).run_requests
    assert work(newcomer, request).success
    with newcomer.accounts() as accounts:
        assert accounts.people.get("nils").first_day == TODAY - timedelta(days=20 + 30)
    said = tick(newcomer)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "The history of everybody who is connected is complete."
    held = {
        document_type.name: newcomer.truth("nils", document_type)
        for document_type in DOCUMENT_TYPES
        if document_type.partitioned
    }
    earliest = min(day for entries in held.values() for day, _ in entries)
    assert date.fromisoformat(earliest) >= TODAY - timedelta(days=20 + 30)
    for document_type in (DAILY_SLEEP, WORKOUT):
        assert newcomer.landed("nils", document_type) == held[document_type.name] != []


def test_history_ends_before_the_first_data_of_those_who_granted_less(newcomer: World) -> None:
    """As far as that is enough to know; else it goes back as far as the settings say."""
    expected = {
        ("daily",): TODAY - timedelta(days=20 + 30),
        ("daily", "heartrate"): TODAY - timedelta(days=20 + 30),
        # The dates of two rings are unknown, and heart rate may be of theirs.
        ("heartrate", "ring_configuration"): None,
        ("workout",): None,
    }
    newcomer.sign_in("nils")
    with open_pipeline() as pipeline:
        for scopes, first_day in expected.items():
            signed_in = sandbox_tokens(newcomer.sandbox, "nils", scopes)
            person = pipeline.accounts.people.reconnect("nils", replace(signed_in, scopes=scopes))
            assert find_first_day(pipeline, person) == first_day, scopes


def test_when_oura_does_not_answer_history_goes_on_and_it_is_asked_again(newcomer: World) -> None:
    """Nothing is concluded from silence."""
    newcomer.sign_in("nils")
    newcomer.sandbox.fault("no_data", route="workout", count=None)
    with open_pipeline() as pipeline:
        learn_first_days(pipeline, pipeline.accounts.people.all())
        assert pipeline.accounts.people.get("nils").first_day is None
    newcomer.sandbox.clear_faults()
    with open_pipeline() as pipeline:
        learn_first_days(pipeline, pipeline.accounts.people.all())
        assert pipeline.accounts.people.get("nils").first_day == TODAY - timedelta(days=20 + 30)
        newcomer.sandbox.reset_requests()
        learn_first_days(pipeline, pipeline.accounts.people.all())
    assert newcomer.sandbox.requests() == {}


def test_documents_before_the_first_day_bring_history_back(newcomer: World) -> None:
    """An import: Oura says so, the gap is filled, and what is earlier still is found."""
    newcomer.sign_in("nils")
    with open_pipeline() as pipeline:
        learn_first_days(pipeline, pipeline.accounts.people.all())
        learned = pipeline.accounts.people.get("nils").first_day
    assert learned == TODAY - timedelta(days=20 + 30)
    write_down(newcomer, "nils", EVERYTHING, learned, TODAY)
    assert isinstance(tick(newcomer), dg.SkipReason)
    old = TODAY - timedelta(days=400)
    newcomer.sandbox.add("nils", "workout", day=str(old - timedelta(days=90)), notify=False)
    newcomer.sandbox.add("nils", "workout", day=str(old), notify=False)
    assert newcomer.run(old, old, types=["workout"]).success
    with newcomer.accounts() as accounts:
        assert accounts.people.get("nils").first_day is None
        start = date(2015, 1, 1)
        assert accounts.people.get("nils").history_start(start) == start
    assert tick(newcomer).run_requests
    with open_pipeline() as pipeline:
        learn_first_days(pipeline, pipeline.accounts.people.all())
        found = pipeline.accounts.people.get("nils").first_day
    assert found == old - timedelta(days=90 + 30)


def test_a_scope_that_is_granted_later_brings_its_history(made: World) -> None:
    """What was not granted is forgotten then, so nobody asked for it yet."""
    write_down(made, "koa", EVERYTHING, HISTORY_START, TODAY, workout=FetchStatus.NOT_GRANTED)
    assert isinstance(tick(made), dg.SkipReason)
    with made.accounts() as accounts:
        accounts.fetches.forget_not_granted("koa")
    [request] = tick(made).run_requests
    assert asked_days(request) == (str(TODAY - timedelta(days=89)), str(TODAY))
    assert names(request) == {"workout"}


def test_whoever_cannot_be_asked_has_no_history_coming(made: World) -> None:
    """Disconnected, or to sign in again: it begins when they are back."""
    with made.accounts() as accounts:
        accounts.removal.disconnect("koa")
    assert isinstance(tick(made), dg.SkipReason)


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTED", "CANCELING"])
def test_nothing_is_asked_while_a_run_of_history_is_unfinished(made: World, status: str) -> None:
    """A gap's run is none: it is short."""
    with project_instance() as instance:
        job = made.definitions.resolve_job_def("sync")
        for value in ("gap", "new_people"):
            assert tick(made).run_requests
            instance.create_run_for_job(
                job,
                tags={"oura_pipeline/history": value},
                status=dg.DagsterRunStatus[status],
            )
    said = tick(made)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "History is being fetched; the next part comes after it."


def test_a_run_that_ended_is_not_waited_for(made: World) -> None:
    """However it ended."""
    with project_instance() as instance:
        for status in ("SUCCESS", "FAILURE", "CANCELED"):
            instance.create_run_for_job(
                made.definitions.resolve_job_def("sync"),
                tags={"oura_pipeline/history": "new_people"},
                status=dg.DagsterRunStatus[status],
            )
    assert tick(made).run_requests


def test_no_more_than_three_runs_are_asked_for(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever signs in meanwhile comes before the rest; three of each that works at a time."""
    with made.accounts() as accounts:
        for number in range(5):
            accounts.people.add(f"somebody{number}", SignIn(refresh_token="none"))
    for number in range(5):
        day = TODAY - timedelta(days=number)
        write_down(made, f"somebody{number}", ["sleep"], day, day)
    requests = tick(made).run_requests
    assert len(requests) == 3
    assert requests[0].run_config["resources"]["pipeline"]["config"]["people"] == made.ids("koa")
    assert [one.tags["oura_pipeline/turn"] for one in requests] == ["1"] * 3
    monkeypatch.setenv("OURA_HISTORY_RUNS", "2")
    assert [one.tags["oura_pipeline/turn"] for one in tick(made).run_requests] == ["1", "2"] * 3


def test_a_run_of_history_is_for_no_more_people_than_is_set(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.sign_in("runa")
    assert len(tick(made).run_requests) == 1
    monkeypatch.setenv("OURA_HISTORY_PEOPLE", "1")
    assert len(tick(made).run_requests) == 2


def test_a_sync_is_asked_for_once_each_time_somebody_wants_it(made: World) -> None:
    """The last seven days of theirs, at once and not at a share."""
    assert isinstance(tick(made, "sync_now"), dg.SkipReason)
    made.sign_in("runa")
    with made.accounts() as accounts:
        accounts.people.request_sync("runa", datetime.now(UTC))
    result = tick(made, "sync_now")
    [request] = result.run_requests
    assert asked_days(request) == (str(TODAY - timedelta(days=6)), str(TODAY))
    assert names(request) == {*PARTITIONED, *SNAPSHOTS}
    assert request.run_config["resources"] == {
        "pipeline": {"config": {"people": made.ids("runa"), "share": 1.0}}
    }
    assert "oura_pipeline/history" not in request.tags
    assert "runa" not in request.run_key + result.cursor
    assert len(json.loads(result.cursor)) == 1
    assert isinstance(tick(made, "sync_now", result.cursor), dg.SkipReason)
    # A tick that crashed before Dagster stored what it said says the same again.
    assert tick(made, "sync_now").run_requests[0].run_key == request.run_key
