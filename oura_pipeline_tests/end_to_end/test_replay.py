"""Answers in recorded shape, served by the sandbox, go the whole way.

Oura's real answers differ from anything that one invents: documents without an id, contributors
that are null, averages of 0, series with holes, rows of heart rate seconds apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask, DocumentType
from oura_pipeline.catalog.fields import Field
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.paths import EXAMPLES
from oura_pipeline_tests.testing.world import World, comparable, red_checks, world

ONE = timedelta(days=1)
FAR = timedelta(days=45)  # days that lie further apart are asked for in runs of their own


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A world into which all recorded days of everybody were synced."""

    world: World
    usernames: list[str]
    results: list[dg.ExecuteInProcessResult]
    lines: list[str]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    home = tmp_path_factory.mktemp("replayed") / "data"
    with (
        running(SandboxOptions(replay=EXAMPLES)) as recorded,
        world(home, recorded, settings={"OURA_HISTORY_START": "2021-01-01"}) as made,
    ):
        for username in recorded.usernames:
            made.sign_in(username)
        held = days_of_types(made, recorded.usernames)
        results = []
        for first, last in spans({day for days in held.values() for day in days}):
            types = [name for name, days in held.items() if any(first <= d <= last for d in days)]
            results.append(made.run(first - ONE, last + ONE, types=types))
        states = [
            document_type.name for document_type in DOCUMENT_TYPES if not document_type.partitioned
        ]
        results.append(made.run(last, last, types=states))
        lines = (home / "graphite.log").read_text(encoding="utf-8").splitlines()
        with made.warehouse.kept_open():
            yield Replayed(world=made, usernames=recorded.usernames, results=results, lines=lines)


def days_of_types(made: World, usernames: list[str]) -> dict[str, set[date]]:
    """The days for which anybody has a document, by type."""
    return {
        document_type.name: {
            date.fromisoformat(day)
            for username in usernames
            for day, _ in made.truth(username, document_type)
        }
        for document_type in DOCUMENT_TYPES
        if document_type.partitioned
    }


def spans(days: set[date]) -> Iterator[tuple[date, date]]:
    """First and last of days that lie near each other."""
    first, *others = sorted(days)
    last = first
    for day in others:
        if day - last > FAR:
            yield first, last
            first = day
        last = day
    yield first, last


def test_all_runs_succeed(replayed: Replayed) -> None:
    assert [result.success for result in replayed.results] == [True] * len(replayed.results)


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_every_recorded_document_lands(replayed: Replayed, document_type: DocumentType) -> None:
    """As it was served, under its day; somebody has some of every type."""
    held = {name: replayed.world.truth(name, document_type) for name in replayed.usernames}
    landed = {name: replayed.world.landed(name, document_type) for name in replayed.usernames}
    if document_type.ask is not Ask.DAYS:
        # Rows of samples tell UTC only, states no day at all: nobody can know the sandbox's day.
        held, landed = [
            {name: comparable(("", document) for _, document in rows) for name, rows in of.items()}
            for of in (held, landed)
        ]
    assert landed == held
    assert any(held.values())


def test_only_numbers_that_cannot_be_are_reported(replayed: Replayed) -> None:
    """Every recorded field is known. The recordings' numbers are shaken, some beyond what can be;
    the checks count just those, of that field, and everything landed all the same."""
    red = [finding for result in replayed.results for finding in red_checks(result).items()]
    found: Counter[tuple[str, str]] = Counter()
    for (asset, check), text in red:
        assert check == "values_in_range", text
        for line in text.splitlines():
            field, _, count = line.removesuffix(" documents").partition(": ")
            found[asset.removeprefix("oura/"), field] += int(count)
    assert found == numbers_that_cannot_be(replayed)


def numbers_that_cannot_be(replayed: Replayed) -> Counter[tuple[str, str]]:
    """Document type and path of every number outside its bounds, counted in the recordings."""
    return Counter(
        (document_type.name, ".".join(path))
        for document_type in DOCUMENT_TYPES
        for username in replayed.usernames
        for _, document in replayed.world.truth(username, document_type)
        for path, field, value in numbers(document_type.fields, document)
        if (field.low is not None and value < field.low)
        or (field.high is not None and value > field.high)
    )


def numbers(
    fields: Sequence[Field], document: Mapping[str, Any] | None
) -> Iterator[tuple[tuple[str, ...], Field, float]]:
    """The numbers of a document that stand alone, with their path."""
    for field in fields:
        value = (document or {}).get(field.name)
        if field.kind is kinds.OBJECT:
            for path, inner, number in numbers(field.fields, value):
                yield (field.name, *path), inner, number
        elif field.kind in (kinds.INTEGER, kinds.NUMBER) and value is not None:
            yield (field.name,), field, value


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_every_recorded_type_becomes_points(
    replayed: Replayed, document_type: DocumentType
) -> None:
    series = re.compile(
        rf"bio\.(recorded|western)\.{document_type.series}\.[a-z0-9_.]+ -?[0-9.e-]+ [0-9]+"
    )
    assert any(map(series.fullmatch, replayed.lines))


def test_points_say_what_documents_say(replayed: Replayed) -> None:
    """Scores of a day, read off the recordings: no null became a number, no number was lost."""
    [document_type] = [
        document_type for document_type in DOCUMENT_TYPES if document_type.name == "daily_readiness"
    ]
    said = {
        (username, day, float(document["score"]))
        for username in replayed.usernames
        for day, document in replayed.world.truth(username, document_type)
        if document["score"] is not None
    }
    score = re.compile(r"bio\.(\w+)\.readiness\.score (\S+) (\d+)")
    found = [match for line in replayed.lines if (match := score.fullmatch(line))]
    epoch = date(1970, 1, 1)
    assert {
        (match[1], str(epoch + timedelta(seconds=int(match[3]))), float(match[2]))
        for match in found
    } == said
    assert json.dumps(sorted(said)).count("recorded") == 2
