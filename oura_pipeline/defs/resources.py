"""The one resource: configuration in, an open pipeline out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from oura_pipeline.accounts.people import Person
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sync.fetch import people_to_fetch


class PipelineResource(dg.ConfigurableResource[Any]):
    """The pipeline of this process, and the people that a run is for."""

    people: list[str] = Field(
        default=[], description="Usernames to run for; an empty list means everybody."
    )
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Part of Oura's rate limit that may be used before this run waits.",
    )
    _pipeline: Pipeline = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineResource"]:
        """Open the pipeline for a run and close it afterwards."""
        with ExitStack() as stack:
            self._pipeline = stack.enter_context(open_pipeline(share=self.share))
            yield self

    @property
    def opened(self) -> Pipeline:
        """The pipeline, open while the run lasts."""
        return self._pipeline

    def selected_people(self) -> list[Person]:
        """Return the people that the run is for, without those who left since it was requested."""
        return people_to_fetch(self._pipeline, self.people, some_may_have_left=True)

    def selected_usernames(self) -> list[str]:
        """Return the usernames of the people that the run is for."""
        return [person.username for person in self.selected_people()]
