"""An answer that suddenly has much less than stood there: landed, said, and checked once more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, RING_CONFIGURATION, DocumentType
from oura_pipeline.defs.gaps import Gap, due_gaps
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline_tests.testing.world import World, red_checks, world
from oura_pipeline_tests.testing.worlds import cloud_with

LAST = date(2026, 6, 1)
FIRST = LAST - timedelta(days=3)
NEXT_DAY = timedelta(hours=20)
ALL_FOUR = "Oura's answer has 4 of 4 documents no longer; it is asked again the next day"


cloud = cloud_with(people=2, days=8, end=LAST + timedelta(days=2))


@pytest.fixture
def made(cloud: Sandbox, empty_home: Path, tmp_path: Path) -> Iterator[World]:
    """A world in which four days of runa's and koa's sleep and rings are landed."""
    with world(tmp_path / "data", cloud, begun=empty_home) as made:
        for username in ("runa", "koa"):
            made.sign_in(username)
        with open_pipeline() as pipeline:
            for document_type in (DAILY_SLEEP, RING_CONFIGURATION):
                ask(pipeline, document_type)
        yield made
        cloud.clear_faults()


def ask(pipeline: Pipeline, document_type: DocumentType = DAILY_SLEEP) -> list[str]:
    """Ask for the four days, and return what is then known to be lost."""
    fetch_and_land(
        pipeline,
        document_type,
        people_to_fetch(pipeline),
        first_day=FIRST,
        last_day=LAST,
        run_id="a run",
    )
    return [f"{loss.username}: {loss.reason}" for loss in pipeline.accounts.overview.losses()]


def answer(sandbox: Sandbox, username: str, documents: int, route: str = "daily_sleep") -> None:
    """Let the next answers to somebody have only the first documents of their days."""
    held = [entry["document"] for entry in sandbox.truth(username, route)]
    among = [one for one in held if FIRST.isoformat() <= one.get("day", "") <= LAST.isoformat()]
    body = {"data": among[:documents], "next_token": None}
    sandbox.clear_faults()
    sandbox.fault("error", route=route, person=username, status=200, body=body, count=None)


def test_an_empty_answer_is_landed_and_turns_a_check_red(made: World) -> None:
    """It says whose and how many; the other person's documents stay."""
    answer(made.sandbox, "runa", 0)
    red = red_checks(made.run(FIRST, LAST, types=["daily_sleep"]))
    [(check, said)] = red.items()
    assert check == ("oura/daily_sleep", "no_sudden_loss")
    assert said.endswith(f": {ALL_FOUR} (2026-05-29 to 2026-06-01)")
    assert len(said.splitlines()) == 1
    counts = [len(made.landed(username, DAILY_SLEEP)) for username in ("runa", "koa")]
    assert counts == [0, 4]
    made.sandbox.clear_faults()
    assert red_checks(made.run(FIRST, LAST, types=["daily_sleep"])) == {}


@pytest.mark.parametrize(
    ("documents", "said"),
    [(1, ["runa: " + ALL_FOUR.replace("4 of 4", "3 of 3")]), (2, []), (3, [])],
)
def test_less_than_half_is_a_sudden_loss(made: World, documents: int, said: list[str]) -> None:
    """Of a question's documents, on the days that lost them; half of them may be true."""
    answer(made.sandbox, "runa", documents)
    with open_pipeline() as pipeline:
        assert ask(pipeline) == said


def test_a_loss_is_asked_again_the_next_day_before_it_is_believed(made: World) -> None:
    """By the sensor of gaps, unless somebody asked meanwhile; only then the days are settled."""
    answer(made.sandbox, "runa", 0)
    with open_pipeline() as pipeline:
        assert ask(pipeline) == [f"runa: {ALL_FOUR}"]
        # Soon afterwards the same answer proves nothing.
        assert ask(pipeline) == [f"runa: {ALL_FOUR}"]
        [runa] = made.ids("runa")
        assert due() == []
        [gap] = due(after=NEXT_DAY)
        assert (gap.people, gap.document_types) == ((runa,), ("daily_sleep",))
        assert (gap.first_day, gap.last_day) == (FIRST, LAST)


def due(after: timedelta = timedelta(0)) -> list[Gap]:
    """The gaps that are due so much later."""
    return due_gaps(load_settings(), datetime.now(UTC) + after)


def test_documents_that_come_back_are_no_loss(made: World) -> None:
    answer(made.sandbox, "runa", 0)
    with open_pipeline() as pipeline:
        ask(pipeline)
        answer(made.sandbox, "runa", 3)
        assert ask(pipeline) == ["runa: " + ALL_FOUR.replace("4 of 4", "1 of 1")]
        made.sandbox.clear_faults()
        assert ask(pipeline) == []
    assert due(after=NEXT_DAY) == []


def test_a_failure_does_not_settle_a_loss(made: World) -> None:
    """Nor is it asked twice: what failed is asked again already."""
    answer(made.sandbox, "runa", 0)
    with open_pipeline() as pipeline:
        ask(pipeline)
        made.sandbox.clear_faults()
        made.sandbox.fault("no_data", route="daily_sleep", person="runa", count=None)
        assert ask(pipeline) == [f"runa: {ALL_FOUR}"]
    assert len(due(after=NEXT_DAY)) == 1


def test_rings_that_are_gone_are_a_loss(made: World) -> None:
    """Of a type without days too, once for all days on which the state was asked."""
    answer(made.sandbox, "koa", 0, route="ring_configuration")
    with open_pipeline() as pipeline:
        [said] = ask(pipeline, RING_CONFIGURATION)
        assert said.startswith("koa: Oura's answer has ")
        made.sandbox.clear_faults()
        assert ask(pipeline, RING_CONFIGURATION) == []
