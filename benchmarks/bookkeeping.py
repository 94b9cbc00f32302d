"""F, G and K: what Dagster's bookkeeping costs and leaves, and how long one waits for a page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.measuring import folder_bytes, use
from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.worlds import COMMAND, LAST, PYTHON, SETTINGS, cloud, signed_in, sync_command
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline_tests.testing.world import world

# Its documents, and their points.
ASSETS = 2 * sum(document_type.partitioned for document_type in DOCUMENT_TYPES)
TEN_YEARS, UNTIDIED = 3650, 30  # days, and after how many of them runs are deleted
LOCATION = "from oura_pipeline.definitions import defs; defs.get_repository_def()"
PARTITIONED = """{ assetNodes {
  assetKey { path } isPartitioned isMaterializable partitionKeys } }"""
LAUNCH = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message stack }
  } }"""
RUNS = """query Runs($filter: RunsFilter) { runsOrError(filter: $filter) {
  ... on Runs { results { id status creationTime startTime endTime
    stats { ... on RunStatsSnapshot { enqueuedTime } } } } } }"""
STATUS = """query Status($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
  assetKey { path }
  partitionStats { numMaterialized numFailed numMaterializing } } }"""
# What the page of an asset shows first: its state, its days, its last events.
PAGE = """query Page($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
  description jobNames partitionKeys partitionStats { numMaterialized numFailed }
  assetMaterializations(limit: 100) { partition runId timestamp metadataEntries { label } } } }"""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
LONGEST = 240.0  # seconds

Ask = Callable[..., Any]


def by_sync(results: Results, scale: Scale, scratch: Path) -> None:
    """F, F' and G by `sync`: days without documents, so that all that is left is bookkeeping."""
    days = scale.asset_days
    with cloud(people=1, days=1) as made, signed_in(scratch, made):
        first = LAST - timedelta(days=days - 1)
        use(sync_command(first, first))  # makes what a new folder lacks
        one_day = use(sync_command(first, first))
        before = folder_bytes(scratch / "dagster")
        all_days = use(sync_command(first, LAST))
        grown = folder_bytes(scratch / "dagster") - before
        for _ in range(2):
            before = folder_bytes(scratch / "dagster")
            use(sync_command(LAST - timedelta(days=6), LAST))
            night = folder_bytes(scratch / "dagster") - before
    asset_days = ASSETS * (days - 1)
    scaled = "" if days == 365 else f"{days} days"
    cost = 1000 * (all_days.cpu - one_day.cpu) / asset_days
    record = grown / asset_days
    results.figure("F", "an asset's day by sync", "ms CPU", cost, at_most=0.35, scaled=scaled)
    results.figure("F'", "Dagster's records of it", "kB", record / 1000, at_most=2, scaled=scaled)
    results.figure(
        "G",
        "Dagster's records after ten years of nights",
        "MB",
        (TEN_YEARS * ASSETS * record + UNTIDIED * night) / 1e6,
        at_most=300,
        scaled="extrapolated: F' of every asset's day, and the last 30 nights",
    )


def by_backfill(results: Results, scale: Scale, scratch: Path) -> None:
    """F from the UI, daemon running; and of K a cold page of an asset afterwards."""
    days = scale.asset_days
    # Nobody has signed in, so that sensors start no other run.
    with cloud(people=1, days=1) as made, world(scratch, made.sandbox, settings=SETTINGS):
        with services(scratch, "webserver", "daemon") as ask:
            keys, took = backfilled(ask, days)
        with services(scratch, "webserver") as ask:
            began = time.perf_counter()
            ask(PAGE, keys=keys[:1])
            page = time.perf_counter() - began
    scaled = "" if days == 365 else f"{days} days"
    results.figure(
        "F",
        "an asset's day by a backfill from the UI",
        "ms",
        1000 * took / days / len(keys),
        at_most=0.7,
        scaled=scaled,
    )
    results.figure("K", "cold page of an asset", "s", page, at_most=3, scaled=scaled)


def backfilled(ask: Ask, days: int) -> tuple[list[Any], float]:
    """Launch a backfill of the newest days like in the UI; all assets, and the seconds it took.

    The daemon looks for backfills twice a minute and for queued runs every five seconds, and a run
    is a new process. Only planning the run and the run itself grow with assets and days: the
    seconds are of these two.

    Raises:
        SystemExit: it is not one run that succeeded, or the status of a partition is wrong.
    """
    nodes = [
        node
        for node in ask(PARTITIONED)["assetNodes"]
        if node["isPartitioned"] and node["isMaterializable"]
    ]
    keys = [node["assetKey"] for node in nodes]
    params = {
        "assetSelection": keys,
        "partitionNames": nodes[0]["partitionKeys"][-days:],
        "tags": [],
    }
    backfill = ask(LAUNCH, params=params)["launchPartitionBackfill"]
    if backfill["__typename"] != "LaunchBackfillSuccess":
        raise SystemExit(f"The backfill was refused: {backfill}")
    runs = finished_runs(ask, backfill["backfillId"], time.monotonic() + LONGEST)
    right = {"numMaterialized": days, "numFailed": 0, "numMaterializing": 0}
    status = ask(STATUS, keys=keys)["assetNodes"]
    wrong = ["/".join(one["assetKey"]["path"]) for one in status if one["partitionStats"] != right]
    if wrong or [run["status"] for run in runs] != ["SUCCESS"]:
        raise SystemExit(f"The backfill came to the runs {runs}, and to wrong status of {wrong}")
    [run] = runs
    planning = run["stats"]["enqueuedTime"] - run["creationTime"]
    return keys, float(planning + run["endTime"] - run["startTime"])


def finished_runs(ask: Ask, backfill: str, deadline: float) -> list[dict[str, Any]]:
    """The backfill's runs once all have ended, or as they are at the deadline."""
    found = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
    while True:
        runs: list[dict[str, Any]] = ask(RUNS, filter=found)["runsOrError"]["results"]
        ended = runs and all(run["status"] in FINISHED for run in runs)
        if ended or time.monotonic() > deadline:
            return runs
        time.sleep(0.5)


@contextmanager
def services(home: Path, *names: str) -> Iterator[Ask]:
    """Commands of `oura-pipeline` on this home; gives a function that asks the UI's server."""
    port = free_port()
    options = {"webserver": ["--port", str(port)]}
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(process([name, *options.get(name, [])], home))
        web = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        wait_for(web, "/server_info")

        def ask(query: str, **variables: Any) -> Any:
            answer = web.post("/graphql", json={"query": query, "variables": variables}).json()
            if "errors" in answer:
                raise SystemExit(f"GraphQL: {answer['errors']}")
            return answer["data"]

        yield ask


@contextmanager
def process(arguments: list[str], home: Path) -> Iterator[None]:
    """A command of `oura-pipeline` that ends with this block, and with it all that it started."""
    with Path(home, f"{arguments[0]}.log").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [COMMAND, *arguments], cwd=home, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
            # A run beyond the time limit is a process that outlives its daemon.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_for(web: httpx.Client, path: str, seconds: float = 180) -> None:
    """Return when a page is there.

    Raises:
        SystemExit: it is not in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            # The site leads from its number to its name.
            if not web.get(path).is_error:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"{web.base_url} did not answer within {seconds:.0f} s")


def free_port() -> int:
    """A port nobody uses on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def waiting(results: Results, scale: Scale, scratch: Path) -> None:
    """K: what somebody waits for at the keyboard."""
    with cloud(people=1, days=1) as made, signed_in(scratch, made):
        helps = [use((COMMAND, "--help")) for _ in range(scale.pairs)]
        locations = [use((PYTHON, "-c", LOCATION)) for _ in range(scale.pairs)]
        opened = [until_first_pages(scratch) for _ in range(min(scale.pairs, 2))]
    results.figure("K", "`--help`", "s", *(one.wall for one in helps), at_most=0.3)
    results.figure("K", "the code location", "s", *(one.wall for one in locations), at_most=2)
    cpu = [one.cpu for one in locations]
    results.figure("K", "CPU of the code location", "s", *cpu)
    results.figure("K", "`make dev` to its first pages", "s", *opened, at_most=10)


def until_first_pages(home: Path) -> float:
    """Seconds from the start of `dev` to the front pages of Dagster's UI and of the site."""
    ports = free_port(), free_port()
    began = time.perf_counter()
    options = ["--port", str(ports[0]), "--site-port", str(ports[1])]
    with process(["dev", *options], home):
        for port in ports:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as web:
                wait_for(web, "/")
        # Before the block ends, which waits for the end of all of them.
        return time.perf_counter() - began
