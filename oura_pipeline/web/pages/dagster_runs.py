"""The last run of every job, from Dagster's UI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from oura_pipeline.web.automation import ask_dagster

QUERY = """query LastRuns { repositoriesOrError { __typename ... on RepositoryConnection { nodes {
  jobs { name runs(limit: 1) { runId status creationTime startTime endTime } } } } } }"""
ADHOC_JOB = "__ASSET_JOB"  # Dagster's name for runs of assets that a person or a sensor selected


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """The last run of a job.

    Attributes:
        job: the name of the job.
        level: good, bad, warn or quiet.
        status: for people.
        at: when it ended, or started if it is running; None: it never ran.
        url: its page in Dagster's UI; None: it never ran.
    """

    job: str
    level: str
    status: str
    at: datetime | None = None
    url: str | None = None


def last_runs(http: httpx.Client, dagster_url: str) -> list[LastRun] | None:
    """Return the last run of every job, by name; None: Dagster's UI does not answer properly."""
    try:
        nodes = ask_dagster(http, dagster_url, QUERY)["repositoriesOrError"]["nodes"]
        jobs = [job for node in nodes for job in node["jobs"]]
        return sorted((_last_run(job, dagster_url) for job in jobs), key=lambda run: run.job)
    # Anything may run at that address. The site works without Dagster, so this is never an error.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return None


def _last_run(job: Mapping[str, Any], dagster_url: str) -> LastRun:
    name = "assets selected by hand or by a sensor" if job["name"] == ADHOC_JOB else job["name"]
    if not job["runs"]:
        return LastRun(job=name, level="quiet", status="never ran")
    run = job["runs"][0]
    level, status = _STATUSES.get(run["status"], ("quiet", str(run["status"]).lower()))
    at = run["endTime"] or run["startTime"] or run["creationTime"]
    return LastRun(
        job=name,
        level=level,
        status=status,
        at=datetime.fromtimestamp(at, UTC),
        url=f"{dagster_url}/runs/{run['runId']}",
    )


_STATUSES = {
    "SUCCESS": ("good", "succeeded"),
    "FAILURE": ("bad", "failed"),
    "CANCELED": ("warn", "canceled"),
    "CANCELING": ("warn", "canceling"),
    "STARTED": ("quiet", "running"),
    "STARTING": ("quiet", "starting"),
    "QUEUED": ("quiet", "queued"),
    "NOT_STARTED": ("quiet", "queued"),
}
