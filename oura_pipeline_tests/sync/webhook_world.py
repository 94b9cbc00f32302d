"""A world whose inbox gets what Oura would post."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count

from oura_pipeline.accounts.inbox import Event, Receipt, ReceivedEvent
from oura_pipeline.catalog.document_types import (
    DOCUMENT_TYPES,
    DocumentType,
)
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sync.fetch import FetchResult, fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline.sync.webhook_events import (
    DrainResult,
    due_events,
    land_events,
)
from oura_pipeline_tests.testing.world import World

LAST = date(2026, 6, 10)
DAY = LAST - timedelta(days=4)
ONE = timedelta(days=1)
SENT = count()


@dataclass(kw_only=True)
class WebhookWorld:
    """A world whose inbox gets what Oura would post."""

    world: World
    pipeline: Pipeline
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def cloud(self) -> Sandbox:
        return self.world.sandbox

    def sign_in(self, username: str, scopes: list[str] | None = None) -> None:
        """Let somebody sign in, known by their id."""
        self.world.sign_in(username, scopes)
        self.ids |= {person["username"]: person["id"] for person in self.cloud.people()}
        self.pipeline.accounts.people.identify(username, self.ids[username])

    def land(self, document_type: DocumentType, first: date, last: date) -> FetchResult:
        """Ask for these days of everybody, as a sync does."""
        people = people_to_fetch(self.pipeline)
        return fetch_and_land(
            self.pipeline, document_type, people, first_day=first, last_day=last, run_id="sync"
        )

    def sync(self, document_type: DocumentType, first: date = DAY, last: date = DAY) -> None:
        """Land and push these days of everybody."""
        self.land(document_type, first, last)
        usernames = [person.username for person in self.pipeline.accounts.people.all()]
        days = [first + ONE * n for n in range((last - first).days + 1)]
        push_documents(
            self.pipeline, document_type, usernames, days if document_type.partitioned else None
        )
        self.cloud.reset_requests()

    def post(self, kind: str, username: str, document_type: DocumentType, object_id: str) -> None:
        """Oura posts what happened to a document."""
        self.receive(self.body(kind, username, document_type, object_id))

    def body(self, kind: str, username: str, document_type: DocumentType, object_id: str) -> bytes:
        """What Oura posts of a document, as the sandbox writes it."""
        event_time = datetime(2026, 6, 10, tzinfo=UTC) + timedelta(seconds=next(SENT))
        body = {
            "event_time": event_time.isoformat(),
            "event_type": kind,
            "data_type": document_type.webhook,
            "object_id": object_id,
            "user_id": self.ids[username],
        }
        return json.dumps(body).encode()

    def receive(self, *bodies: bytes) -> None:
        """Put bodies into the inbox, as the site does."""
        somebody = self.ids["runa"]
        incoming = [
            ReceivedEvent(body=body, oura_id=somebody, data_type="any", known_type=True)
            for body in bodies
        ]
        assert set(self.pipeline.accounts.inbox.receive(incoming)) == {Receipt.KEPT}

    def drain(
        self, later: timedelta = timedelta(0), pipeline: Pipeline | None = None
    ) -> DrainResult:
        """Land what is due now, or later."""
        pipeline, now = pipeline or self.pipeline, datetime.now(UTC) + later
        # As in a run; between two of them the tests look at the file.
        with pipeline.warehouse.kept_open():
            return land_events(pipeline, due_events(pipeline, now), run_id="events", now=now)

    def waiting(self) -> list[Event]:
        return self.pipeline.accounts.inbox.waiting()

    def asked(self) -> dict[str, int]:
        """Requests for documents, of one or of days, since the last sync."""
        known = {document_type.name for document_type in DOCUMENT_TYPES}
        counts = self.cloud.requests()
        return {
            route.replace("{document_id}", "one"): sum(counts[route].values())
            for route in counts
            if route.partition("/")[0] in known
        }

    def agree(self, *rows: DocumentType, first: date = DAY, last: date = DAY) -> bool:
        """Whether everybody's days stand as Oura has them."""
        return all(
            self.world.landed(person.username, row)
            == self.world.truth(person.username, row, first, last)
            for row in rows
            for person in self.pipeline.accounts.people.all()
        )
