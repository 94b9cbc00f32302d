"""The published copy has what was asked of Oura and where people were, exactly as it is known."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.publish import publish, update_fetches
from oura_pipeline.warehouse.connection import ExclusiveFile
from oura_pipeline.warehouse.ledgers import Ledgers, ensure_ledgers
from oura_pipeline_tests.testing.settings import settings_with

DAY = date(2026, 1, 1)
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def pipeline(empty_home: Path, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline in a folder of its own, with ada and bob."""
    shutil.copy(empty_home / "warehouse.duckdb", tmp_path)
    settings = settings_with(
        oura_pipeline_home=tmp_path, oura_client_id="id", oura_client_secret="secret"
    )
    with open_pipeline(settings) as made:
        for username in ("ada", "bob"):
            made.accounts.people.add(username, SignIn(refresh_token=username))
        yield made


def fetch(username: str = "ada", day: int = 0, **changes: Any) -> Fetch:
    row = {
        "document_type": "sleep",
        "day": DAY + timedelta(days=day),
        "status": FetchStatus.LANDED,
        "documents": 2,
        "run_id": "run",
        "at": AT,
    }
    return Fetch(username=username, **row | changes)


def read(pipeline: Pipeline, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(pipeline.settings.storage.analytics_path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def brought_fetches(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    with ExclusiveFile(pipeline.warehouse.path, timeout=1.0).opened() as connection:
        ensure_ledgers(connection)
        update_fetches(pipeline.accounts, Ledgers(connection))
    return pipeline.warehouse.query("FROM oura.fetches ORDER BY ALL")


def known_fetches(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    columns = ("username", "document_type", "day", "status", "documents", "error", "at")
    return sorted(
        tuple(getattr(row, name) for name in columns) for row in pipeline.accounts.fetches.find()
    )


def test_the_copy_has_the_fetch_ledger(pipeline: Pipeline) -> None:
    """Whole rows, with the instant in UTC; null where there was no error."""
    refused = fetch(
        "bob", 1, status=FetchStatus.FAILED, documents=0, error="Oura is away", at=AT + HOUR
    )
    pipeline.accounts.fetches.record([fetch(), refused])
    publish(pipeline)
    assert read(pipeline, "FROM oura.fetches ORDER BY ALL") == [
        ("ada", "sleep", DAY, "landed", 2, None, AT),
        ("bob", "sleep", date(2026, 1, 2), "failed", 0, "Oura is away", AT + HOUR),
    ]


def test_an_error_after_thousands_without_one_is_kept(pipeline: Pipeline) -> None:
    """Types are not guessed from the first rows."""
    rows = [fetch(day=number) for number in range(3000)]
    rows[2500] = fetch(day=2500, status=FetchStatus.FAILED, error="Oura is away")
    pipeline.accounts.fetches.record(rows)
    failed = [(day, error) for _, _, day, _, _, error, _ in brought_fetches(pipeline) if error]
    assert failed == [(DAY + timedelta(days=2500), "Oura is away")]


def test_newer_answers_replace_older_ones(pipeline: Pipeline) -> None:
    pipeline.accounts.fetches.record([fetch(day=day) for day in range(5)])
    brought_fetches(pipeline)
    newer = [
        fetch(day=4, status=FetchStatus.EMPTY, documents=0, at=AT + 5 * HOUR),
        fetch(day=5, at=AT + 5 * HOUR),
        fetch("bob", document_type="workout", at=AT + 5 * HOUR),
    ]
    pipeline.accounts.fetches.record(newer)
    assert brought_fetches(pipeline) == known_fetches(pipeline)


def test_what_is_remembered_late_arrives_all_the_same(pipeline: Pipeline) -> None:
    """A long question is heard before and remembered after others that were published."""
    pipeline.accounts.fetches.record([fetch(), fetch("bob", at=AT + 30 * HOUR)])
    brought_fetches(pipeline)
    late = [fetch(documents=9, at=AT + HOUR), fetch(day=1, at=AT + HOUR)]
    pipeline.accounts.fetches.record(late)
    assert brought_fetches(pipeline) == known_fetches(pipeline)


def test_refusals_that_were_forgotten_are_gone(pipeline: Pipeline) -> None:
    """Some of a type, and all of another."""
    pipeline.accounts.fetches.record(
        [
            fetch(),
            fetch(day=1, status=FetchStatus.NOT_GRANTED, documents=0, error="no"),
            fetch(document_type="tag", status=FetchStatus.NOT_GRANTED, documents=0, error="no"),
        ]
    )
    brought_fetches(pipeline)
    pipeline.accounts.fetches.forget_not_granted("ada")
    assert brought_fetches(pipeline) == [("ada", "sleep", DAY, "landed", 2, None, AT)]


def test_nobody_stays_who_left(pipeline: Pipeline) -> None:
    """Neither who was removed nor whose data is about to be deleted."""
    people = ("ada", "bob", "cleo")
    pipeline.accounts.people.add("cleo", SignIn(refresh_token="cleo"))
    for username in people:
        pipeline.accounts.fetches.record([fetch(username)])
    publish(pipeline)
    pipeline.accounts.removal.delete("ada")
    pipeline.accounts.removal.retire("bob")
    publish(pipeline)
    assert read(pipeline, "SELECT username FROM oura.fetches") == [("cleo",)]


def test_nothing_new_is_no_new_copy(pipeline: Pipeline) -> None:
    pipeline.accounts.fetches.record([fetch()])
    assert publish(pipeline).fresh
    assert not publish(pipeline).fresh
    pipeline.accounts.fetches.record([fetch(at=AT + HOUR)])
    assert publish(pipeline).fresh
    assert not publish(pipeline).fresh


def test_many_rows_arrive_in_portions(pipeline: Pipeline) -> None:
    """More pairs than one question takes, and more rows than are read at once."""
    rows = [fetch(document_type=f"type{number}") for number in range(900)]
    rows += [
        fetch(name, document_type=kind, day=day)
        for name in ("ada", "bob")
        for kind in ("a", "b")
        for day in range(2000)
    ]
    pipeline.accounts.fetches.record(rows)
    assert brought_fetches(pipeline) == known_fetches(pipeline)


@pytest.mark.parametrize("seed", range(2))
def test_ledgers_agree_whatever_happens_between_two_copies(pipeline: Pipeline, seed: int) -> None:
    """Answers in any order, forgotten ones, somebody who comes and goes."""
    dice = random.Random(seed)
    for _ in range(5):
        rows = [
            fetch(
                dice.choice(["ada", "bob"]),
                dice.randrange(20),
                document_type=dice.choice(["sleep", "tag"]),
                status=dice.choice(list(FetchStatus)),
                documents=dice.randrange(4),
                at=AT + dice.randrange(2000) * timedelta(minutes=1),
            )
            for _ in range(dice.randrange(40))
        ]
        pipeline.accounts.fetches.record(rows)
        if dice.random() < 0.5:
            pipeline.accounts.fetches.forget_not_granted("ada")
        if dice.random() < 0.2:
            pipeline.accounts.removal.delete("bob")
            pipeline.accounts.people.add("bob", SignIn(refresh_token="bob"))
        assert brought_fetches(pipeline) == known_fetches(pipeline)
