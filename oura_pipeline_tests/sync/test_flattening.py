"""A push flattens the days whose documents changed, and those that a change can reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import DAILY_SLEEP, SLEEP, DocumentType
from oura_pipeline.ledger import Push
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.flattening import Flattener
from oura_pipeline.sync.push import PushedDocuments, push_documents
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.warehouse.documents import RawDocument, january, land, night, score

DAYS = [january(day) for day in range(1, 11)]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline that writes points to a file, with ada."""
    with opened(tmp_path) as made:
        made.accounts.people.add("ada", SignIn(refresh_token="ada"))
        yield made


def opened(home: Path, **more: str) -> AbstractContextManager[Pipeline]:
    """A pipeline in a folder."""
    settings = settings_with(
        oura_pipeline_home=home, oura_client_id="id", oura_client_secret="secret", **more
    )
    return open_pipeline(settings)


def scores(**changed: int) -> list[RawDocument]:
    """A score of every day, 80 except on some days."""
    return [score(day, changed.get(f"d{day.day}", 80)) for day in DAYS]


def arrive(
    pipeline: Pipeline, documents: Sequence[RawDocument], document_type: DocumentType = DAILY_SLEEP
) -> None:
    """Let the days have these documents."""
    land(pipeline.warehouse, document_type, {"ada": documents}, days=(1, 10))


def pushed(pipeline: Pipeline, document_type: DocumentType = DAILY_SLEEP) -> PushedDocuments:
    """Push all days."""
    return push_documents(pipeline, document_type, ["ada"], DAYS)


def to_flatten(
    pipeline: Pipeline, document_type: DocumentType = DAILY_SLEEP, days: Sequence[date] = DAYS
) -> list[int]:
    """The days of January that the next push would flatten."""
    looks = Flattener(pipeline, document_type).changed(["ada"], days, lambda row: True)
    return [day.day for look in looks for _, day in look.days]


def test_what_has_not_changed_is_not_flattened_again(pipeline: Pipeline) -> None:
    """It is counted all the same."""
    arrive(pipeline, scores())
    assert to_flatten(pipeline) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert pushed(pipeline).sent == 10
    assert to_flatten(pipeline) == []
    again = pushed(pipeline)
    assert (again.sent, again.points) == (0, dict.fromkeys(DAYS, 1))


def test_a_revised_day_is_flattened_with_those_around_it(pipeline: Pipeline) -> None:
    """Where days overlap, the later one takes points from the one before."""
    arrive(pipeline, scores())
    pushed(pipeline)
    arrive(pipeline, scores(d5=81))
    assert to_flatten(pipeline) == [4, 5, 6]
    assert to_flatten(pipeline, days=[january(7)]) == [6]
    revised = pushed(pipeline)
    assert (revised.sent, revised.points) == (1, dict.fromkeys(DAYS, 1))
    assert to_flatten(pipeline) == []


def test_a_lost_day_is_pushed_as_an_empty_one(pipeline: Pipeline) -> None:
    arrive(pipeline, scores())
    pushed(pipeline)
    arrive(pipeline, scores()[:-1])
    assert to_flatten(pipeline) == [9, 10]
    assert pushed(pipeline).withdrawn == 1
    assert to_flatten(pipeline) == []


def test_another_part_of_a_sleep_reaches_three_days(pipeline: Pipeline) -> None:
    """A document that is as it was can count since another one is gone."""
    nights = [night(day, total_sleep_duration=20000) for day in DAYS]
    long = night(
        january(5),
        id="long",
        bedtime_start="2026-01-03T23:00:00+01:00",
        total_sleep_duration=25000,
    )
    arrive(pipeline, [*nights, long], SLEEP)
    pushed(pipeline, SLEEP)
    assert to_flatten(pipeline, SLEEP) == [4]  # it has no points, and so there is nothing to record
    arrive(pipeline, nights, SLEEP)
    assert to_flatten(pipeline, SLEEP) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_sent_under_other_names_is_flattened_again(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """The documents are the same, the points are not."""
    arrive(pipeline, scores())
    pushed(pipeline)
    with opened(tmp_path, graphite_prefix="other") as renamed:
        assert len(to_flatten(renamed)) == 10
        assert pushed(renamed).sent == 10


def test_documents_that_came_between_the_look_and_the_reading(pipeline: Pipeline) -> None:
    """What was pushed is recorded, not what was looked at: else the old ones seemed pushed."""
    arrive(pipeline, scores())
    flattener = Flattener(pipeline, DAILY_SLEEP)
    [look] = flattener.changed(["ada"], DAYS, lambda row: True)
    arrive(pipeline, scores(d5=81))
    late = {points.day: points.source for points in flattener.points(look.days, look.digests)}
    pushed(pipeline)
    rows: list[Push] = pipeline.accounts.pushes.find("daily_sleep")
    assert late == {row.day: row.source for row in rows}


def test_what_could_not_be_sent_is_reported_by_every_push(pipeline: Pipeline) -> None:
    """Also of a day that has not changed."""
    bad = score(january(10), 80, contributors={"timing": "soon"})
    arrive(pipeline, [*scores()[:-1], bad])
    reasons = {"no number: contributors.timing": 1}
    assert pushed(pipeline).skipped == reasons
    assert to_flatten(pipeline) == [10]
    assert pushed(pipeline).skipped == reasons


def test_everything_is_sent_again_where_that_is_wanted(pipeline: Pipeline) -> None:
    arrive(pipeline, scores())
    pushed(pipeline)
    assert push_documents(pipeline, DAILY_SLEEP, ["ada"], DAYS, even_unchanged=True).sent == 10


def test_the_same_points_from_other_documents_are_flattened_once(pipeline: Pipeline) -> None:
    """Nothing is sent, and the next push knows it."""
    arrive(pipeline, scores())
    pushed(pipeline)
    other = [score(day, 80, day_summary="a text, which is never sent") for day in DAYS]
    arrive(pipeline, other)
    assert len(to_flatten(pipeline)) == 10
    assert pushed(pipeline).sent == 0
    assert to_flatten(pipeline) == []
