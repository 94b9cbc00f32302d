"""The last run of every job, asked of Dagster's UI.

What surprises: the site needs no Dagster to work, so whatever goes wrong here is only a sentence on
the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

QUERY = """query LastRuns { repositoriesOrError { __typename ... on RepositoryConnection { nodes {
  jobs { name runs(limit: 1) { runId status creationTime startTime endTime } } } } } }"""
BY_HAND = "__ASSET_JOB"  # what Dagster calls a run of assets that somebody or a sensor picked


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """The last run of a job.

    Attributes:
        job: its name.
        kind: good, bad, warn or quiet.
        status: in words.
        at: when it ended, or began if it has not ended yet; None: it never ran.
        url: its page in Dagster's UI; None: it never ran.
    """

    job: str
    kind: str
    status: str
    at: datetime | None = None
    url: str | None = None


def last_runs(http: httpx.Client, dagster_url: str) -> list[LastRun] | None:
    """The last run of every job, by name; None: Dagster's UI does not answer as it should."""
    try:
        answer = http.post(f"{dagster_url}/graphql", json={"query": QUERY})
        nodes = answer.raise_for_status().json()["data"]["repositoriesOrError"]["nodes"]
        jobs = [job for node in nodes for job in node["jobs"]]
        return sorted((_last_run(job, dagster_url) for job in jobs), key=lambda run: run.job)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return None


def _last_run(job: Mapping[str, Any], dagster_url: str) -> LastRun:
    name = "assets picked in the UI or by a sensor" if job["name"] == BY_HAND else job["name"]
    if not job["runs"]:
        return LastRun(job=name, kind="quiet", status="never ran")
    run = job["runs"][0]
    kind, status = _WORDS.get(run["status"], ("quiet", str(run["status"]).lower()))
    at = run["endTime"] or run["startTime"] or run["creationTime"]
    return LastRun(
        job=name,
        kind=kind,
        status=status,
        at=datetime.fromtimestamp(at, UTC),
        url=f"{dagster_url}/runs/{run['runId']}",
    )


_WORDS = {
    "SUCCESS": ("good", "succeeded"),
    "FAILURE": ("bad", "failed"),
    "CANCELED": ("warn", "was ended"),
    "CANCELING": ("warn", "is being ended"),
    "STARTED": ("quiet", "is running"),
    "STARTING": ("quiet", "is starting"),
    "QUEUED": ("quiet", "waits its turn"),
    "NOT_STARTED": ("quiet", "waits its turn"),
}
