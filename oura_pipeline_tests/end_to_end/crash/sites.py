"""A site that is killed while people sign in, events come and others sync."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from time import sleep

import httpx

from oura_pipeline.defs.storage import project_instance
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.subscriptions import maintain
from oura_pipeline.sync.waiting import finish_pushes
from oura_pipeline_tests.end_to_end.crash.crash import Crash
from oura_pipeline_tests.end_to_end.crash.points import EVENTS, SITE, WHENS
from oura_pipeline_tests.end_to_end.crash.programs import Program, command, result_of, until
from oura_pipeline_tests.end_to_end.crash.truth import read_copies
from oura_pipeline_tests.testing.world import World
from oura_pipeline_tests.web.html_browser import HtmlBrowser


def together(crash: Crash) -> None:
    """Four syncs at once, beside a site and six readers; some of them are killed."""
    stop = crash.log("stop")
    stop.unlink(missing_ok=True)
    readers = [crash.start("reader", partial(read_copies, stop)) for _ in range(6)]
    with site(crash) as (start, url):
        page = start()
        crash.change(4)
        syncs = [crash.sync(kill=crash.kill_of_a_sync()) for _ in range(3)] + [crash.sync()]
        sleep(crash.rng.uniform(0.5, 2))
        for victim, name in ((page, "site"), (readers.pop(), "reader")):
            victim.kill()
            crash.count("kills", f"{name} beside four syncs")
        for sync in syncs[:3]:
            crash.killed(sync, "beside three others")
        if syncs[3].wait():
            crash.find(f"the fourth sync failed: {syncs[3].said[-500:]!r}")
        start()
        is_up(url)
    stop.touch()
    for reader in readers:
        if reader.wait():
            crash.find(f"a reader failed: {reader.said[-500:]!r}")


def events(crash: Crash) -> None:
    """The site is killed while events come and somebody signs in; then what lands them is."""
    with site(crash) as (start, url), HtmlBrowser(url) as browser:
        page = start()
        result_of(_subscribe, crash.log("subscriptions"))
        for _ in range(4):
            page.kill()
            crash.count("kills", "site that waits")
            point, when = crash.draw("site", [*product(SITE, WHENS)])
            kill = crash.kill(point, when, 2)
            page = start(kill=kill)
            crash.change(3, types=[row.name for row in crash.rows if row.webhook], notify=True)
            with suppress(httpx.TransportError, LookupError):  # it dies
                browser.sign_in(crash.usernames[0])
            page.process.join(1)
            if not page.runs:
                crash.count("kills", f"site {kill}")
        page.kill()
        start()
        until(lambda: "waiting" not in _states(crash), "events are still not delivered")
        if browser.sign_in(crash.usernames[0]).status != 200 or browser.path != "/me":
            crash.find(f"signing in ends at {browser.path}, {browser.page.status}")
        for _ in range(5):
            point, when = crash.draw("events", [*product(EVENTS, WHENS)])
            kill = crash.kill(point, when, 2)
            crash.killed(crash.start("drain", partial(_drain, crash.made), kill=kill), kill)
        if status := crash.start("drain", partial(_drain, crash.made)).wait():
            crash.find(f"events are still not landed: status {status}")
        # What Oura gave up, because the site was away for too long, is found by the next sync.
        if "given up" not in _states(crash):
            crash.compare(alone=False)


def _subscribe() -> None:
    with open_pipeline() as pipeline:
        assert not maintain(pipeline).failed


def _states(crash: Crash) -> set[str]:
    return {delivery["state"] for delivery in crash.sandbox.deliveries()}


def _drain(made: World) -> None:
    """Do what the daemon does with events, and what every run does at its end."""
    with project_instance(captures_output=False) as instance:
        job = made.definitions.resolve_job_def("webhook_events")
        assert job.execute_in_process(instance=instance, raise_on_error=False).success
    with open_pipeline() as pipeline:
        finish_pushes(pipeline, [], [])


@contextmanager
def site(crash: Crash) -> Iterator[tuple[Callable[..., Program], str]]:
    """Choose a port for a site; yield what starts it, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://localhost:{port}"
    started: list[Program] = []

    def start(**harm: object) -> Program:
        started.append(crash.start("site", command("web", "--port", str(port)), **harm))
        until(lambda: is_up(url) or not started[-1].runs, "the site does still not answer")
        return started[-1]

    earlier = os.environ.get("OURA_PUBLIC_URL")
    os.environ["OURA_PUBLIC_URL"] = url
    try:
        yield start, url
    finally:
        for program in started:
            program.kill()
        os.environ.pop("OURA_PUBLIC_URL")
        if earlier is not None:
            os.environ["OURA_PUBLIC_URL"] = earlier


def is_up(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", trust_env=False, timeout=5).is_success
    return False
