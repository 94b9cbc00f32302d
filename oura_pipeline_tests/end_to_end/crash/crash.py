"""One world that is crashed again and again, and what is known of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType, get_document_type
from oura_pipeline.days import days_between
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.publish import publish
from oura_pipeline.sync.push import push_documents
from oura_pipeline.sync.waiting import finish_pushes
from oura_pipeline_tests.end_to_end.crash.points import (
    ANY,
    STEPS,
    SYSTEM,
    WHENS,
    Kill,
)
from oura_pipeline_tests.end_to_end.crash.programs import (
    Program,
    Stuck,
    command,
    end,
    rehearse,
    result_of,
)
from oura_pipeline_tests.end_to_end.crash.truth import (
    TYPES,
    Truth,
    points_of,
    signed_out,
    wrong_in,
)
from oura_pipeline_tests.end_to_end.odd_cloud import Held, OddCloud
from oura_pipeline_tests.testing.world import World, sandbox_tokens

PEOPLE = 3


@dataclass
class Crash:
    """A world, its truth, and what was done to it.

    Attributes:
        made: the world.
        rng: draws everything.
        first: the first day that is asked for.
        last: the last one.
        cloud: reads what Graphite has.
        rows: the document types that are synced.
        session: the id of a session that must not end.
        ever: every point that was once true.
        tally: kills, faults and findings.
        at_risk: whose renewal may have been answered without that anybody has the answer.
        done: what was done since the last comparison.
    """

    made: World
    rng: random.Random
    first: date
    last: date
    cloud: type[OddCloud] = OddCloud
    rows: Sequence[DocumentType] = TYPES
    session: str = ""
    ever: set[tuple[str, int]] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)
    at_risk: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)
    passes_of_a_step: dict[str, int] = field(default_factory=dict)
    decks: dict[str, list[Any]] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @property
    def sandbox(self) -> Sandbox:
        return self.made.sandbox

    @cached_property
    def usernames(self) -> list[str]:
        return self.sandbox.usernames

    @property
    def types(self) -> list[str]:
        return [row.name for row in self.rows]

    def log(self, name: str) -> Path:
        # Not on the disk that gets full.
        return self.made.home.parent.parent / f"{name}.log"

    def begin(self) -> None:
        """Let everybody sign in."""
        self.session = result_of(self._sign_in, self.log("sign-in"))
        self._note_truth()

    def rehearse(self) -> None:
        """Sync once, and count the points on the way."""
        work = self.sync_command(self.types)
        self.passes = rehearse(work, (*SYSTEM, *STEPS, ANY), self.log("rehearsal"))

    def _sign_in(self) -> str:
        oura_ids = {person["username"]: person["id"] for person in self.sandbox.people()}
        for username in self.usernames:
            self.made.sign_in(username)
        with self.made.accounts() as accounts:
            for username in self.usernames:
                accounts.people.identify(username, oura_ids[username])
            return accounts.sessions.begin(timedelta(days=1), username=self.usernames[0])

    def draw(self, name: str, cards: Sequence[Any]) -> Any:
        """Return the next card of a deck, which is shuffled anew when all were drawn."""
        deck = self.decks.setdefault(name, [])
        if not deck:
            deck += self.rng.sample(list(cards), len(cards))
        return deck.pop()

    def kill_of_a_sync(self) -> Kill:
        """Draw a point, and one of the times that a sync of one type passes it."""
        return self._drawn_kill("points of a sync", self.passes, len(self.rows))

    def kill_of_a_step(self) -> Kill:
        """Draw a point, and one of the times that `step` passes it."""
        if not self.passes_of_a_step:
            work = partial(step, self.types[0], self.first, self.last)
            log = self.log("rehearsal of a step")
            self.passes_of_a_step |= rehearse(work, (*SYSTEM, *STEPS, ANY), log)
        return self._drawn_kill("points of a step", self.passes_of_a_step, 1)

    def _drawn_kill(self, deck: str, passes: Mapping[str, int], types: int) -> Kill:
        reached = [point for point in (*SYSTEM, *STEPS) if passes.get(point)]
        cards = [(point, when) for point in (*reached, *[ANY] * 5) for when in WHENS]
        point, when = self.draw(deck, cards)
        return self.kill(point, when, max(1, round(passes[point] / types)))

    def kill(self, point: str, when: str, passes: int) -> Kill:
        moment = self.rng.choice((0.0005, 0.002, 0.01))
        return Kill(point=point, when=when, nth=self.rng.randint(1, passes), moment=moment)

    def sync_command(self, types: Sequence[str]) -> Callable[[], object]:
        chosen = (word for name in types for word in ("--type", name))
        return command("sync", "--from", str(self.first), "--to", str(self.last), *chosen)

    def sync(self, types: Sequence[str] | None = None, **harm: Any) -> Program:
        """Start a sync, by default of one type."""
        types = types or [self.draw("types", self.types)]
        return self.start("sync", self.sync_command(types), **harm)

    def start(self, name: str, work: Callable[[], object], **harm: Any) -> Program:
        program = Program(work, self.log(f"{name} {len(self.programs)}"), **harm)
        self.programs.append(program)
        return program

    def killed(self, program: Program, how: object) -> None:
        """Wait for a program that kills itself, and count that."""
        status = program.wait()
        if status < 0:
            self.count("kills", f"{program.log.stem.split()[0]} {how}")
        else:
            self.tally["not reached"] += 1
        self.check_output(program)

    def count(self, what: str, harm: str) -> None:
        self.tally[what] += 1
        self.done.append(harm)

    def check_output(self, program: Program) -> None:
        if "Traceback" in program.said:
            self.find(f"{program.log.name}: a traceback: {program.said[-300:]!r}")

    def change(self, times: int = 2, *, types: Sequence[str] = (), notify: bool = False) -> None:
        """Change documents at Oura.

        Args:
            times: how many.
            types: of which types; all by default.
            notify: whether Oura says so.
        """
        for _ in range(times):
            who, row = self.rng.choice(self.usernames), self.rng.choice(self.rows)
            days = days_between(self.first, self.last)
            asked = [held for held in self._held([who], [row]) if held.day in days]
            if asked and row.name in (types or self.types):
                self._change(self.rng.choice(asked), many=len(asked), notify=notify)
                self._note_truth([who], [row])

    def _change(self, held: Held, *, many: int, notify: bool) -> None:
        who, name = held.username, held.collection.name
        can_be_added = name in ("workout", "enhanced_tag")
        how = self.rng.choice(("revise", "revise", "delete", "add" if can_be_added else "revise"))
        if how == "add":
            self.sandbox.add(who, name, day=held.day, notify=notify)
        elif how == "delete" and many > 3:
            self.sandbox.delete(who, name, **held.name, notify=notify)
        else:
            self.sandbox.revise(who, name, **held.name, notify=notify)

    def _held(self, usernames: Sequence[str] = (), rows: Sequence[DocumentType] = ()) -> list[Held]:
        # Only its documents are asked for, so it needs no pipeline.
        who = list(usernames or self.usernames)
        odd = OddCloud(self.made, None, self.rng, who, self.first, rows or self.rows)  # type: ignore[arg-type]
        return odd.everything()

    def _note_truth(self, usernames: Sequence[str] = (), rows: Sequence[DocumentType] = ()) -> None:
        self.ever |= set(points_of(self._held(usernames, rows)))

    def token_requests(self) -> Counter[str]:
        """Count the questions for tokens so far, by username."""
        return Counter(self.sandbox.requests().get("token", {}))

    def revoke_access(self) -> None:
        """Let everybody's access token stop working: the next request renews it."""
        for username in self.usernames:
            self.sandbox.change_person(username, revoke="access")

    def settle(self) -> None:
        """Do the ordinary next work, and compare everything with the truth."""
        try:
            # Whoever has to sign in again is missing from the first one.
            self.sync_well(strict=not self.at_risk)
            if self.sign_in_again():
                self.sync_well()
            self.at_risk.clear()
            self.compare()
        except Stuck as error:
            self.find(f"still: {error}")

    def compare(self, *, alone: bool = True) -> None:
        """Compare everything with the truth; `alone`: also that nobody of the world runs."""
        truth = Truth(
            everything=self._held(),
            ever=frozenset(self.ever),
            usernames=self.usernames,
            first=self.first,
            last=self.last,
            session=self.session,
            cloud=self.cloud,
            rows=self.rows,
        )
        for finding in result_of(partial(wrong_in, self.made, truth, alone=alone), self.log("is")):
            self.find(finding)

    def find(self, finding: str) -> None:
        self.done.append(f"FOUND {finding}")

    def sync_well(self, *, strict: bool = True) -> None:
        sync = self.sync(self.types)
        if (status := sync.wait()) and strict:
            self.find(f"the next sync: status {status}: {sync.said[-600:]!r}")

    def sign_in_again(self) -> list[str]:
        """Let people sign in again who have to; return them."""
        out = result_of(partial(signed_out, self.made), self.log("people"))
        for username in out:
            if username in self.at_risk:
                self.tally["lost answers"] += 1
            else:
                self.find(f"{username} must sign in again without a lost answer")
        if out:
            result_of(partial(self._reconnect, out), self.log("sign-in"))
        return out

    def _reconnect(self, usernames: Sequence[str]) -> None:
        with self.made.accounts() as accounts:
            for username in usernames:
                accounts.people.reconnect(username, sandbox_tokens(self.sandbox, username))

    def end(self) -> None:
        end(self.programs)
        self.programs.clear()


def step(name: str, first: date, last: date) -> None:
    """Do what a run does with one document type, without Dagster, which takes most of the time."""
    row = get_document_type(name)
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline)
        span = {"first_day": first, "last_day": last}
        fetch_and_land(pipeline, row, people, **span, run_id="a step")
        usernames = [person.username for person in people]
        push_documents(pipeline, row, usernames, days_between(first, last))
        finish_pushes(pipeline, [], [])
        publish(pipeline)
