"""People of the sandbox, fetched and pushed into a real Graphite, without Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline.settings import read_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import confirm_sent, push_documents
from oura_pipeline_tests.testing.world import environment, sandbox_tokens

# The two days before noon of this one have something of everything: runa naps, asha wears her ring.
LAST = date(2026, 4, 8)
_DAY = 86400


@dataclass(frozen=True, kw_only=True)
class PeopleInGraphite:
    """A Graphite that holds what everybody's rings said until noon of `LAST`."""

    graphite: LocalGraphite
    http: httpx.Client
    usernames: list[str]
    first: date

    @property
    def now(self) -> int:
        """What is taken for now, in seconds since 1970: the end of the last day."""
        midnight = datetime.combine(LAST, datetime.min.time(), UTC)
        return int(midnight.timestamp()) + _DAY - 60

    def render(
        self, target: str | list[str], start: int, end: int, points: int = 1000
    ) -> list[dict[str, Any]]:
        """What graphite-web answers to what Grafana's data source would send."""
        answer = self.http.post(
            f"{self.graphite.render_url}/render",
            data={
                "target": target,
                "from": str(start),
                "until": str(end),
                "format": "json",
                "maxDataPoints": str(points),
            },
        )
        answer.raise_for_status()
        return list(answer.json())

    def expand(self, query: str) -> list[str]:
        """The whole names that a variable of Grafana's kind `Metric Name` gets for its query."""
        address = f"{self.graphite.render_url}/metrics/expand"
        answer = self.http.get(address, params={"query": query, "leavesOnly": "1"})
        return list(answer.raise_for_status().json()["results"])

    def find(self, query: str) -> list[str]:
        """The names that a variable gets for its query."""
        address = f"{self.graphite.render_url}/metrics/find"
        answer = self.http.get(address, params={"query": query})
        return [node["text"] for node in answer.raise_for_status().json()]


@contextmanager
def shown(home: Path, *, days: int) -> Iterator[PeopleInGraphite]:
    """Some days of five people in a Graphite of their own."""
    options = SandboxOptions(people=5, days=days, end=LAST)
    with LocalGraphite() as graphite, running(options, process=True) as sandbox:
        settings = read_settings(environment(home, sandbox, graphite))
        first = LAST - timedelta(days=days - 1)
        with open_pipeline(settings) as pipeline:
            _sync(pipeline, sandbox, first)
        usernames = sandbox.usernames
        with httpx.Client(timeout=60) as http:
            yield PeopleInGraphite(graphite=graphite, http=http, usernames=usernames, first=first)


def _sync(pipeline: Pipeline, sandbox: Sandbox, first: date) -> None:
    for username in sandbox.usernames:
        pipeline.accounts.people.add(username, sandbox_tokens(sandbox, username))
    people = people_to_fetch(pipeline, [])
    days = [first + timedelta(days=number) for number in range((LAST - first).days + 1)]
    for document_type in DOCUMENT_TYPES:
        fetch_and_land(
            pipeline, document_type, people, first_day=first, last_day=LAST, run_id="shown"
        )
        push_documents(
            pipeline, document_type, sandbox.usernames, days if document_type.partitioned else None
        )
    arrival = confirm_sent(pipeline, sandbox.usernames, days)
    assert arrival is not None
    assert not arrival.message, arrival.message
