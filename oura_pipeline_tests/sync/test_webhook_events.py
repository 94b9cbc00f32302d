"""What becomes of webhook events, rule by rule."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import stamina
from filelock import FileLock

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    RING_CONFIGURATION,
    SLEEP,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.pipeline import graphite_sender, open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline.sync.affected_documents import (
    AffectedDocument,
    Outcome,
    retry_delay,
)
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline.sync.progress import NoProgress, progress
from oura_pipeline.sync.waiting import push_waiting
from oura_pipeline.sync.webhook_events import (
    day_ranges,
    land_due,
)
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.sync.webhook_world import DAY, LAST, ONE, WebhookWorld
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.testing.world import world

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """A sandbox that the tests change; none minds what the others changed."""
    with running(SandboxOptions(people=4, days=14, end=LAST)) as sandbox:
        yield sandbox


@pytest.fixture
def webhooks(cloud: Sandbox, empty_home: Path, tmp_path: Path) -> Iterator[WebhookWorld]:
    """A world with one person in it, whose sleep scores of a day are landed and pushed."""
    with (
        world(tmp_path / "data", cloud, begun=empty_home) as made,
        open_pipeline() as pipeline,
    ):
        webhooks = WebhookWorld(world=made, pipeline=pipeline)
        webhooks.sign_in("runa")
        webhooks.sync(DAILY_SLEEP)
        yield webhooks
    cloud.clear_faults()
    cloud.change_person("runa", membership=True)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Nothing is tried twice."""
    stamina.set_testing(True, attempts=1)
    yield
    stamina.set_testing(False)


def score_of(webhooks: WebhookWorld, username: str = "runa", day: date = DAY) -> dict[str, Any]:
    """The sleep score that Oura has of a day."""
    [(_, document)] = webhooks.world.truth(username, DAILY_SLEEP, day, day)
    return dict(document)


def test_an_update_lands_and_is_pushed(webhooks: WebhookWorld) -> None:
    """One question for the document, one for its day; the ledger, the row and the point follow."""
    revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 41})
    webhooks.post("update", "runa", DAILY_SLEEP, revised["id"])
    drained = webhooks.drain()
    assert drained.outcomes == {Outcome.LANDED: 1}
    assert webhooks.asked() == {"daily_sleep": 1, "daily_sleep/one": 1}
    assert webhooks.agree(DAILY_SLEEP)
    assert webhooks.waiting() == []
    [entry] = webhooks.pipeline.accounts.fetches.find("daily_sleep", usernames=["runa"])
    assert (entry.status, entry.changed, entry.run_id) == (FetchStatus.LANDED, 1, "events")
    lines = (webhooks.world.home / "graphite.log").read_text(encoding="utf-8").splitlines()
    assert lines[-1].startswith("bio.runa.sleep.score 41 ")


def test_one_that_cannot_be_landed_is_set_aside_at_once(webhooks: WebhookWorld) -> None:
    """And not waited for: its event is done, like that of any other document."""
    night = webhooks.cloud.truth("runa", "sleep", DAY, DAY)[0]["document"]["id"]
    webhooks.cloud.spoil("runa", "sleep", "null", field="bedtime_start", id=night)
    webhooks.post("update", "runa", SLEEP, night)
    assert webhooks.drain().outcomes == {Outcome.LANDED: 1}
    [aside] = webhooks.pipeline.warehouse.quarantined()
    assert (aside.day, aside.id) == (DAY, night)
    webhooks.cloud.mend("runa", "sleep", id=night)


def test_only_the_affected_days_are_fetched(webhooks: WebhookWorld) -> None:
    """A new document on another day brings that day, and no day between."""
    webhooks.sync(WORKOUT, DAY, DAY)
    made = webhooks.cloud.add("runa", "workout", day=LAST)
    webhooks.post("create", "runa", WORKOUT, made["id"])
    drained = webhooks.drain()
    [(row, fetched)] = drained.fetched
    assert (row, fetched.days) == (WORKOUT, [LAST])
    landed = webhooks.world.landed("runa", WORKOUT)
    assert [entry for entry in landed if entry[0] == LAST.isoformat()] == webhooks.world.truth(
        "runa", WORKOUT, LAST, LAST
    )
    assert [entry.day for entry in webhooks.pipeline.accounts.fetches.find("workout")] == [
        DAY,
        LAST,
    ]


def test_a_document_that_moved_leaves_its_old_day(webhooks: WebhookWorld) -> None:
    """Both days are asked: the one where it is, and the one where it stood."""
    webhooks.sync(SLEEP, DAY, LAST)
    [(_, night), *_] = webhooks.world.truth("runa", SLEEP, DAY, DAY)
    moved = (DAY + ONE).isoformat()
    webhooks.cloud.revise("runa", "sleep", id=night["id"], fields={"day": moved})
    webhooks.post("update", "runa", SLEEP, night["id"])
    drained = webhooks.drain()
    assert [fetched.days for _, fetched in drained.fetched] == [[DAY, DAY + ONE]]
    assert webhooks.agree(SLEEP, first=DAY, last=LAST)
    webhooks.cloud.revise("runa", "sleep", id=night["id"], fields={"day": DAY.isoformat()})


def test_a_deleted_document_disappears(webhooks: WebhookWorld) -> None:
    """The event carries only the id; the day is the one under which it stands."""
    day = DAY - ONE
    webhooks.sync(DAILY_SLEEP, day, day)
    gone = webhooks.cloud.delete("runa", "daily_sleep", day=day)
    webhooks.post("delete", "runa", DAILY_SLEEP, gone["id"])
    drained = webhooks.drain()
    assert drained.outcomes == {Outcome.GONE: 1}
    assert [fetched.days for _, fetched in drained.fetched] == [[day]]
    assert [entry for entry, _ in webhooks.world.landed("runa", DAILY_SLEEP)] == [DAY.isoformat()]
    assert webhooks.waiting() == []
    [push] = webhooks.pipeline.accounts.pushes.find("daily_sleep", first_day=day, last_day=day)
    assert push.points == 0
    assert webhooks.pipeline.accounts.pushes.withdrawn("daily_sleep") != []
    assert webhooks.pipeline.accounts.overview.losses() == [], "Oura said so, so nothing is lost"


def test_a_delete_of_what_is_stored_nowhere_is_checked_once_more(webhooks: WebhookWorld) -> None:
    """A sync that asked before the delete may be about to land what was there."""
    day = DAY - 2 * ONE
    stale = score_of(webhooks, day=day)
    webhooks.sync(DAILY_SLEEP, day, day)
    webhooks.world.warehouse.forget("runa")
    webhooks.cloud.delete("runa", "daily_sleep", day=day)
    webhooks.post("delete", "runa", DAILY_SLEEP, stale["id"])
    assert webhooks.drain().outcomes == {Outcome.POSTPONED: 1}
    [event] = webhooks.waiting()
    assert event.next_at - event.received_at == timedelta(minutes=10)
    assert webhooks.drain(9 * MINUTE).outcomes == {}
    assert webhooks.drain(11 * MINUTE).outcomes == {Outcome.GONE: 1}


def test_a_delete_of_what_still_exists_is_checked_once_more(webhooks: WebhookWorld) -> None:
    """What Oura has is landed; the second time it is believed to stay."""
    webhooks.post("delete", "runa", DAILY_SLEEP, score_of(webhooks)["id"])
    assert webhooks.drain().outcomes == {Outcome.POSTPONED: 1}
    assert webhooks.drain(11 * MINUTE).outcomes == {Outcome.LANDED: 1}
    assert webhooks.agree(DAILY_SLEEP)


def test_a_document_that_is_not_there_yet_is_waited_for(webhooks: WebhookWorld) -> None:
    """Oura announces what it cannot give yet: after 1, 2, 4 … 60 minutes it is asked again."""
    webhooks.post("create", "runa", DAILY_SLEEP, "not-there-yet")
    later, waits = timedelta(0), []
    while webhooks.waiting():
        outcomes = webhooks.drain(later).outcomes
        if webhooks.waiting():
            assert outcomes == {Outcome.POSTPONED: 1}
            [event] = webhooks.waiting()
            wanted = event.next_at - datetime.now(UTC) - later
            waits.append(round(wanted / MINUTE))
            later += wanted + timedelta(seconds=1)
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert outcomes == {Outcome.GIVEN_UP: 1}
    assert timedelta(hours=24) <= later < timedelta(hours=26)


def test_after_a_day_of_contradiction_the_stored_days_are_fetched(webhooks: WebhookWorld) -> None:
    """Its delete event may never have come: what stands is compared with Oura once more."""
    day = DAY - 3 * ONE
    webhooks.sync(DAILY_SLEEP, day, day)
    gone = webhooks.cloud.delete("runa", "daily_sleep", day=day)
    webhooks.post("update", "runa", DAILY_SLEEP, gone["id"])
    first = webhooks.drain()
    assert (first.outcomes, first.fetched) == ({Outcome.POSTPONED: 1}, [])
    assert len(webhooks.world.landed("runa", DAILY_SLEEP)) == 2
    assert webhooks.drain(timedelta(hours=25)).outcomes == {Outcome.GIVEN_UP: 1}
    assert [entry for entry, _ in webhooks.world.landed("runa", DAILY_SLEEP)] == [DAY.isoformat()]


def test_a_delete_finishes_what_waits_for_the_same_document(webhooks: WebhookWorld) -> None:
    """The create event of a document that never came is not waited for any longer."""
    webhooks.post("create", "runa", DAILY_SLEEP, "short-lived")
    for minutes in (0, 2, 5, 10, 20):
        assert webhooks.drain(minutes * MINUTE).outcomes == {Outcome.POSTPONED: 1}
    webhooks.post("delete", "runa", DAILY_SLEEP, "short-lived")
    webhooks.drain()
    assert webhooks.drain(11 * MINUTE).outcomes == {Outcome.GONE: 2}
    assert webhooks.waiting() == []


def test_many_events_about_a_document_are_one_question(webhooks: WebhookWorld) -> None:
    """In whatever order they come, and however often."""
    revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 42})
    for kind in ("update", "create", "update", "update", "create"):
        webhooks.post(kind, "runa", DAILY_SLEEP, revised["id"])
    assert webhooks.drain().outcomes == {Outcome.LANDED: 5}
    assert webhooks.asked() == {"daily_sleep": 1, "daily_sleep/one": 1}
    assert webhooks.agree(DAILY_SLEEP)


def test_the_days_of_a_person_are_as_few_questions_as_can_be() -> None:
    """Days in a row are one question, people with the same days are asked together."""
    days = {
        "ada": [DAY, DAY + ONE, DAY + 3 * ONE],
        "bob": [DAY + ONE, DAY],
        "cleo": [DAY + 3 * ONE],
        "dan": list[date](),
    }
    assert day_ranges(days) == {
        (DAY, DAY + ONE): ["ada", "bob"],
        (DAY + 3 * ONE, DAY + 3 * ONE): ["ada", "cleo"],
    }


def test_events_of_nobody_and_nothing_are_finished(webhooks: WebhookWorld) -> None:
    """A stranger's, one about a type without single documents, and what is no event."""
    webhooks.ids["stranger"] = "somebody-else"
    body = {"event_time": "2026-06-10", "event_type": "update", "object_id": "a"}
    stranger = {**body, "data_type": "sleep", "user_id": "somebody-else"}
    meal = {**body, "data_type": "meal", "user_id": webhooks.ids["runa"]}
    for sent in (json.dumps(stranger), json.dumps(meal), "not JSON", '{"event_type": "update"}'):
        webhooks.receive(sent.encode())
    assert webhooks.drain().outcomes == {
        Outcome.UNKNOWN_PERSON: 1,
        Outcome.UNKNOWN_TYPE: 1,
        Outcome.UNREADABLE: 2,
    }
    assert (webhooks.waiting(), webhooks.asked()) == ([], {})


@pytest.mark.parametrize("how", ["disconnect", "retire"])
def test_people_who_may_not_be_fetched_are_not(webhooks: WebhookWorld, how: str) -> None:
    """Who disconnected or left: their events are finished without a question."""
    webhooks.post("update", "runa", DAILY_SLEEP, score_of(webhooks)["id"])
    getattr(webhooks.pipeline.accounts.removal, how)("runa")
    assert webhooks.drain().outcomes == {Outcome.NOT_CONNECTED: 1}
    assert (webhooks.waiting(), webhooks.asked()) == ([], {})


def test_what_is_not_granted_is_nothing_to_fetch(webhooks: WebhookWorld) -> None:
    """Finished, and the ledger does not hear of it."""
    webhooks.sign_in("koa", [scope for scope in ALL_SCOPES.split() if scope != "daily"])
    webhooks.post("update", "koa", DAILY_SLEEP, score_of(webhooks, "koa")["id"])
    assert webhooks.drain().outcomes == {Outcome.NOT_GRANTED: 1}
    assert webhooks.waiting() == []
    assert webhooks.pipeline.accounts.fetches.find("daily_sleep", usernames=["koa"]) == []


def test_who_must_sign_in_again_is_synced_after_they_did(webhooks: WebhookWorld) -> None:
    """Gaps and the look-back ask for it then; so for a membership that lapsed."""
    object_id = score_of(webhooks)["id"]
    webhooks.cloud.change_person("runa", membership=False)
    webhooks.post("update", "runa", DAILY_SLEEP, object_id)
    assert webhooks.drain().outcomes == {Outcome.NOT_CONNECTED: 1}
    webhooks.cloud.change_person("runa", membership=True, revoke="all")
    webhooks.post("update", "runa", DAILY_SLEEP, object_id)
    assert webhooks.drain().outcomes == {Outcome.NOT_CONNECTED: 1}
    assert webhooks.waiting() == []


@pytest.mark.usefixtures("impatient")
def test_when_oura_is_away_events_wait_for_three_days(webhooks: WebhookWorld) -> None:
    """Then they are given up, and counted; the days that stand are tried a last time."""
    webhooks.cloud.fault("error", count=None)
    revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 43})
    webhooks.post("update", "runa", DAILY_SLEEP, revised["id"])
    assert webhooks.drain().outcomes == {Outcome.POSTPONED: 1}
    assert webhooks.drain(timedelta(hours=71)).outcomes == {Outcome.POSTPONED: 1}
    webhooks.cloud.clear_faults()
    webhooks.cloud.fault("error")
    assert webhooks.drain(timedelta(hours=73)).outcomes == {Outcome.GIVEN_UP: 1}
    assert webhooks.waiting() == []
    assert webhooks.agree(DAILY_SLEEP)


@pytest.mark.usefixtures("impatient")
def test_a_day_that_cannot_be_fetched_is_fetched_later(webhooks: WebhookWorld) -> None:
    """The document answered, its day did not: the event waits."""
    webhooks.cloud.fault("error", skip=1)
    revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 44})
    webhooks.post("update", "runa", DAILY_SLEEP, revised["id"])
    assert webhooks.drain().outcomes == {Outcome.POSTPONED: 1}
    assert webhooks.drain(2 * MINUTE).outcomes == {Outcome.LANDED: 1}
    assert webhooks.agree(DAILY_SLEEP)


@pytest.mark.usefixtures("impatient")
def test_one_persons_silence_is_not_listened_to_for_ever(webhooks: WebhookWorld) -> None:
    """After three questions without an answer the rest waits; others are asked all the same."""
    webhooks.sign_in("koa")
    webhooks.sync(DAILY_SLEEP)
    webhooks.cloud.fault("error", person="runa", count=None)
    for number in range(10):
        webhooks.post("create", "runa", DAILY_SLEEP, f"id-{number}")
    webhooks.post("update", "koa", DAILY_SLEEP, score_of(webhooks, "koa")["id"])
    assert webhooks.drain().outcomes == {Outcome.POSTPONED: 10, Outcome.LANDED: 1}
    assert webhooks.asked() == {"daily_sleep": 1, "daily_sleep/one": 3 + 1}


def test_the_state_of_the_rings_is_fetched_whole(webhooks: WebhookWorld) -> None:
    """A type without days has one snapshot; the points say today."""
    webhooks.sync(RING_CONFIGURATION)
    with duckdb.connect(str(webhooks.world.warehouse.path)) as warehouse:
        warehouse.execute("UPDATE oura.ring_configuration SET day = '2026-01-01'")
    ring = webhooks.world.truth("runa", RING_CONFIGURATION)[0][1]
    webhooks.cloud.revise("runa", "ring_configuration", id=ring["id"], fields={"size": 12})
    webhooks.post("update", "runa", RING_CONFIGURATION, ring["id"])
    drained = webhooks.drain()
    assert drained.outcomes == {Outcome.LANDED: 1}
    assert webhooks.asked() == {"ring_configuration": 1, "ring_configuration/one": 1}
    landed = [json.loads(raw) for raw in documents(webhooks, "runa", RING_CONFIGURATION)]
    assert {ring["id"]: ring["size"] for ring in landed}[ring["id"]] == 12
    assert [row.name for row, _ in drained.pushed] == ["ring_configuration"]


def documents(webhooks: WebhookWorld, username: str, document_type: DocumentType) -> list[bytes]:
    found = webhooks.world.warehouse.documents(document_type, username, date.min, date.max)
    return [raw for _, raw in found]


def test_a_graphite_that_is_away_makes_no_event_wait(webhooks: WebhookWorld) -> None:
    """What could not leave is in the ledger, all of it, and leaves later."""
    webhooks.sync(SLEEP)
    nobody = settings_with(graphite_host="127.0.0.1", graphite_port=1)
    away = replace(webhooks.pipeline, sender=graphite_sender(nobody))
    score = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 45})
    night = webhooks.world.truth("runa", SLEEP, DAY, DAY)[0][1]
    webhooks.cloud.revise("runa", "sleep", id=night["id"], fields={"efficiency": 77})
    webhooks.post("update", "runa", DAILY_SLEEP, score["id"])
    webhooks.post("update", "runa", SLEEP, night["id"])
    drained = webhooks.drain(pipeline=away)
    assert drained.outcomes == {Outcome.LANDED: 2}
    assert drained.unsent is not None
    assert webhooks.waiting() == []
    assert webhooks.agree(DAILY_SLEEP, SLEEP)
    push_waiting(webhooks.pipeline, datetime.now(UTC))
    assert unsent(webhooks) == {"daily_sleep", "sleep"}, "somebody may be sending them just now"
    push_waiting(webhooks.pipeline, datetime.now(UTC) + timedelta(hours=1))
    assert unsent(webhooks) == set()
    lines = (webhooks.world.home / "graphite.log").read_text(encoding="utf-8")
    assert "bio.runa.sleep.score 45 " in lines
    assert "bio.runa.sleep.efficiency 77 " in lines


def unsent(webhooks: WebhookWorld) -> set[str]:
    later = datetime.now(UTC) + timedelta(days=1)
    return {row.document_type for row in webhooks.pipeline.accounts.waiting.due(later, limit=99)}


def test_a_run_that_dies_leaves_its_events_as_they_are(webhooks: WebhookWorld) -> None:
    """Nothing is finished before it is landed; the next run takes them all."""
    revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 46})
    webhooks.post("update", "runa", DAILY_SLEEP, revised["id"])
    before = webhooks.waiting()
    path = webhooks.pipeline.warehouse.path
    busy = replace(webhooks.pipeline, warehouse=Warehouse(path, timeout=0.1))
    with FileLock(f"{path}.lock"), pytest.raises(WarehouseBusy):
        webhooks.drain(pipeline=busy)
    assert webhooks.waiting() == before != []
    assert webhooks.drain().outcomes == {Outcome.LANDED: 1}
    assert webhooks.agree(DAILY_SLEEP)


class Slow(NoProgress):
    """Keeps whoever was asked from landing until it may."""

    def __init__(self, accounts: Accounts) -> None:
        self.asked, self.may_land = threading.Event(), threading.Event()
        self.accounts, self.times = accounts, 0

    def person_done(self, document_type: str, username: str) -> None:
        self.times += 1
        # Nobody waits for the lock of the type because Oura is asked, also for the second time.
        with self.accounts.lock(f"land {document_type}", seconds=0):
            self.asked.set()
        assert self.may_land.wait(60)


def test_a_sync_that_fetched_earlier_does_not_land_over_an_event(webhooks: WebhookWorld) -> None:
    """Its answer was overtaken: it asks again, and what stands is what Oura says now."""
    slow = Slow(webhooks.pipeline.accounts)

    def sync() -> FetchResult:
        progress.set(slow)
        return webhooks.land(DAILY_SLEEP, DAY, LAST)

    with ThreadPoolExecutor(1) as pool:
        synced = pool.submit(sync)
        assert slow.asked.wait(60)
        revised = webhooks.cloud.revise("runa", "daily_sleep", day=DAY, fields={"score": 47})
        webhooks.post("update", "runa", DAILY_SLEEP, revised["id"])
        assert webhooks.drain().outcomes == {Outcome.LANDED: 1}
        slow.may_land.set()
        answers = synced.result().results
    assert ([answer.username for answer in answers], slow.times) == (["runa"], 2)
    assert webhooks.agree(DAILY_SLEEP, last=LAST)
    entries = webhooks.pipeline.accounts.fetches.find("daily_sleep", usernames=["runa"])
    assert {entry.run_id for entry in entries} == {"sync"}


def test_a_sync_does_not_bring_back_what_has_moved_out_of_its_days(
    webhooks: WebhookWorld,
) -> None:
    """An event landed a document under a day before those of a sync that began earlier."""
    webhooks.sync(SLEEP)
    slow = Slow(webhooks.pipeline.accounts)
    nap = webhooks.cloud.add("runa", "sleep", day=DAY.isoformat())

    def sync() -> FetchResult:
        progress.set(slow)
        return webhooks.land(SLEEP, DAY, LAST)

    with ThreadPoolExecutor(1) as pool:
        synced = pool.submit(sync)
        assert slow.asked.wait(60)
        earlier = (DAY - ONE).isoformat()
        webhooks.cloud.revise("runa", "sleep", id=nap["id"], fields={"day": earlier})
        webhooks.post("update", "runa", SLEEP, nap["id"])
        assert webhooks.drain().outcomes == {Outcome.LANDED: 1}
        slow.may_land.set()
        synced.result()
    landed = webhooks.world.landed("runa", SLEEP)
    assert [day for day, document in landed if document["id"] == nap["id"]] == [earlier]


def test_all_that_is_due_is_landed_in_batches(webhooks: WebhookWorld) -> None:
    """A thousand events at a time until nothing is due; what was postponed is not due again."""
    score = score_of(webhooks)["id"]
    bodies = [webhooks.body("update", "runa", DAILY_SLEEP, score) for _ in range(1000)]
    bodies += [webhooks.body("create", "runa", DAILY_SLEEP, "not-there") for _ in range(5)]
    webhooks.receive(*bodies)
    parts = list(land_due(webhooks.pipeline, run_id="events", now=datetime.now(UTC)))
    assert [part.outcomes for part in parts] == [{Outcome.LANDED: 1000}, {Outcome.POSTPONED: 5}]
    assert len(webhooks.waiting()) == 5


def test_nothing_shows_whose_event_it_was(
    webhooks: WebhookWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a log nor a repr holds an id."""
    caplog.set_level(logging.DEBUG)
    object_id = score_of(webhooks)["id"]
    webhooks.post("update", "runa", DAILY_SLEEP, object_id)
    person = webhooks.pipeline.accounts.people.get("runa")
    document = AffectedDocument(
        person=person, document_type=DAILY_SLEEP, id=object_id, events=webhooks.waiting()
    )
    shown = f"{document!r} {webhooks.drain()!r}"
    assert object_id not in shown
    logged = [r.getMessage() for r in caplog.records if r.name.startswith("oura_pipeline")]
    assert object_id not in " ".join(logged)


def test_waits_double_up_to_an_hour() -> None:
    assert [retry_delay(attempts) / MINUTE for attempts in (0, 1, 2, 5, 6, 100)] == [
        1,
        2,
        4,
        32,
        60,
        60,
    ]
