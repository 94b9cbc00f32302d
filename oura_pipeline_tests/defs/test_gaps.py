"""Which gaps are found, when they are due, and that a run for one closes it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES
from oura_pipeline.defs.gaps import Gap, find_gaps, gap_request, pause
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.ledger import MEMBERSHIP_LAPSED, Fetch, FetchStatus
from oura_pipeline.pipeline import open_budget
from oura_pipeline.settings import load_settings
from oura_pipeline_tests.testing.world import World
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
DAY = date(2026, 6, 1)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def failed(
    username: str = "ada",
    name: str = "sleep",
    number: int = 0,
    *,
    at: datetime = YESTERDAY,
    attempts: int = 1,
) -> Fetch:
    """A row of the ledger for a day that failed."""
    return Fetch(
        username=username,
        document_type=name,
        day=day(number),
        status=FetchStatus.FAILED,
        error="Oura did not answer",
        run_id="run-1",
        at=at,
        attempts=attempts,
    )


def gap(
    first: int,
    last: int,
    *,
    people: tuple[str, ...] = ("ada",),
    types: tuple[str, ...] = ("sleep",),
    asked_at: datetime = YESTERDAY,
    attempts: int = 1,
) -> Gap:
    return Gap(
        asked_at=asked_at,
        first_day=day(first),
        last_day=day(last),
        attempts=attempts,
        people=people,
        document_types=types,
    )


def test_nothing_wrong_is_no_gap() -> None:
    assert find_gaps([], [], NOW) == []


def test_days_in_a_row_are_one_gap() -> None:
    rows = [failed(number=number) for number in (4, 0, 2, 1, 7)]
    assert find_gaps(rows, [], NOW) == [gap(0, 2), gap(4, 4), gap(7, 7)]


def test_days_never_asked_are_due_at_once_and_first() -> None:
    holes = [("ada", "sleep", day(9)), ("ada", "sleep", day(10))]
    assert find_gaps([failed()], holes, NOW) == [
        gap(9, 10, asked_at=LONG_AGO, attempts=0),
        gap(0, 0),
    ]


def test_a_hole_beside_a_failure_is_one_gap_with_it() -> None:
    """The run that asks for one day asks for both, and counts as what was asked last."""
    assert find_gaps([failed(number=1)], [("ada", "sleep", day(0))], NOW) == [gap(0, 1)]


def test_the_longest_neglected_comes_first() -> None:
    rows = [
        failed(number=0, at=YESTERDAY),
        failed(number=5, at=YESTERDAY - timedelta(days=2)),
        failed(number=3, at=YESTERDAY - timedelta(days=1)),
    ]
    assert [found.first_day for found in find_gaps(rows, [], NOW)] == [day(5), day(3), day(0)]


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(0, 0), (1, 10), (2, 20), (3, 40), (7, 640), (8, 1280), (9, 1440), (1000, 1440)],
)
def test_the_wait_doubles_up_to_a_day(attempts: int, minutes: int) -> None:
    assert pause(attempts) == timedelta(minutes=minutes)


def test_a_failure_is_left_alone_until_its_wait_is_over() -> None:
    row = failed(at=NOW - timedelta(minutes=40), attempts=3)
    assert find_gaps([row], [], NOW - timedelta(seconds=1)) == []
    assert find_gaps([row], [], NOW) == [gap(0, 0, asked_at=row.at, attempts=3)]


def test_a_day_that_failed_a_moment_ago_waits_while_its_neighbours_are_asked() -> None:
    recent = failed(number=1, at=NOW - timedelta(minutes=1))
    rows = [failed(number=0), recent, failed(number=2)]
    assert find_gaps(rows, [], NOW) == [gap(0, 0), gap(2, 2)]


def test_a_gap_is_as_stubborn_and_as_recent_as_its_worst_day() -> None:
    rows = [failed(number=0, attempts=4), failed(number=1, at=NOW - timedelta(hours=1))]
    assert find_gaps(rows, [], NOW) == [gap(0, 1, asked_at=NOW - timedelta(hours=1), attempts=4)]


def test_people_and_types_with_the_same_days_are_asked_together() -> None:
    """What failed for two people in three types is one run, not six."""
    rows = [
        failed(username, name, number)
        for username in ("bo", "ada")
        for name in ("sleep", "workout", "daily_sleep")
        for number in (0, 1)
    ]
    together = gap(0, 1, people=("ada", "bo"), types=("daily_sleep", "sleep", "workout"))
    assert find_gaps(rows, [], NOW) == [together]


def test_nobody_is_asked_for_what_did_not_fail() -> None:
    """People whose types differ are not thrown together, nor types whose people differ."""
    rows = [failed("ada", "sleep"), failed("bo", "sleep"), failed("bo", "workout")]
    assert find_gaps(rows, [], NOW) == [
        gap(0, 0, people=("ada", "bo"), types=("sleep",)),
        gap(0, 0, people=("bo",), types=("workout",)),
    ]


def test_no_run_is_longer_than_ninety_days() -> None:
    holes = [("ada", "sleep", day(number)) for number in range(200)]
    found = find_gaps([], holes, NOW)
    assert [(one.first_day, one.last_day) for one in found] == [
        (day(0), day(89)),
        (day(90), day(179)),
        (day(180), day(199)),
    ]


def test_a_run_is_for_the_days_the_people_and_the_types() -> None:
    """Documents and points; tagged so that one such run works at a time."""
    asked = gap_request(gap(0, 3, people=("ada", "bo"), types=("daily_sleep", "sleep")), NOW, 0.4)
    assert asked.run_config == {
        "ops": {
            "sync_documents": {
                "config": {
                    "first_day": "2026-06-01",
                    "last_day": "2026-06-04",
                    "document_types": ["daily_sleep", "sleep"],
                    "publish": False,
                }
            }
        },
        "resources": {"pipeline": {"config": {"people": ["ada", "bo"], "share": 0.4}}},
    }
    assert asked.tags == {
        "oura_pipeline/days": "2026-06-01 to 2026-06-04",
        "oura_pipeline/history": "gap",
        "oura_pipeline/turn": "1",
    }


def test_the_same_gap_is_not_asked_twice_within_six_hours() -> None:
    """Dagster ignores a run key that it knows."""
    asked_at = NOW - timedelta(hours=1)
    same = gap(0, 3, asked_at=asked_at)
    in_time = [
        gap_request(same, asked_at + timedelta(hours=hours), 1.0).run_key for hours in (1, 5.9)
    ]
    assert in_time[0] == in_time[1]
    # The run died before it could write to the ledger.
    assert gap_request(same, asked_at + timedelta(hours=6), 1.0).run_key != in_time[0]


def test_a_run_key_names_nobody() -> None:
    """Dagster keeps it for ever, also when the person has left."""
    key = gap_request(gap(0, 3, people=("ada", "bo")), NOW, 1.0).run_key or ""
    assert key.startswith("gap 2026-06-01:2026-06-04 2026-06-09T12:00:00+00:00 4 ")
    assert not {"ada", "bo"} & set(re.findall(r"\w+", key))


@pytest.mark.parametrize(
    "change",
    [
        {"asked_at": NOW - timedelta(minutes=59)},
        {"first_day": day(-1)},
        {"last_day": day(4)},
        {"people": ("ada", "bo")},
        {"document_types": ("sleep", "workout")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_a_reason_to_ask_again_makes_a_new_key(change: dict[str, Any]) -> None:
    before = gap(0, 3, asked_at=NOW - timedelta(hours=1))
    again = gap_request(replace(before, **change), NOW, 1.0)
    assert again.run_key != gap_request(before, NOW, 1.0).run_key


# The sensor, before a sandbox.

LAST = date(2026, 11, 18)
FIRST = LAST - timedelta(days=4)


cloud = cloud_with(people=2, days=20, end=LAST + timedelta(days=1))


made = world_with("runa", "koa")


def tick(made: World) -> dg.SensorResult | dg.SkipReason:
    """What the sensor says now."""
    sensor = made.definitions.resolve_sensor_def("gaps")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, definitions=made.definitions) as context,
    ):
        return sensor(context)  # type: ignore[return-value]


def remember(
    made: World,
    status: FetchStatus,
    first: date,
    last: date,
    *,
    username: str = "koa",
    name: str = "daily_sleep",
    error: str | None = None,
    hours: int = 1,
) -> None:
    """Write into the ledger that these days were asked an hour ago, or some hours."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    with made.accounts() as accounts:
        accounts.fetches.record(
            [
                Fetch(
                    username=username,
                    document_type=name,
                    day=first + timedelta(days=number),
                    status=status,
                    error=error,
                    run_id="run-1",
                    at=at,
                )
                for number in range((last - first).days + 1)
            ]
        )


def asked(made: World) -> list[tuple[str, str, list[str], list[str]]]:
    """The runs the sensor asks for: first and last day, people, document types."""
    result = tick(made)
    assert isinstance(result, dg.SensorResult), result
    return [
        (
            request.run_config["ops"]["sync_documents"]["config"]["first_day"],
            request.run_config["ops"]["sync_documents"]["config"]["last_day"],
            request.run_config["resources"]["pipeline"]["config"]["people"],
            request.run_config["ops"]["sync_documents"]["config"]["document_types"],
        )
        for request in result.run_requests or ()
    ]


SLEEP = ["daily_sleep"]


def test_the_sensor_says_why_it_does_nothing(made: World) -> None:
    remember(made, FetchStatus.EMPTY, FIRST, LAST)
    remember(made, FetchStatus.NOT_GRANTED, FIRST, LAST, name="sleep")
    said = tick(made)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == "No day in the ledger is due to be fetched again."


def test_the_sensor_asks_for_a_hole(made: World) -> None:
    """Days between days that were asked; nothing before the first or after the last of them."""
    remember(made, FetchStatus.LANDED, FIRST, FIRST)
    remember(made, FetchStatus.EMPTY, LAST, LAST)
    second, fourth = FIRST + timedelta(days=1), LAST - timedelta(days=1)
    assert asked(made) == [(str(second), str(fourth), made.ids("koa"), SLEEP)]


def test_the_sensor_leaves_alone_who_must_sign_in_again(made: World) -> None:
    """Asking cannot help; the others are asked."""
    remember(made, FetchStatus.FAILED, FIRST, LAST, username="runa")
    remember(made, FetchStatus.FAILED, FIRST, LAST, username="koa")
    made.sandbox.change_person("runa", revoke="all")
    made.run(LAST, LAST, types=["sleep_time"], people=["runa"])
    with made.accounts() as accounts:
        states = {person.username: person.state for person in accounts.people.all()}
    assert states["runa"] is PersonState.SIGN_IN_REQUIRED
    assert asked(made) == [(str(FIRST), str(LAST), made.ids("koa"), SLEEP)]


def test_without_a_membership_only_the_newest_day_is_asked_again(made: World) -> None:
    """A hole is asked for once; all of it is as soon as Oura answers again."""
    first, lapsed = FIRST - timedelta(days=9), f"{MEMBERSHIP_LAPSED}: Oura keeps it back"
    remember(made, FetchStatus.FAILED, first, first, error=lapsed, hours=30)
    remember(made, FetchStatus.FAILED, FIRST, LAST, error=lapsed, hours=30)
    hole = (str(first + timedelta(days=1)), str(FIRST - timedelta(days=1)))
    newest = (str(LAST), str(LAST), made.ids("koa"), SLEEP)
    assert asked(made) == [(*hole, made.ids("koa"), SLEEP), newest]
    between = (first + timedelta(days=1), FIRST - timedelta(days=1))
    remember(made, FetchStatus.FAILED, *between, error=lapsed, hours=29)
    # Given without a membership, and before it lapsed.
    remember(made, FetchStatus.LANDED, LAST, LAST, name="personal_info")
    remember(made, FetchStatus.LANDED, LAST, LAST, name="workout", hours=40)
    remember(made, FetchStatus.LANDED, LAST, LAST, name="workout", hours=20, username="runa")
    remember(made, FetchStatus.FAILED, FIRST, LAST, error=lapsed, username="runa")
    both = (str(LAST), str(LAST), sorted(made.ids("koa", "runa")), SLEEP)
    assert asked(made) == [both]
    remember(made, FetchStatus.LANDED, LAST, LAST)
    yesterday = str(LAST - timedelta(days=1))
    theirs = (str(LAST), str(LAST), made.ids("runa"), SLEEP)
    assert asked(made) == [(str(first), yesterday, made.ids("koa"), SLEEP), theirs]


def test_the_sensor_leaves_the_budget_to_those_who_use_more_than_its_share(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But never waits for itself: a share that is used up is no reason to stay away."""
    monkeypatch.setenv("OURA_RATE_LIMIT", "4/300")
    monkeypatch.setenv("OURA_BACKGROUND_SHARE", "0.5")
    remember(made, FetchStatus.FAILED, FIRST, LAST)
    with made.accounts() as accounts, open_budget(load_settings(), accounts) as budget:
        budget.acquire(0.5)
        budget.acquire(0.5)
        assert isinstance(tick(made), dg.SensorResult)
        budget.acquire()
        said = tick(made)
    assert isinstance(said, dg.SkipReason)
    assert said.skip_message == (
        "Other runs need Oura's rate limit now; gaps are filled after them."
    )


def test_days_before_the_first_that_was_asked_are_left_to_history(made: World) -> None:
    """A hole is between days that were asked, not before them."""
    remember(made, FetchStatus.LANDED, FIRST + timedelta(days=2), LAST)
    assert isinstance(tick(made), dg.SkipReason)


def test_the_sensor_asks_for_no_more_than_three_runs(made: World) -> None:
    """The rest comes with a later tick."""
    first = LAST - timedelta(days=9)
    remember(made, FetchStatus.EMPTY, first, LAST)
    for number in range(0, 10, 2):
        one = first + timedelta(days=number)
        remember(made, FetchStatus.FAILED, one, one)
    assert [days for *days, _, _ in asked(made)] == [
        [str(first + timedelta(days=number))] * 2 for number in (0, 2, 4)
    ]


def test_a_state_without_days_is_no_gap(made: World) -> None:
    """The current state is asked for by the next sync anyway."""
    remember(made, FetchStatus.FAILED, FIRST, FIRST, name="personal_info")
    assert isinstance(tick(made), dg.SkipReason)


def test_what_failed_is_asked_again_and_lands(made: World) -> None:
    """The run that the sensor asks for, run as Dagster would run it, closes the gap."""
    made.sandbox.fault("repeated_token", route="heartrate", person="koa", count=None)
    assert made.run(FIRST, LAST, types=["heartrate"]).success
    assert statuses(made) == {"runa": {FetchStatus.LANDED}, "koa": {FetchStatus.FAILED}}
    assert isinstance(tick(made), dg.SkipReason), "it failed a moment ago"
    made.sandbox.clear_faults()
    remember(made, FetchStatus.FAILED, FIRST, LAST, name="heartrate")
    [request] = tick(made).run_requests or ()  # type: ignore[union-attr]
    made.sandbox.reset_requests()
    with project_instance() as instance:
        result = made.definitions.resolve_job_def("sync").execute_in_process(
            instance=instance,
            tags=request.tags,
            run_config=request.run_config,
            raise_on_error=False,
        )
    assert result.success
    assert statuses(made) == {"runa": {FetchStatus.LANDED}, "koa": {FetchStatus.LANDED}}
    people = [row for name, row in made.sandbox.requests().items() if name.endswith("heartrate")]
    assert [set(row) for row in people] == [{"koa"}]
    assert isinstance(tick(made), dg.SkipReason)


def statuses(made: World) -> dict[str, set[FetchStatus]]:
    """What the ledger says of everybody's heart rate."""
    with made.accounts() as accounts:
        rows = accounts.fetches.find("heartrate", first_day=FIRST, last_day=LAST)
    assert len(rows) == 2 * 5
    return {name: {row.status for row in rows if row.username == name} for name in ("runa", "koa")}


def test_every_type_with_days_can_be_asked_again() -> None:
    """A run request can name each of them; none is forgotten."""
    names = tuple(
        sorted(document_type.name for document_type in DOCUMENT_TYPES if document_type.partitioned)
    )
    request = gap_request(gap(0, 0, types=names), NOW, 1.0)
    assert request.run_config["ops"]["sync_documents"]["config"]["document_types"] == list(names)
    assert DAILY_SLEEP.name in names
