"""When the sensor wants a run, what a run does, and what its check says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.defs.run_requests import set_digest
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.subscriptions import (
    ALIVE,
    JOB,
    NEEDS_TAG,
    SUBSCRIPTIONS,
    RecentRun,
    maintenance_metadata,
    maintenance_request,
    needed,
    pause,
    subscriptions_alive,
)
from oura_pipeline.oura.webhooks import EVENT_TYPES, verification_token
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sync.subscriptions import MaintainResult
from oura_pipeline_tests.testing.webhook_receiver import Receiver, webhook_receiver
from oura_pipeline_tests.testing.world import World, red_checks, world

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
HERE = "https://pipeline.example/webhook"
OPTIONS = SandboxOptions(people=2, days=2)
TOKEN = verification_token(OPTIONS.client_secret)


def row(
    event: str, data_type: str = "workout", *, days: float = 60, url: str = HERE
) -> Subscription:
    """A subscription that ends so many days from now."""
    return Subscription(
        id=f"{data_type}-{event}",
        data_type=data_type,
        event_type=event,
        callback_url=url,
        expires_at=NOW + timedelta(days=days),
    )


ALL = [row(event) for event in EVENT_TYPES]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (ALL, ""),
        (ALL[1:], "create workout create"),
        ([], "create workout create, workout delete, workout update"),
        ([*ALL[1:], row("create", days=14)], "renew workout create"),
        ([*ALL[1:], row("create", days=-1)], "create workout create; delete workout create"),
        (
            [*ALL[1:], row("create", url="https://b")],
            "create workout create; delete workout create",
        ),
        ([*ALL, row("create", "tag")], "delete tag create"),
    ],
)
def test_what_is_remembered_tells_what_is_needed(
    recorded: list[Subscription], expected: str
) -> None:
    """Missing, about to end, over, pointing elsewhere, unwanted."""
    assert needed([frozenset(["workout"])], recorded, callback_url=HERE, now=NOW) == expected


def test_nobody_connected_needs_nothing() -> None:
    """And what was there goes."""
    assert needed([], [], callback_url=HERE, now=NOW) == ""
    assert needed([], ALL[:1], callback_url=HERE, now=NOW) == "delete workout create"


def tried(
    minutes: float, needs: str | None = "", *, finished: bool = True, succeeded: bool = True
) -> RecentRun:
    """A run that was asked for so many minutes ago."""
    return RecentRun(
        at=NOW - timedelta(minutes=minutes),
        needs=None if needs is None else set_digest([needs]),
        finished=finished,
        succeeded=succeeded,
    )


MAKE = "create workout create"


@pytest.mark.parametrize(
    ("needs", "earlier", "runs"),
    [
        (MAKE, [], True),
        ("", [], True),
        ("", [tried(1439)], False),
        ("", [tried(5, "renew tag create")], False),
        ("", [tried(5, None)], False),
        ("", [tried(5, None, succeeded=False)], True),
        ("", [tried(9, succeeded=False)], True),
        ("", [tried(8, succeeded=False)], False),
        (MAKE, [tried(0)], True),
        (MAKE, [tried(0, "create workout create, workout update")], True),
        (MAKE, [tried(8, MAKE)], False),
        (MAKE, [tried(9, MAKE)], True),
        (MAKE, [tried(17, MAKE), tried(30, MAKE, succeeded=False)], False),
        (MAKE, [tried(18, MAKE), tried(30, MAKE, succeeded=False)], True),
        (MAKE, [tried(59 + n, MAKE) for n in range(20)], False),
        (MAKE, [tried(60 + n, MAKE) for n in range(20)], True),
        (MAKE, [tried(600, None, finished=False)], False),
        ("", [tried(600, "x", finished=False)], False),
    ],
)
def test_a_run_comes_for_a_reason_or_once_a_day(
    needs: str, earlier: list[RecentRun], runs: bool
) -> None:
    """Soon for a new reason, later and later for the same; never while another one works."""
    answer = maintenance_request(needs, earlier, NOW)
    assert isinstance(answer, dg.RunRequest if runs else dg.SkipReason)
    assert maintenance_request(needs, earlier[::-1], NOW) == answer


def test_each_try_has_a_key_of_its_own() -> None:
    """Dagster remembers a run key for ever."""
    asked = [
        maintenance_request(MAKE, [], NOW + timedelta(minutes=minutes))
        for minutes in (0, 9, 18, 27)
    ]
    keys = [one.run_key for one in asked if isinstance(one, dg.RunRequest)]
    assert len(set(keys)) == 4
    [first, *_] = asked
    assert isinstance(first, dg.RunRequest)
    assert first.tags == {NEEDS_TAG: set_digest([MAKE])}


@pytest.mark.parametrize(("runs", "minutes"), [(1, 9), (2, 18), (3, 36), (4, 60), (5000, 60)])
def test_the_pause_doubles_up_to_an_hour(runs: int, minutes: int) -> None:
    assert pause(runs) == timedelta(minutes=minutes)


WANTED = frozenset(("workout", event) for event in EVENT_TYPES)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (MaintainResult(required=WANTED, remote=ALL), None),
        (MaintainResult(required=WANTED, remote=[*ALL[1:], row("create", days=3.1)]), None),
        (MaintainResult(skipped="There is no OURA_PUBLIC_URL"), None),
        (
            MaintainResult(required=WANTED, remote=[*ALL[1:], row("create", days=3)]),
            "Expire within 3 days: workout create",
        ),
        (
            MaintainResult(required=WANTED, remote=[*ALL[1:], row("create", url="https://b")]),
            "Missing: workout create",
        ),
        (
            MaintainResult(
                required=WANTED, remote=ALL[2:], failed=["create a b: why: c", "create d e: why: c"]
            ),
            "Missing: workout create, workout update\ncreate a b, create d e: why: c",
        ),
        (
            MaintainResult(required=WANTED, remote=ALL, failed=["delete tag create: why"]),
            "delete tag create: why",
        ),
    ],
)
def test_the_check_names_what_is_not_alive(done: MaintainResult, said: str | None) -> None:
    result = subscriptions_alive(done, HERE, NOW)
    assert result.passed == (said is None)
    if said:
        assert result.description == said


def test_an_end_that_oura_does_not_tell_is_no_alarm() -> None:
    """It is renewed at every look."""
    endless = [Subscription(**{**vars(one), "expires_at": None}) for one in ALL]
    done = MaintainResult(required=WANTED, remote=endless)
    assert subscriptions_alive(done, HERE, NOW).passed
    assert "days_to_next_expiry" not in maintenance_metadata(done, NOW)


# Runs, before a sandbox.


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with running(OPTIONS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with webhook_receiver(TOKEN) as made:
        yield made


@pytest.fixture
def made(cloud: Sandbox, there: Receiver, tmp_path: Path) -> Iterator[World]:
    """A world with a public address and one person, who let us see workouts."""
    public = {"OURA_PUBLIC_URL": there.url.removesuffix("/webhook")}
    with world(tmp_path / "data", cloud, settings=public) as made, made.accounts() as accounts:
        accounts.people.add("ada", SignIn(refresh_token="r", scopes=["workout"]))
        yield made
    cloud.clear_faults()
    for one in at_oura(cloud):
        cloud.http.delete(f"/v2/webhook/subscription/{one['id']}", headers=HEADERS)


HEADERS = {"x-client-id": OPTIONS.client_id, "x-client-secret": OPTIONS.client_secret}


def at_oura(cloud: Sandbox) -> list[dict[str, str]]:
    return list(cloud.http.get("/v2/webhook/subscription", headers=HEADERS).json())


def run(made: World, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    """The job as Dagster would run it."""
    return made.definitions.resolve_job_def(JOB).execute_in_process(
        instance=instance,
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def tick(made: World, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    """What the sensor says now."""
    sensor = made.definitions.resolve_sensor_def("subscription_expiry")
    with dg.build_sensor_context(instance=instance, definitions=made.definitions) as context:
        return sensor(context)  # type: ignore[return-value]


@contextmanager
def dagster() -> Iterator[dg.DagsterInstance]:
    with project_instance() as instance:
        yield instance


def counts(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [event] = result.get_asset_materialization_events()
    assert event.asset_key == SUBSCRIPTIONS
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_from_the_first_tick_to_a_day_of_rest(made: World, cloud: Sandbox) -> None:
    """The sensor asks for a run, the run makes what is missing, and then there is nothing to do."""
    with dagster() as instance:
        asked = tick(made, instance)
        assert isinstance(asked, dg.RunRequest)
        result = run(made, instance, **asked.tags)
        assert result.success
        told = counts(result)
        assert 89 < float(str(told.pop("days_to_next_expiry"))) <= 90
        assert told == {
            "wanted": 3,
            "listed": 3,
            "created": 3,
            "renewed": 0,
            "deleted": 0,
            "failed": 0,
        }
        assert red_checks(result) == {}
        assert len(at_oura(cloud)) == 3
        rested = tick(made, instance)
        assert isinstance(rested, dg.SkipReason)
        assert rested.skip_message == (
            "As far as is recorded, every subscription exists and lasts."
        )
        with made.accounts() as accounts:
            accounts.people.reconnect("ada", SignIn(refresh_token="r", scopes=["workout", "tag"]))
        assert isinstance(tick(made, instance), dg.RunRequest)


def test_what_could_not_be_done_is_red_and_tried_again(made: World, cloud: Sandbox) -> None:
    """Data type and event are named; nobody and no secret is."""
    cloud.fault("ssl_error", route="webhook", skip=1, count=1)
    with dagster() as instance:
        first = tick(made, instance)
        assert isinstance(first, dg.RunRequest)
        result = run(made, instance, **first.tags)
        assert (counts(result)["created"], counts(result)["failed"]) == (2, 1)
        [(check, said)] = red_checks(result).items()
        assert check == ("accounts/subscriptions", ALIVE)
        assert said.startswith("Missing: workout ")
        assert "certificate" in said
        again = tick(made, instance)
        assert isinstance(again, dg.RunRequest), "less is missing than before: that is another need"
        assert red_checks(run(made, instance, **again.tags)) == {}


def test_without_oura_the_run_fails_and_rests(made: World, cloud: Sandbox) -> None:
    """With one line that says why; not again in the same ten minutes."""
    cloud.fault("gateway_timeout", route="webhook", count=None)
    with dagster() as instance:
        asked = tick(made, instance)
        assert isinstance(asked, dg.RunRequest)
        result = run(made, instance, **asked.tags)
        assert not result.success
        [failure] = [e for e in result.all_events if e.is_step_failure]
        assert "Oura's webhook subscriptions cannot be listed: Oura failed (504)" in str(
            failure.step_failure_data.error_display_string
        )
        rested = tick(made, instance)
        assert isinstance(rested, dg.SkipReason)
        assert "create workout create" in str(rested.skip_message)


def test_while_a_run_is_under_way_there_is_no_other(made: World) -> None:
    """Not even one that has not begun."""
    with dagster() as instance:
        job = made.definitions.resolve_job_def(JOB)
        waiting = instance.create_run_for_job(job)
        skipped = tick(made, instance)
        assert isinstance(skipped, dg.SkipReason)
        assert skipped.skip_message == "A run is in progress."
        instance.report_run_canceled(waiting)
        assert isinstance(tick(made, instance), dg.RunRequest)


def test_without_a_public_address_the_sensor_says_so(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that somebody starts all the same touches nothing."""
    monkeypatch.setenv("OURA_PUBLIC_URL", "")
    with dagster() as instance:
        skipped = tick(made, instance)
        assert isinstance(skipped, dg.SkipReason)
        assert "OURA_PUBLIC_URL" in str(skipped.skip_message)
        result = run(made, instance)
    assert result.success
    assert counts(result) == {"skipped": skipped.skip_message}
    assert red_checks(result) == {}


def test_what_ends_within_three_days_is_red(made: World, cloud: Sandbox) -> None:
    """Renewing did not work for eleven days by then; when it does, all is well again."""
    long_ago = 87.5 * 86400
    with dagster() as instance:
        cloud.forward(-long_ago)
        assert run(made, instance).success
        cloud.forward(long_ago)
        cloud.fault("error", route="webhook", skip=1, count=3)
        result = run(made, instance)
        assert counts(result)["days_to_next_expiry"] == 2.5
        said = red_checks(result)["accounts/subscriptions", ALIVE].splitlines()
        assert said[0] == "Expire within 3 days: workout create, workout delete, workout update"
        assert said[1].startswith("renew workout create, renew workout delete, renew workout upd")
        assert len(said) == 2
        result = run(made, instance)
        assert counts(result)["renewed"] == 3
        assert red_checks(result) == {}
