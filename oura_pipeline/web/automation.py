"""Sensors and schedules that are stopped or late, whoever stopped them: from Dagster's UI."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx

# Dagster ticks all sensors in turn and each at its own pace, schedules within a minute.
SENSOR_INTERVALS, PATIENCE_SECONDS = 5, 600.0
QUERY = """query Automation($now: Float!) {
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  repositoriesOrError { __typename ... on RepositoryConnection { nodes {
    sensors { name defaultStatus minIntervalSeconds
      sensorState { status ticks(limit: 1) { timestamp } } }
    schedules { name defaultStatus
      potentialTickTimestamps(startTimestamp: $now, upperLimit: 0, lowerLimit: 2)
      scheduleState { status ticks(limit: 1) { timestamp } } } } } } }"""


FAILED = """query Failed($after: Float!) {
  runsOrError(filter: {statuses: [FAILURE], updatedAfter: $after}) { ... on Runs { count } } }"""
_LATELY_SECONDS = 86_400.0


class State(StrEnum):
    """Whether a sensor or schedule does its work."""

    RUNNING = "running"
    STOPPED = "stopped"  # and runs by default
    LATE = "late"
    OFF = "off"  # and is off by default


@dataclass(frozen=True, kw_only=True)
class Automation:
    """A sensor or schedule."""

    name: str
    state: State

    @property
    def works(self) -> bool:
        return self.state in (State.RUNNING, State.OFF)


def ask_dagster(http: httpx.Client, url: str, query: str, **variables: Any) -> Mapping[str, Any]:
    """Return Dagster's answer to a GraphQL query.

    Raises:
        httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError: something else, or
            nothing, answers at that address.
    """
    answer = http.post(f"{url}/graphql", json={"query": query, "variables": variables})
    data: Mapping[str, Any] = answer.raise_for_status().json()["data"]
    return data


def automation(http: httpx.Client, url: str, now: float | None = None) -> list[Automation] | None:
    """Return every sensor and schedule, by name; None: Dagster's UI does not answer properly.

    Args:
        http: a client that the UI lets in.
        url: the UI's address.
        now: seconds since 1970; None: as the clock says.
    """
    now = time.time() if now is None else now
    try:
        data = ask_dagster(http, url, QUERY, now=now)
        found = [Automation(name=name, state=state) for name, state in _states(data, now)]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return None
    return sorted(found, key=lambda one: one.name)


def failed_runs(http: httpx.Client, url: str) -> int | None:
    """Return how many runs failed in the last 24 hours; None: Dagster's UI does not answer."""
    try:
        data = ask_dagster(http, url, FAILED, after=time.time() - _LATELY_SECONDS)
        return int(data["runsOrError"]["count"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return None


def _states(data: Mapping[str, Any], now: float) -> Iterator[tuple[str, State]]:
    daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
    dead = {one["daemonType"] for one in daemons if one["required"] and not one["healthy"]}
    for node in data["repositoriesOrError"]["nodes"]:
        for sensor in node["sensors"]:
            pause = max(SENSOR_INTERVALS * sensor["minIntervalSeconds"], PATIENCE_SECONDS)
            late = "SENSOR" in dead or _last_tick(sensor["sensorState"], now) < now - pause
            yield sensor["name"], _state(sensor, sensor["sensorState"], late=late)
        for schedule in node["schedules"]:
            due = [at for at in schedule["potentialTickTimestamps"] if at < now - PATIENCE_SECONDS]
            late = _last_tick(schedule["scheduleState"], now) < max(due, default=0.0)
            late = late or "SCHEDULER" in dead
            yield schedule["name"], _state(schedule, schedule["scheduleState"], late=late)


def _last_tick(state: Mapping[str, Any], now: float) -> float:
    # None yet: it is new here, and the daemon's health says whether one is to be expected.
    return max((tick["timestamp"] for tick in state["ticks"]), default=now)


def _state(one: Mapping[str, Any], state: Mapping[str, Any], *, late: bool) -> State:
    if state["status"] == "RUNNING":
        return State.LATE if late else State.RUNNING
    return State.STOPPED if one["defaultStatus"] == "RUNNING" else State.OFF
