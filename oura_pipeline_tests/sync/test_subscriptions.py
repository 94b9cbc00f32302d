"""Webhook subscriptions at a sandbox: what is wanted, what is done, and eight months of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.errors import ClientRefused, OuraUnavailable, RateLimited
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sync.subscription_plan import Pair, required
from oura_pipeline.sync.subscriptions import MaintainResult, maintain
from oura_pipeline_tests.oura.fake_oura import FakeClock
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.testing.webhook_receiver import Receiver, webhook_receiver

EVENTS = ("create", "update", "delete")
OPTIONS = SandboxOptions(people=1, days=1)
TOKEN = verification_token(OPTIONS.client_secret)


def of_all(*data_types: str) -> frozenset[Pair]:
    """Every event of these data types."""
    return frozenset((data_type, event) for data_type in data_types for event in EVENTS)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with running(OPTIONS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with webhook_receiver(TOKEN) as made:
        yield made


@pytest.fixture
def sandbox(cloud: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, without subscriptions and faults."""
    yield cloud
    cloud.clear_faults()
    for row in at_oura(cloud):
        ask(cloud, "DELETE", f"/{row['id']}")
    cloud.reset_requests()


@pytest.fixture
def pipeline(tmp_path: Path, sandbox: Sandbox, there: Receiver) -> Iterator[Pipeline]:
    """A pipeline with one person, who let us see sleep and tags."""
    with made(tmp_path, sandbox, there) as pipeline:
        pipeline.accounts.people.add("ada", SignIn(refresh_token="r", scopes=["tag", "workout"]))
        yield pipeline


@contextmanager
def made(home: Path, sandbox: Sandbox, there: Receiver | None) -> Iterator[Pipeline]:
    settings = settings_with(
        oura_pipeline_home=home,
        oura_client_id=OPTIONS.client_id,
        oura_client_secret=OPTIONS.client_secret,
        oura_api_url=sandbox.url,
        oura_public_url=there.url.removesuffix("/webhook") if there else "",
        oura_rate_limit="100000/1",
    )
    with open_pipeline(settings) as pipeline:
        yield pipeline


def ask(sandbox: Sandbox, method: str, path: str = "", **sent: object) -> httpx.Response:
    """Somebody else with our client id and secret."""
    headers = {"x-client-id": OPTIONS.client_id, "x-client-secret": OPTIONS.client_secret}
    url = f"/v2/webhook/subscription{path}"
    return sandbox.http.request(method, url, headers=headers, json=sent or None)


def at_oura(sandbox: Sandbox) -> list[dict[str, str]]:
    return list(ask(sandbox, "GET").json())


def pairs_at_oura(sandbox: Sandbox) -> list[Pair]:
    return sorted((row["data_type"], row["event_type"]) for row in at_oura(sandbox))


WANTED = of_all("enhanced_tag", "tag", "workout")


def test_what_is_wanted_is_what_somebody_granted(pipeline: Pipeline) -> None:
    """Unknown scopes may be all of them; nothing is required for those who are not fetched."""
    accounts = pipeline.accounts
    assert required(accounts.people.granted()) == WANTED
    accounts.people.add("bob", SignIn(refresh_token="r", scopes=["heart_health"]))
    both = WANTED | of_all("vo2_max", "daily_cardiovascular_age")
    assert required(accounts.people.granted()) == both
    accounts.people.add("cyd", SignIn(refresh_token="r", scopes=None))
    assert required(accounts.people.granted()) == of_all(
        *(document_type.webhook for document_type in DOCUMENT_TYPES if document_type.webhook)
    )
    accounts.people.add("dia", SignIn(refresh_token="r", scopes=[]))
    accounts.removal.delete("cyd")
    assert required(accounts.people.granted()) == both
    for username in [one.username for one in accounts.people.all()]:
        accounts.removal.disconnect(username)
    assert required(accounts.people.granted()) == frozenset()


def test_all_that_can_be_announced_is_required() -> None:
    """The 16 data types that belong to document types of ours."""
    types = {document_type.webhook for document_type in DOCUMENT_TYPES if document_type.webhook}
    assert len(types) == 16
    assert "vo2_max" in types
    assert "heartrate" not in types


def test_the_first_run_makes_all_and_remembers_them(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """The second one has nothing to do but to look."""
    done = maintain(pipeline)
    assert summary(done) == (9, 9, 9, 0, 0, [], None)
    assert pairs_at_oura(sandbox) == sorted(WANTED)
    assert pipeline.accounts.subscriptions.all() == list(done.remote)
    assert {row.callback_url for row in done.remote} == {pipeline.settings.site.webhook_url}
    sandbox.reset_requests()
    assert summary(maintain(pipeline)) == (9, 9, 0, 0, 0, [], None)
    assert sandbox.requests()["webhook"] == {"-": 1}


def test_without_an_address_nothing_is_touched(
    pipeline: Pipeline, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A machine that Oura cannot reach does not end the subscriptions of one that it can."""
    maintain(pipeline)
    sandbox.reset_requests()
    with made(tmp_path, sandbox, None) as private:
        done = maintain(private)
        assert len(private.accounts.subscriptions.all()) == 9
    assert done == MaintainResult(
        skipped="OURA_PUBLIC_URL is not set, so Oura cannot reach us: no webhooks."
    )
    assert sandbox.requests() == {}


@pytest.mark.parametrize("missing", ["oura_client_id", "oura_client_secret"])
def test_without_a_client_nothing_is_requested(
    pipeline: Pipeline, sandbox: Sandbox, missing: str
) -> None:
    empty = settings_with(
        **{
            "oura_client_id": OPTIONS.client_id,
            "oura_client_secret": OPTIONS.client_secret,
            "oura_api_url": sandbox.url,
            "oura_public_url": pipeline.settings.site.public_url,
            missing: "",
        }
    )
    done = maintain(replace(pipeline, settings=empty))
    assert done.skipped == "OURA_CLIENT_ID or OURA_CLIENT_SECRET is not set: no webhooks."
    assert sandbox.requests() == {}


def test_somebody_else_at_it_is_left_alone(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """Two at once would make everything twice, or end what the other has just made."""
    with pipeline.accounts.lock("subscriptions"):
        done = maintain(pipeline)
    assert done == MaintainResult(skipped="Another process is changing the webhook subscriptions.")
    assert sandbox.requests() == {}


def test_whoever_leaves_takes_along_what_only_they_required(
    pipeline: Pipeline, sandbox: Sandbox
) -> None:
    pipeline.accounts.people.add("bob", SignIn(refresh_token="r", scopes=["workout"]))
    maintain(pipeline)
    pipeline.accounts.removal.delete("ada")
    assert summary(maintain(pipeline)) == (3, 3, 0, 0, 6, [], None)
    assert pairs_at_oura(sandbox) == sorted(of_all("workout"))
    pipeline.accounts.removal.delete("bob")
    assert summary(maintain(pipeline)) == (0, 0, 0, 0, 3, [], None)
    assert at_oura(sandbox) == []
    assert pipeline.accounts.subscriptions.all() == []


def test_what_points_elsewhere_goes_before_its_successor_comes(
    pipeline: Pipeline, sandbox: Sandbox, there: Receiver
) -> None:
    """Oura lets one of each kind be."""
    maintain(pipeline)
    for row in at_oura(sandbox):
        moved = {"callback_url": there.url + "/moved", "verification_token": TOKEN}
        assert ask(sandbox, "PUT", f"/{row['id']}", **moved).status_code == 200
    assert summary(maintain(pipeline)) == (9, 9, 9, 0, 9, [], None)
    assert {row["callback_url"] for row in at_oura(sandbox)} == {there.url}


def test_two_silences_in_a_row_end_the_making(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """Each of them can take 75 s; the next run goes on."""
    sandbox.fault("gateway_timeout", route="webhook", skip=1, count=2)
    done = maintain(pipeline)
    assert (done.created, len(done.failed)) == (0, 3)
    assert done.failed[-1] == "the others are left to the next run: Oura is unavailable"
    assert sandbox.requests()["webhook"] == {"-": 4}, "list, two tries, list"
    assert summary(maintain(pipeline)) == (9, 9, 9, 0, 0, [], None)


def test_silences_that_are_not_in_a_row_end_nothing(pipeline: Pipeline, sandbox: Sandbox) -> None:
    for number in (1, 3, 5):
        sandbox.fault("gateway_timeout", route="webhook", skip=number - (number - 1) // 2)
    done = maintain(pipeline)
    assert (done.created, len(done.failed)) == (6, 3)


def test_two_kinds_that_never_work_do_not_keep_the_others_waiting(
    pipeline: Pipeline, sandbox: Sandbox
) -> None:
    """They are not always the first ones that are tried."""
    firsts = set()
    for _ in range(12):
        sandbox.fault("gateway_timeout", route="webhook", skip=1, count=2)
        firsts.add(maintain(pipeline).failed[0].split(":")[0])
    assert len(firsts) > 2


def test_what_was_made_all_the_same_is_not_made_twice(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """The gateway said 504 and Oura went on: only its list tells."""
    sandbox.fault("late", route="webhook", skip=1, seconds=0, count=1)
    done = maintain(pipeline)
    assert (done.created, len(done.failed)) == (8, 1)
    again = maintain(pipeline)
    assert (len(again.remote), again.failed) == (9, [])
    assert pairs_at_oura(sandbox) == sorted(WANTED)


def test_one_that_is_there_already_is_no_failure(pipeline: Pipeline, sandbox: Sandbox) -> None:
    sandbox.fault("error", route="webhook", skip=1, status=409)
    done = maintain(pipeline)
    assert (done.created, done.failed, len(done.remote)) == (8, [], 8)


@pytest.mark.parametrize("status", [400, 401, 403, 422, 500])
def test_one_failure_stops_nobody_else(status: int, pipeline: Pipeline, sandbox: Sandbox) -> None:
    """It is told in one line that names what it was about."""
    sandbox.fault("error", route="webhook", skip=4, status=status)
    done = maintain(pipeline)
    assert (done.created, len(done.remote), len(done.failed)) == (8, 8, 1)
    [missing] = WANTED - {(row.data_type, row.event_type) for row in done.remote}
    assert done.failed[0].startswith(f"create {' '.join(missing)}: Oura ")


def test_failing_to_renew_or_to_end_stops_nobody_else(pipeline: Pipeline, sandbox: Sandbox) -> None:
    maintain(pipeline)
    later = datetime.now(UTC) + timedelta(days=80)
    pipeline.accounts.people.reconnect("ada", SignIn(refresh_token="r", scopes=["tag"]))
    sandbox.fault("error", route="webhook", skip=1)
    sandbox.fault("error", route="webhook", skip=3)
    done = maintain(pipeline, now=later)
    assert (done.deleted, done.renewed, len(done.failed)) == (2, 5, 2)
    assert done.failed[0].startswith("delete workout create: ")
    assert done.failed[1].startswith("renew ")


def test_without_a_list_nothing_is_done(pipeline: Pipeline, sandbox: Sandbox) -> None:
    """What was remembered stays; who asked is told why."""
    maintain(pipeline)
    remembered = pipeline.accounts.subscriptions.all()
    sandbox.fault("gateway_timeout", route="webhook")
    with pytest.raises(OuraUnavailable):
        maintain(pipeline)
    sandbox.fault("error", route="webhook", status=401)
    with pytest.raises(ClientRefused, match="OURA_CLIENT_SECRET"):
        maintain(pipeline)
    assert pipeline.accounts.subscriptions.all() == remembered


def test_without_the_second_list_the_first_is_remembered(
    pipeline: Pipeline, sandbox: Sandbox
) -> None:
    """So the next tick sees a reason to look again."""
    sandbox.fault("gateway_timeout", route="webhook", skip=10)
    done = maintain(pipeline)
    assert (done.created, list(done.remote)) == (9, [])
    assert [line.partition(":")[0] for line in done.failed] == ["left to the next run"]
    assert pipeline.accounts.subscriptions.all() == []
    assert summary(maintain(pipeline)) == (9, 9, 0, 0, 0, [], None)


def test_a_pause_that_oura_wants_is_made_by_everybody(
    pipeline: Pipeline, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Nothing more is asked in this run, and nobody who shares the budget asks meanwhile."""
    clock = FakeClock()
    path = tmp_path / "budget-of-this-test.sqlite"
    count = BudgetFile(path, requests=1000, seconds=1, clock=clock)
    with Budget(count, clock=clock, sleep=clock.sleep) as budget:
        waiting = replace(pipeline, budget=budget)
        sandbox.fault("rate_limited", route="webhook", skip=3, seconds=40)
        done = maintain(waiting)
        assert (done.created, len(done.remote)) == (2, 0)
        assert [line.partition(":")[0] for line in done.failed] == ["left to the next run"]
        assert budget.state().resets_at
        sandbox.fault("rate_limited", route="webhook", seconds=3600)
        with pytest.raises(RateLimited):
            maintain(waiting)
        assert sum(clock.slept) >= 40
    assert len(at_oura(sandbox)) == 2


def summary(done: MaintainResult) -> tuple[int, int, int, int, int, list[str], str | None]:
    return (
        len(done.required),
        len(done.remote),
        done.created,
        done.renewed,
        done.deleted,
        done.failed,
        done.skipped,
    )


# They live 90 days and are renewed in the last 14 of them: ada's first ones twice.
DAYS = 240
JOINED = {
    0: ("ada", ["daily"]),
    20: ("bob", ["workout", "tag"]),
    50: ("ada", ["daily", "heart_health", "spo2"]),
    51: ("cyd", None),
    90: ("cyd", ["session"]),
    140: ("ada", ["daily"]),
    200: ("bob", ["workout", "stress", "ring_configuration"]),
    203: ("ada", None),
}
LEFT = {120: "bob", 180: "ada", 182: "cyd"}
AWAY = range(100, 112)  # days in a row on which Oura answers nothing: bob's would have ended
MOVED = (30, 130, 220)
FAULTS = ("late", "gateway_timeout", "ssl_error", "error")


def test_eight_months_without_a_gap(tmp_path: Path) -> None:
    """One look a day, whatever goes wrong: what is covered stays covered, one of each, here."""
    dice = random.Random(7)
    with (
        running(OPTIONS) as sandbox,
        webhook_receiver(TOKEN) as there,
        made(tmp_path, sandbox, there) as pipeline,
    ):
        now, covered = datetime.now(UTC), frozenset[Pair]()
        for day in range(DAYS):
            change_people(pipeline, day)
            if day in MOVED:
                move_one(sandbox, there, dice)
                covered = covering(sandbox, there, now)
            pairs = required(pipeline.accounts.people.granted())
            assert pairs & covered <= covering(sandbox, there, now), f"a gap before day {day}"
            quiet = day % 3 != 1 and day not in AWAY
            if not quiet:
                trouble(sandbox, dice, away=day in AWAY)
            tick(pipeline, now, quiet=quiet)
            sandbox.clear_faults()
            after = covering(sandbox, there, now + timedelta(days=1))
            assert pairs & covered <= after, f"a gap on day {day}"
            if quiet:
                assert after == pairs, f"not all of day {day}"
                assert len(at_oura(sandbox)) == len(pairs)
            covered = after
            sandbox.forward(86400)
            now += timedelta(days=1)


def change_people(pipeline: Pipeline, day: int) -> None:
    if day in LEFT:
        pipeline.accounts.removal.delete(LEFT[day])
    if day in JOINED:
        username, scopes = JOINED[day]
        people = pipeline.accounts.people
        known = {person.username for person in people.all()}
        join = people.reconnect if username in known else people.add
        join(username, SignIn(refresh_token="r", scopes=scopes))


def move_one(sandbox: Sandbox, there: Receiver, dice: random.Random) -> None:
    """Somebody points one of them elsewhere."""
    row = dice.choice(at_oura(sandbox))
    moved = {"callback_url": there.url + "/moved", "verification_token": TOKEN}
    assert ask(sandbox, "PUT", f"/{row['id']}", **moved).status_code == 200


def trouble(sandbox: Sandbox, dice: random.Random, *, away: bool) -> None:
    if away:
        sandbox.fault("gateway_timeout", route="webhook", count=None)
        return
    for _ in range(dice.randint(1, 3)):
        sandbox.fault(
            dice.choice(FAULTS),
            route="webhook",
            skip=dice.randint(0, 12),
            count=dice.randint(1, 3),
            status=dice.choice([409, 500, 502]),
            seconds=0,
        )


def tick(pipeline: Pipeline, now: datetime, *, quiet: bool) -> None:
    try:
        maintain(pipeline, now=now)
    except OuraError:
        assert not quiet


def covering(sandbox: Sandbox, there: Receiver, now: datetime) -> frozenset[Pair]:
    """What Oura would tell us at that moment, never twice."""
    living = [
        (row["data_type"], row["event_type"])
        for row in at_oura(sandbox)
        if row["callback_url"] == there.url
        and datetime.fromisoformat(row["expiration_time"]).replace(tzinfo=UTC) > now
    ]
    assert len(living) == len(set(living))
    return frozenset(living)
