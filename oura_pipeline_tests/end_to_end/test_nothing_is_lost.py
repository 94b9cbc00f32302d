"""A day without the site, a day without Dagster, an hour without Oura: in the end all is here."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
import stamina

from oura_pipeline.catalog.document_types import DAILY_SLEEP, ENHANCED_TAG, SLEEP, WORKOUT
from oura_pipeline.defs.gaps import due_gaps, gap_request
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.subscriptions import maintain
from oura_pipeline.web.server import listen, running_site, socket_url
from oura_pipeline_tests.end_to_end.conftest import LAST
from oura_pipeline_tests.testing.world import World, world
from oura_pipeline_tests.web.html_browser import HtmlBrowser

TYPES = (DAILY_SLEEP, ENHANCED_TAG, SLEEP, WORKOUT)
NAMES = [row.name for row in TYPES]
WEEK = LAST - timedelta(days=6)
TEN = datetime(LAST.year, LAST.month, LAST.day, 10, tzinfo=UTC)


def everything(made: World, username: str) -> tuple[Any, Any]:
    """What stands here, and what Oura has."""
    here = {row.name: made.landed(username, row) for row in TYPES}
    there = {row.name: made.truth(username, row, WEEK, LAST) for row in TYPES}
    return here, there


def change(cloud: Sandbox, *, notify: bool) -> None:
    """What happens to somebody's documents within a day."""
    cloud.add("runa", ENHANCED_TAG.name, day=LAST, notify=notify)
    cloud.add("runa", WORKOUT.name, day=LAST - timedelta(days=2), notify=notify)
    cloud.revise("runa", DAILY_SLEEP.name, day=LAST, fields={"score": 42}, notify=notify)
    night = cloud.truth("runa", SLEEP.name, LAST - timedelta(days=1), LAST)[0]["document"]
    cloud.delete("runa", SLEEP.name, id=night["id"], notify=notify)


def execute(made: World, job: str, **request: Any) -> dg.ExecuteInProcessResult:
    """A run as the daemon would start it."""
    with project_instance() as instance:
        return made.definitions.resolve_job_def(job).execute_in_process(
            instance=instance, raise_on_error=False, **request
        )


def test_what_was_missed_without_the_site_is_found_by_the_daily_run(published_world: World) -> None:
    """Nobody took Oura's events for a day; the schedule looks back for seven."""
    published_world.sign_in("runa")
    published_world.fetch(WEEK, LAST, types=NAMES)
    change(published_world.sandbox, notify=True)
    here, there = everything(published_world, "runa")
    assert here != there
    schedule = published_world.definitions.resolve_schedule_def("daily")
    with dg.build_schedule_context(scheduled_execution_time=TEN) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert execute(
        published_world, "sync", tags=request.tags, run_config=request.run_config
    ).success
    here, there = everything(published_world, "runa")
    assert here == there


def test_what_waited_without_dagster_is_landed_when_it_is_back(tmp_path: Path) -> None:
    """Events are kept by the site alone, over a restart of it, until a run takes them."""
    listener = listen("127.0.0.1", 0)
    url = socket_url(listener)
    options = SandboxOptions(people=1, days=8, end=LAST)
    settings = {"OURA_PUBLIC_URL": url, "OURA_SIGNUP": "open"}
    with (
        running(options) as cloud,
        world(tmp_path / "data", cloud, settings=settings) as made,
    ):
        with running_site(listener=listener), HtmlBrowser(url) as browser:
            browser.join("runa")
            made.fetch(WEEK, LAST, types=NAMES)
            with open_pipeline() as pipeline:
                assert not maintain(pipeline).failed
            change(cloud, notify=True)
            delivered(cloud, 4)
        here, there = everything(made, "runa")
        assert here != there
        assert execute(made, "webhook_events").success
        here, there = everything(made, "runa")
        with made.accounts() as accounts:
            waiting = accounts.inbox.backlog().waiting
    assert here == there
    assert waiting == 0


def test_what_oura_did_not_answer_is_asked_again_by_the_gaps_sensor(own_world: World) -> None:
    """A failed day stands in the ledger, and the run that the sensor asks for closes it."""
    own_world.sign_in("runa")
    own_world.sign_in("koa")
    own_world.sandbox.fault("error", route=DAILY_SLEEP.name, person="runa", count=None)
    with stamina.set_testing(True, attempts=1):
        own_world.fetch(WEEK, LAST, types=NAMES)
    own_world.sandbox.clear_faults()
    later = datetime.now(UTC) + timedelta(hours=1)
    gaps = due_gaps(load_settings(), later)
    assert [gap.document_types for gap in gaps] == [(DAILY_SLEEP.name,)]
    request = gap_request(gaps[0], later, share=0.5)
    ran = execute(
        own_world,
        "sync",
        tags=request.tags,
        run_config=request.run_config,
    )
    assert ran.success
    here, there = everything(own_world, "runa")
    assert here == there


def delivered(cloud: Sandbox, many: int) -> None:
    """Return when so many deliveries have ended well."""
    deadline = time.monotonic() + 30
    while [delivery["state"] for delivery in cloud.deliveries()] != ["delivered"] * many:
        assert time.monotonic() < deadline, cloud.deliveries()
        Event().wait(0.05)
