"""A cloud that spoils documents at random while it is synced, and what must be true at the end.

`python -m oura_pipeline_tests.end_to_end.odd_cloud --seeds 200` tries many.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType, get_document_type
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.catalog import BY_NAME, Collection
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.end_to_end.odd_findings import findings
from oura_pipeline_tests.end_to_end.odd_groups import values_in
from oura_pipeline_tests.end_to_end.odd_truth import Points
from oura_pipeline_tests.testing.world import World, world

LAST = date(2026, 4, 10)  # Europe's clocks have changed two weeks before
EDGE = 3  # days that the sandbox has and nobody asks for
SHARE = 0.01
ROUNDS = 2
SYNCS = 2  # of some types and days, in each round
# What Oura requires and the client, too, although only the day of a tag places it.
NOT_SPOILED = (("enhanced_tag", "start_time"), ("tag", "timestamp"))

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A document of the sandbox."""

    username: str
    collection: Collection
    day: date | None
    document: Document
    # How it is spoiled, in which field, what should become of it, and what is sent for it.
    way: str | None = None
    field: str = ""
    fate: str = ""
    sent: tuple[bytes, ...] = ()

    @property
    def name(self) -> Document:
        """What names it to the sandbox."""
        key = "timestamp" if self.collection.family == "samples" else "id"
        return {key: self.document[key]}

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.username, self.collection.name, next(iter(self.name.values()))


@dataclass
class OddCloud:
    """A sandbox, five of its people, and what was done to their documents."""

    made: World
    pipeline: Pipeline
    rng: random.Random
    usernames: list[str]
    first: date
    document_types: Sequence[DocumentType] = DOCUMENT_TYPES
    # From the identity of a spoiled document to the field and the fate that the sandbox named.
    spoiled: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def sandbox(self) -> Sandbox:
        return self.made.sandbox

    def everything(self) -> list[Held]:
        """Everything that these people have, also of days that nobody asks for."""
        names = {document_type.name for document_type in self.document_types}
        return [
            held
            for username in self.usernames
            for collection in BY_NAME.values()
            if collection.name in names
            for held in self._held(username, collection)
        ]

    def _held(self, username: str, collection: Collection) -> Iterator[Held]:
        for entry in self.sandbox.truth(username, collection.name):
            held = Held(
                username=username,
                collection=collection,
                day=entry["day"] and date.fromisoformat(entry["day"]),
                document=entry["document"],
                way=entry.get("way"),
                sent=tuple(map(base64.b64decode, entry.get("sent", ()))),
            )
            path, fate = self.spoiled.get(held.identity, ("", ""))
            yield Held(**{**held.__dict__, "field": path, "fate": fate}) if held.way else held

    def values(self) -> Points:
        """What Graphite has: the last value of every point, by metric and time."""
        return values_in(self.made.home / "graphite.log")

    def is_asked(self, held: Held) -> bool:
        return held.day is None or self.first <= held.day <= LAST

    def spoil_some(self, everything: Sequence[Held], share: float) -> None:
        """Spoil a share of the documents, each in any way that fits it."""
        for held in everything:
            # Of rows fewer, or they would be nearly all that is spoiled.
            few = 0.1 if held.collection.family == "samples" else 1
            if not self.is_asked(held) or held.way or self.rng.random() >= share * few:
                continue
            if held.collection.family == "bare":  # the sandbox spoils no profile
                continue
            username, collection = held.username, held.collection.name
            ways = self.sandbox.ways(username, collection, **held.name)
            way = self.rng.choice(sorted(ways))
            path = self.rng.choice(ways[way])
            if (collection, path) in NOT_SPOILED:
                continue
            fits = {} if path == "" else {"field": path}
            told = self.sandbox.spoil(username, collection, way, **held.name, **fits)
            self.spoiled[held.identity] = (path, told["fate"])
            self.log.append(f"spoil {username} {collection} {held.name} {way} {path}")

    def mend_some(self) -> None:
        for identity in list(self.spoiled):
            username, collection, name = identity
            if self.rng.random() < 0.3:
                key = "timestamp" if BY_NAME[collection].family == "samples" else "id"
                self.sandbox.mend(username, collection, **{key: name})
                del self.spoiled[identity]
                self.log.append(f"mend {identity}")

    def revise_some(self, everything: Sequence[Held], many: int) -> None:
        """Change, remove and add good documents."""
        good = [
            held for held in everything if held.identity not in self.spoiled and self.is_asked(held)
        ]
        for held in self.rng.sample(good, min(many, len(good))):
            username, collection = held.username, held.collection.name
            match self.rng.choice(("revise", "revise", "delete", "add")):
                case "revise":
                    self.sandbox.revise(username, collection, **held.name, notify=False)
                case "delete":
                    self.sandbox.delete(username, collection, **held.name, notify=False)
                case "add" if collection in ("workout", "session", "tag", "enhanced_tag"):
                    self.sandbox.add(username, collection, day=held.day, notify=False)
            self.log.append(f"change {held.identity}")

    def sync_some(self) -> None:
        """Sync some types of some days, in any order, and push them."""
        days = (LAST - self.first).days
        start = self.rng.randint(0, days)
        first = self.first + timedelta(days=start)
        last = first + timedelta(days=self.rng.randint(0, days - start))
        types = self.rng.sample(DOCUMENT_TYPES, self.rng.randint(1, 4))
        self.sync([document_type.name for document_type in types], first, last)

    def sync(self, names: Sequence[str], first: date, last: date) -> None:
        self.log.append(f"sync {', '.join(names)} {first} {last}")
        with self.pipeline.warehouse.kept_open():
            for name in names:
                document_type = get_document_type(name)
                people = people_to_fetch(self.pipeline)
                span = {"first_day": first, "last_day": last}
                fetch_and_land(self.pipeline, document_type, people, **span, run_id="odd")
            # After all of them: a sleep can teach an offset that moves a row of heart rate.
            for name in names:
                self._push(get_document_type(name), first, last)

    def _push(self, document_type: DocumentType, first: date, last: date) -> None:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        asked = days if document_type.partitioned else None
        push_documents(self.pipeline, document_type, self.usernames, asked)

    def sync_everything(self) -> None:
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        self.rng.shuffle(names)
        self.sync(names, self.first, LAST)


def odd_cloud(
    home: Path, seed: int, *, days: int, share: float = SHARE, syncs: int = SYNCS
) -> list[str]:
    """Spoil, revise and sync in random order; return what is wrong in the end."""
    rng = random.Random(seed)
    options = SandboxOptions(
        people=5,
        awkward=True,
        days=days + 2 * EDGE,
        seed=seed,
        end=LAST + timedelta(days=EDGE),
        thin=20,
        document_rows=rng.choice((7, 5000)),
        live_rows=rng.random() < 0.5,
    )
    with running(options) as sandbox, world(home, sandbox, document_types=()) as made:
        usernames = sorted(rng.sample(sandbox.usernames, 5))
        for username in usernames:
            made.sign_in(username)
        with open_pipeline() as pipeline:
            odd = OddCloud(made, pipeline, rng, usernames, LAST - timedelta(days=days - 1))
            for _ in range(ROUNDS):
                everything = odd.everything()
                # A little more than the share, because some come right again.
                odd.spoil_some(everything, 1.3 * share / ROUNDS)
                steps = [odd.sync_some] * syncs + [partial(odd.revise_some, everything, 6)]
                rng.shuffle(steps)
                for step in steps:
                    step()
                odd.mend_some()
            odd.sync_everything()
            return findings(odd, odd.everything(), LAST)


def main() -> int:
    """Try seeds and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--share", type=float, default=SHARE)
    chosen = parser.parse_args()
    wrong = 0
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found = odd_cloud(Path(folder) / "data", seed, days=chosen.days, share=chosen.share)
        print(f"seed {seed}: {len(found)} wrong, {time.monotonic() - began:.0f} s", flush=True)
        print(*(f"  {line}" for line in found[:40]), sep="\n", flush=True)
        wrong += bool(found)
    print(json.dumps({"seeds": chosen.seeds, "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
