"""What Dagster's own bookkeeping costs: a year's backfill of empty assets, launched like in the UI.

Starts a webserver and a daemon on an empty home, launches one backfill through GraphQL and waits.

    python benchmarks/backfill_bookkeeping.py [--stock] [--module oura_pipeline.definitions]
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

ROOT = Path(__file__).resolve().parent.parent
STORAGE, AFTER_STORAGE = "storage:\n", "# On more than one machine"
ASSETS = """{ assetNodes { assetKey { path } isPartitioned partitionKeys } }"""
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
  partitionStats { numMaterialized numFailed numMaterializing }
  assetMaterializations(limit: 1) { partition runId } } }"""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}


@dg.definitions
def toy_definitions() -> dg.Definitions:
    """18 empty daily assets, and one downstream of each: the shape of the real ones."""
    days = dg.DailyPartitionsDefinition("2025-01-01", end_date="2026-01-01")

    def empty(name: str, group: str, upstream: tuple[str, ...]) -> dg.AssetsDefinition:
        @dg.asset(
            key=[group, name],
            deps=[dg.AssetKey([*upstream, name])] if upstream else [],
            partitions_def=days,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def _empty(context: dg.AssetExecutionContext) -> None:
            for day in context.partition_keys:
                context.add_asset_metadata({"rows": 0}, partition_key=day)

        return _empty

    names = [f"type_{number:02}" for number in range(18)]
    return dg.Definitions(
        assets=[empty(name, "oura", ()) for name in names]
        + [empty(name, "graphite", ("oura",)) for name in names],
        executor=dg.in_process_executor,
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one backfill did, and the seconds it took."""

    runs: list[str]
    asked: int
    materialized: int
    from_click: float
    planning: float
    running: float
    wrong: list[str]

    def lines(self, title: str) -> str:
        """A paragraph for people."""
        spent = 1000 * (self.planning + self.running)
        per_day = f"{spent / self.materialized:.2f}" if self.materialized else f"over {spent:.0f}"
        return (
            f"{title}: {self.materialized} of {self.asked} materializations, "
            f"{len(self.runs)} run(s) {' '.join(self.runs)}\n"
            f"  {self.from_click:.1f} s from the click to the end or the time limit, of these "
            f"{self.planning:.1f} s planning and {self.running:.1f} s running\n"
            f"  {per_day} ms per asset-day\n"
            f"  partition status wrong: {', '.join(self.wrong) or 'of no asset'}"
        )


def main() -> int:
    """Run the benchmark; 1 if the backfill was not one run or a partition's status is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", help="load this module instead of the 36 toy assets")
    parser.add_argument("--stock", action="store_true", help="Dagster's own event log as well")
    parser.add_argument("--days", type=int, default=365, help="how many days (default 365)")
    parser.add_argument("--timeout", type=float, default=240, help="seconds for each backfill")
    options = parser.parse_args()
    target = ["-m", options.module] if options.module else ["-f", str(Path(__file__).resolve())]
    config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    batched = measure(config, target, days=options.days, timeout=options.timeout)
    print(batched.lines("batched"), flush=True)
    if options.stock:
        stock = config[: config.index(STORAGE)] + config[config.index(AFTER_STORAGE) :]
        outcome = measure(stock, target, days=options.days, timeout=options.timeout)
        print(outcome.lines("stock"), flush=True)
    return int(len(batched.runs) != 1 or bool(batched.wrong))


def measure(config: str, target: list[str], *, days: int, timeout: float) -> Outcome:
    """One backfill of the newest `days` days in a home of its own."""
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        Path(home, "dagster.yaml").write_text(config, encoding="utf-8")
        graphql = stack.enter_context(services(Path(home), target))
        nodes = [node for node in graphql(ASSETS)["assetNodes"] if node["isPartitioned"]]
        keys = [node["assetKey"] for node in nodes]
        partitions = nodes[0]["partitionKeys"][-days:]
        clicked = time.monotonic()
        backfill = graphql(
            LAUNCH, params={"assetSelection": keys, "partitionNames": partitions, "tags": []}
        )["launchPartitionBackfill"]
        if backfill["__typename"] != "LaunchBackfillSuccess":
            raise SystemExit(f"The backfill was refused: {backfill}")
        runs = finished_runs(graphql, backfill["backfillId"], clicked + timeout)
        seconds = time.monotonic() - clicked
        status = graphql(STATUS, keys=keys)["assetNodes"]
    return outcome(runs, status, days=len(partitions), seconds=seconds)


# The daemon looks for backfills twice a minute and for queued runs every five seconds, and a run is
# a new process. Only planning the run and the run itself grow with assets and days: the figure per
# asset-day is of these two.
def outcome(
    runs: list[dict[str, Any]], status: list[dict[str, Any]], *, days: int, seconds: float
) -> Outcome:
    """Compare what Dagster says of each asset with what was asked for."""
    right = {"numMaterialized": days, "numFailed": 0, "numMaterializing": 0}
    ids = {run["id"] for run in runs}
    wrong = [
        "/".join(node["assetKey"]["path"])
        for node in status
        if node["partitionStats"] != right
        or {event["runId"] for event in node["assetMaterializations"]} - ids
    ]
    return Outcome(
        runs=[run["status"] for run in runs],
        asked=days * len(status),
        materialized=sum(node["partitionStats"]["numMaterialized"] for node in status),
        from_click=seconds,
        planning=sum(between(run["creationTime"], run["stats"]["enqueuedTime"]) for run in runs),
        running=sum(between(run["startTime"], run["endTime"]) for run in runs),
        wrong=wrong,
    )


def between(start: float | None, end: float | None) -> float:
    """Seconds from a start to an end, where what has not come is now."""
    now = time.time()
    return (end or now) - (start or now)


def finished_runs(graphql: Any, backfill: str, deadline: float) -> list[dict[str, Any]]:
    """The backfill's runs once all have ended, or as they are at the deadline."""
    found = {"tags": [{"key": "dagster/backfill", "value": backfill}]}
    while True:
        runs: list[dict[str, Any]] = graphql(RUNS, filter=found)["runsOrError"]["results"]
        ended = runs and all(run["status"] in FINISHED for run in runs)
        if ended or time.monotonic() > deadline:
            return runs
        time.sleep(0.5)


@contextmanager
def services(home: Path, target: list[str]) -> Iterator[Any]:
    """A webserver and a daemon on this home; gives a function that asks the webserver."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "OURA_PIPELINE_HOME": str(home / "data"),
        "PYTHONWARNINGS": "ignore",
    }
    environment.pop("DAGSTER_EVENT_BATCH_SIZE", None)
    port = free_port()
    web = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    with ExitStack() as stack:
        for command in (web, ["dagster._daemon", "run"]):
            stack.enter_context(process([*command, *target], home, environment))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        wait_for(client)

        def graphql(query: str, **variables: Any) -> Any:
            answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
            if "errors" in answer:
                raise SystemExit(f"GraphQL: {answer['errors']}")
            return answer["data"]

        yield graphql


@contextmanager
def process(arguments: list[str], home: Path, environment: dict[str, str]) -> Iterator[None]:
    """A Python module as a process that ends with this block, and with it all that it started."""
    command = [sys.executable, "-m", *arguments]
    with Path(home, f"{arguments[0]}.log").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            command, cwd=home, env=environment, stdout=log, stderr=log, start_new_session=True
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


def wait_for(client: httpx.Client, seconds: float = 90) -> None:
    """Return when the webserver answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if client.get("/server_info").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise SystemExit(f"The webserver did not answer within {seconds:.0f} s")


def free_port() -> int:
    """A port nobody uses on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
