"""One person's days from Oura to the warehouse and to points, ours and the peers in turn."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Use, folder_bytes, use
from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.worlds import (
    COMMAND,
    LAST,
    PYTHON,
    Cloud,
    cloud,
    expected_rows,
    measure,
    note,
    peer,
    program,
    signed_in,
    stored_rows,
    sync_command,
)
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask
from oura_pipeline.oura.windows import date_range_queries

PAGE = 1000  # rows on a page of the sandbox
SET_UP = "from oura_pipeline.graphite.environment import graphite_python; graphite_python()"
SYNC, DLT = "sync", "dlt"
ALONE, PLAIN = "client and landing alone", "plain httpx, pages thrown away"


def one_person(results: Results, scale: Scale, scratch: Path) -> None:
    """A, A', B and H, and what two syncs leave of G."""
    records, requests, sent = [], [], []
    first = LAST - timedelta(days=scale.days - 1)
    # More days than are asked for, as a cloud has.
    with cloud(people=1, days=scale.days + 7) as made:
        contest = Contest(results, made, first)
        contest.plain("")
        for pair in scale.repeated():
            home = scratch / f"pair{pair}"
            with signed_in(home / "alone", made):
                contest.alone("A'", home / "alone")
            contest.plain("A'")
            with signed_in(home / "ours", made):
                made.sandbox.reset_requests()
                contest.pair("A", home, turn=pair)
                requests.append(contest.asked_by_sync / fewest_requests(made, first, LAST))
                lines = count_lines(home / "ours" / "graphite.log")
                revise(made, first + timedelta(days=scale.days // 2))
                contest.plain("")  # so that the cloud has made its pages anew
                contest.pair("B", home, turn=pair)
                sent.append(count_lines(home / "ours" / "graphite.log") / lines - 1)
                records.append(folder_bytes(home / "ours" / "dagster") / 1e6)
    scaled = "" if scale.days == 90 else f"{scale.days} days"
    ratios(results, scaled)
    results.figure("B", "points sent of those of A", "", *sent, scaled=scaled)
    results.figure(
        "G", "Dagster's records after two syncs", "MB", *records, at_most=10, scaled=scaled
    )
    results.figure("H", "requests of those that are necessary", "", *requests, at_most=1)


def ratios(results: Results, scaled: str) -> None:
    """How we compare, pair by pair."""

    def ratio(
        scenario: str, name: str, ours: list[float], theirs: list[float], most: float
    ) -> None:
        samples = (one / other for one, other in zip(ours, theirs, strict=True))
        results.figure(scenario, name, "", *samples, at_most=most, scaled=scaled)

    ours, dlt = results.program("A", SYNC), results.program("A", DLT)
    alone, plain = results.program("A'", ALONE), results.program("A'", PLAIN)
    again = results.program("B", SYNC)
    ratio("A", "wall of that of dlt", ours.wall, dlt.wall, 0.6)
    ratio("A", "CPU of that of dlt", ours.cpu, dlt.cpu, 0.6)
    ratio("A", "memory of that of dlt", ours.memory, dlt.memory, 1)
    ratio("A'", "wall of that of dlt", alone.wall, dlt.wall, 0.25)
    ratio("A'", "CPU of that of dlt", alone.cpu, dlt.cpu, 0.25)
    ratio("A'", "CPU of that of plain httpx", alone.cpu, plain.cpu, 3)
    ratio("B", "wall of that of A", again.wall, ours.wall, 0.3)
    ratio("B", "CPU of that of A", again.cpu, ours.cpu, 0.3)


def demo(results: Results, scale: Scale, scratch: Path) -> None:
    """A2: the demo, whose Graphite has been set up before; and dlt with as many people."""
    if scale.glance:
        return
    use((PYTHON, "-c", SET_UP))
    days = 90
    walls = []
    with cloud(people=4, days=days) as made:
        for _ in range(2):
            shutil.rmtree(scratch / "demo", ignore_errors=True)  # it would be used again
            demo_of = (COMMAND, "demo", "--days", str(days))
            used = use(demo_of, {"OURA_PIPELINE_HOME": str(scratch)})
            note(results.program("A2", "demo"), used)
            walls.append(used.wall)
        contest = Contest(results, made, LAST - timedelta(days=days - 1))
        contest.plain("")
        contest.dlt("A2", scratch)
    results.figure("A2", "the demo after its set-up", "s", *walls, at_most=30)
    records = folder_bytes(scratch / "demo" / "dagster") / 1e6
    results.figure(
        "G",
        "Dagster's records after the demo",
        "MB",
        records,
        at_most=40,
        scaled="its sync; without the half hour in which it may serve",
    )


@dataclass
class Contest:
    """Programs that ask one cloud for the same days."""

    results: Results
    made: Cloud
    first: date
    asked_by_sync: int = 0
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        sandbox = self.made.sandbox
        self.tokens = [sandbox.sign_in(name)["access_token"] for name in sandbox.usernames]

    def pair(self, scenario: str, home: Path, *, turn: int) -> None:
        """Ours and dlt, each first in every other turn."""
        both: list[Callable[[str, Path], object]] = [self.sync, self.dlt]
        for run in reversed(both) if turn % 2 else both:
            run(scenario, home)

    def sync(self, scenario: str, home: Path) -> Use:
        """The command, with Dagster's records."""
        runs = self.results.program(scenario, SYNC)
        before = asked(self.made)
        used = measure(runs, self.made, *sync_command(self.first, LAST))
        self.asked_by_sync = asked(self.made) - before
        self._note_rows(scenario, SYNC, home / "ours" / "warehouse.duckdb")
        return used

    def alone(self, scenario: str, home: Path) -> None:
        """Without Dagster, and without points."""
        runs = self.results.program(scenario, ALONE)
        measure(runs, self.made, *program("benchmarks.landing", self.first, LAST))
        self._note_rows(scenario, ALONE, home / "warehouse.duckdb")

    def _note_rows(self, scenario: str, name: str, path: Path) -> None:
        runs = self.results.program(scenario, name)
        runs.expected.append(expected_rows(self.made.sandbox, self.first, LAST))
        runs.stored.append(stored_rows(path))

    def dlt(self, scenario: str, home: Path) -> None:
        """dlt, which asks and stores a day more at either end: its rows are others than ours."""
        runs = self.results.program(scenario, DLT)
        measure(runs, self.made, *peer("dlt", self.first, LAST), settings=self._peers(home))
        runs.expected.append(self._received(home))
        runs.stored.append(stored_rows(home / "dlt" / "peer.duckdb"))

    def _received(self, home: Path) -> int:
        told = use(peer("plain", self.first, LAST), self._peers(home)).output
        return int(json.loads(told)["rows"])

    def plain(self, scenario: str) -> None:
        """Requests whose answers are thrown away; without a scenario, to warm the cloud."""
        runs = (self.results if scenario else Results()).program(scenario, PLAIN)
        measure(runs, self.made, *peer("plain", self.first, LAST), settings=self._peers())

    def _peers(self, home: Path = Path()) -> dict[str, str]:
        return {
            "PEER_URL": self.made.sandbox.url,
            "PEER_TOKENS": " ".join(self.tokens),
            "PEER_HOME": str(home / "dlt"),
        }


def asked(made: Cloud) -> int:
    """How many documents or pages of them the cloud was asked for."""
    collections = {document_type.name for document_type in DOCUMENT_TYPES}
    by_route = made.sandbox.requests()
    return sum(sum(by_route[name].values()) for name in collections & by_route.keys())


def fewest_requests(made: Cloud, first: date, last: date) -> int:
    """The requests that it takes to get these days of everybody, page by page."""
    return sum(
        _pages(made, username, name, first, last, windowed=ask is Ask.INSTANTS)
        for username in made.sandbox.usernames
        for name, ask in ((one.name, one.ask) for one in DOCUMENT_TYPES)
    )


def _pages(
    made: Cloud, username: str, name: str, first: date, last: date, *, windowed: bool
) -> int:
    if not windowed:
        return 1  # the documents of years fit on one page
    [document_type] = [one for one in DOCUMENT_TYPES if one.name == name]
    queries = date_range_queries(document_type, first, last)
    held = made.sandbox.truth(username, name, first - timedelta(days=3), last + timedelta(days=3))
    instants = [datetime.fromisoformat(one["document"]["timestamp"]) for one in held]
    spans = [
        [datetime.fromisoformat(query.parameters[f"{end}_datetime"]) for end in ("start", "end")]
        for query in queries
    ]
    counts = [sum(since <= at < until for at in instants) for since, until in spans]
    return sum(max(1, math.ceil(count / PAGE)) for count in counts)


def revise(made: Cloud, day: date) -> None:
    """Change every document of a day, which is one percent of ninety."""
    for username in made.sandbox.usernames:
        for document_type in (one for one in DOCUMENT_TYPES if one.partitioned):
            for held in made.sandbox.truth(username, document_type.name, day, day):
                document = held["document"]
                which = "id" if document.get("id") else "timestamp"
                made.sandbox.revise(username, document_type.name, **{which: document[which]})


def count_lines(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
