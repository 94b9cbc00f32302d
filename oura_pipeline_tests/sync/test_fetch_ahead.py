"""While documents of one type land, those of the next ones are fetched."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, PERSONAL_INFO, DocumentType
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.process import interrupts
from oura_pipeline.sync.fetch import FetchedDocuments, fetched_documents, people_to_fetch
from oura_pipeline.sync.fetch_ahead import TYPES_AHEAD, fetching_ahead
from oura_pipeline_tests.testing.world import World
from oura_pipeline_tests.testing.worlds import cloud_with, world_with

FIRST, LAST = date(2026, 5, 30), date(2026, 6, 1)
TYPES = DOCUMENT_TYPES[: TYPES_AHEAD + 3]


cloud = cloud_with(people=2, days=5, end=LAST)


made = world_with("runa", "koa")


def fetch(
    pipeline: Pipeline, document_type: DocumentType
) -> AbstractContextManager[FetchedDocuments]:
    people = people_to_fetch(pipeline)
    return fetched_documents(
        pipeline, document_type, people, first_day=FIRST, last_day=LAST, run_id="a run"
    )


def spooled(made: World) -> set[str]:
    """Return the tables for which documents are spooled."""
    return {path.name.partition(".")[0] for path in (made.home / "spool").glob("*.*")}


def test_everything_lands_as_if_fetched_one_by_one(made: World) -> None:
    with open_pipeline() as pipeline, fetching_ahead(partial(fetch, pipeline), TYPES) as ahead:
        for document_type in TYPES:
            with ahead.documents(document_type) as documents:
                documents.land()
    for document_type in TYPES:
        for username in ("runa", "koa"):
            truth = made.truth(username, document_type, FIRST, LAST)
            if document_type is not PERSONAL_INFO:
                assert made.landed(username, document_type) == truth, document_type.name
    assert spooled(made) == set()


def test_the_next_types_are_fetched_meanwhile_but_not_all(made: World) -> None:
    with (
        open_pipeline() as pipeline,
        fetching_ahead(partial(fetch, pipeline), TYPES) as ahead,
        ahead.documents(TYPES[0]),
    ):
        expected = {document_type.table for document_type in TYPES[: TYPES_AHEAD + 1]}
        gives_up_at = time.monotonic() + 20
        while spooled(made) != expected:
            assert time.monotonic() < gives_up_at, spooled(made)
            time.sleep(0.02)
    assert spooled(made) == set()


class Turns(threading.Semaphore):
    """Turns that know how many were taken at once."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.taken = self.most = 0
        self._counting = threading.Lock()

    def __enter__(self) -> bool:
        got = super().__enter__()
        with self._counting:
            self.taken += 1
            self.most = max(self.most, self.taken)
        return got

    def __exit__(self, *raised: Any) -> None:
        with self._counting:
            self.taken -= 1
        super().__exit__(*raised)


def test_all_types_together_fetch_no_more_people_at_once_than_one(made: World) -> None:
    """Of two people and several types one would fetch two."""
    turns = Turns(1)
    with (
        open_pipeline() as opened,
        fetching_ahead(partial(fetch, replace(opened, turns=turns)), TYPES) as ahead,
    ):
        for document_type in TYPES:
            with ahead.documents(document_type) as documents:
                documents.land()
    assert (turns.most, turns.taken) == (1, 0)


def test_what_fails_to_be_fetched_fails_when_it_is_wanted(made: World) -> None:
    class NoRoom(Exception):
        """What a full disk would raise."""

    def fetch_or_fail(document_type: DocumentType) -> AbstractContextManager[FetchedDocuments]:
        if document_type is TYPES[1]:
            raise NoRoom
        return fetch(pipeline, document_type)

    with open_pipeline() as pipeline, fetching_ahead(fetch_or_fail, TYPES[:3]) as ahead:
        for document_type in TYPES[:3]:
            if document_type is TYPES[1]:
                with pytest.raises(NoRoom), ahead.documents(document_type):
                    pass
            else:
                with ahead.documents(document_type) as documents:
                    assert documents.land().landing is not None


def test_an_error_leaves_nothing_on_disk(made: World) -> None:
    with (
        open_pipeline() as pipeline,
        pytest.raises(interrupts.Interrupted),
        fetching_ahead(partial(fetch, pipeline), TYPES) as ahead,
        ahead.documents(TYPES[0]),
    ):
        raise interrupts.Interrupted
    assert spooled(made) == set()
