"""Webhook events at random, beside a sync."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    ENHANCED_TAG,
    REST_MODE_PERIOD,
    RING_CONFIGURATION,
    SLEEP,
    WORKOUT,
    DocumentType,
    get_document_type,
)
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline_tests.sync.webhook_world import LAST, ONE, WebhookWorld
from oura_pipeline_tests.testing.world import World, comparable, world

SEED = 20260610
EVENTS = 80
SYNCED = (DAILY_SLEEP, SLEEP, WORKOUT)
# Of each kind some: what comes once a day, what has an id and may move, and a state. The others
# differ from these in their fields only, and fewer types mean more events for each document.
TYPES = (
    *(*SYNCED, ENHANCED_TAG, REST_MODE_PERIOD),
    RING_CONFIGURATION,
)


@dataclass(kw_only=True)
class Life:
    """What Oura holds of many people, changed at random; every change is posted, some day."""

    webhooks: WebhookWorld
    chance: random.Random
    held: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    first_days: dict[str, str] = field(default_factory=dict)
    untold: list[tuple[str, str, DocumentType, str]] = field(default_factory=list)
    events: int = 0

    def look(self) -> None:
        """Read what there is: who, type → id → day."""
        for username in self.webhooks.ids:
            for row in TYPES:
                truth = self.webhooks.world.truth(username, row)
                self.held[username, row.name] = {said["id"]: day for day, said in truth}

    def happen(self) -> None:
        """Change something, and have it posted, once or more often."""
        username, name = self.chance.choice(sorted(self.held))
        document_type, held = get_document_type(name), self.held[username, name]
        kinds = [self.revise, self.revise, self.move, self.delete, self.add, self.nothing]
        if not held:
            kinds = [self.nothing]
        kind, object_id = self.chance.choice(kinds)(username, document_type, held)
        for _ in range(self.chance.choice([1, 1, 1, 2, 3])):
            self.untold.append((kind, username, document_type, object_id))
            self.events += 1

    def post(self, fraction: float) -> None:
        """Deliver some of what is untold, in any order."""
        self.chance.shuffle(self.untold)
        for _ in range(int(len(self.untold) * fraction)):
            self.webhooks.post(*self.untold.pop())

    def revise(
        self, who: str, document_type: DocumentType, held: dict[str, str]
    ) -> tuple[str, str]:
        old = self.chance.choice(sorted(held))
        # A recalculated daily document may come back under another id.
        new_id = document_type.daily and self.chance.random() < 0.3
        made = self.webhooks.cloud.revise(who, document_type.name, id=old, new_id=new_id)
        held[made["id"]] = held.pop(old)
        return self.chance.choice(["update", "update", "create"]), made["id"]

    def move(self, who: str, document_type: DocumentType, held: dict[str, str]) -> tuple[str, str]:
        moved = self.chance.choice(sorted(held))
        if document_type.daily or document_type.day_field is None:
            return "update", moved
        # A night counts to the day before or after, never to another week.
        first_day = date.fromisoformat(self.first_days.setdefault(moved, held[moved]))
        day = (first_day + self.chance.choice([-1, 0, 1]) * ONE).isoformat()
        self.webhooks.cloud.revise(
            who, document_type.name, id=moved, fields={document_type.day_field: day}
        )
        held[moved] = day
        return "update", moved

    def delete(
        self, who: str, document_type: DocumentType, held: dict[str, str]
    ) -> tuple[str, str]:
        gone = self.chance.choice(sorted(held))
        self.webhooks.cloud.delete(who, document_type.name, id=gone)
        del held[gone]
        # What was said of it before may come later.
        if self.chance.random() < 0.3:
            self.untold.append(("update", who, document_type, gone))
            self.events += 1
        return "delete", gone

    def add(self, who: str, document_type: DocumentType, held: dict[str, str]) -> tuple[str, str]:
        day = self.day()
        if document_type.daily and day in held.values():
            return self.revise(who, document_type, held)
        made = self.webhooks.cloud.add(who, document_type.name, day=day)
        held[made["id"]] = day
        return "create", made["id"]

    def nothing(
        self, who: str, document_type: DocumentType, held: dict[str, str]
    ) -> tuple[str, str]:
        return self.chance.choice(["create", "update", "delete"]), f"none-{self.events}"

    def day(self) -> str:
        return (LAST - self.chance.randrange(10) * ONE).isoformat()


def stands(made: World, document_type: DocumentType) -> dict[str, list[tuple[str, Any]]]:
    """What stands of everybody; a state's day is that of its newest fetch, and not Oura's."""
    found = made.warehouse.documents_of(document_type, made.sandbox.usernames, date.min, date.max)
    return {
        username: comparable(
            (str(one.day) if document_type.partitioned else "", json.loads(one.raw))
            for one in documents
        )
        for username, documents in found.items()
    }


def truth(made: World, document_type: DocumentType) -> dict[str, list[tuple[str, Any]]]:
    held = {username: made.truth(username, document_type) for username in made.sandbox.usernames}
    if document_type.partitioned:
        return held
    return {who: comparable(("", document) for _, document in rows) for who, rows in held.items()}


def drain_beside_a_sync(webhooks: WebhookWorld) -> list[FetchResult]:
    """Land what is due while a sync asks for days of the same."""

    def sync() -> list[FetchResult]:
        return [webhooks.land(one, LAST - 3 * ONE, LAST) for one in SYNCED]

    with ThreadPoolExecutor(1) as pool:
        landed = pool.submit(sync)
        webhooks.drain()
        return landed.result()


def test_random_events_end_in_the_truth(tmp_path: Path) -> None:
    """Late, repeated, in any order, while a sync goes on: DuckDB has what Oura has."""
    options = SandboxOptions(people=4, days=14, end=LAST)
    with (
        running(options, process=True) as cloud,
        world(tmp_path / "data", cloud) as made,
        open_pipeline() as pipeline,
    ):
        webhooks = WebhookWorld(world=made, pipeline=pipeline)
        for username in cloud.usernames:
            webhooks.sign_in(username)
        for row in TYPES:
            webhooks.land(row, LAST - 20 * ONE, LAST)
        life = Life(webhooks=webhooks, chance=random.Random(SEED))
        life.look()
        synced: list[FetchResult] = []
        while life.events < EVENTS:
            for _ in range(20):
                life.happen()
            life.post(0.6)
            synced += drain_beside_a_sync(webhooks)
        life.post(1)
        synced += drain_beside_a_sync(webhooks)
        assert [result for result in synced if result.failed] == []
        for later in (timedelta(minutes=11), timedelta(hours=25), timedelta(hours=26)):
            webhooks.drain(later)
        assert webhooks.waiting() == []
        for row in TYPES:
            assert stands(made, row) == truth(made, row)
