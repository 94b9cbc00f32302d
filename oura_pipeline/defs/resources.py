"""The one resource: configuration in, an open pipeline out."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from oura_pipeline.accounts.people import ALL_SHARDS, Person
from oura_pipeline.accounts.usernames import is_id
from oura_pipeline.defs.run_owners import own
from oura_pipeline.defs.run_requests import SHARDS_JOB
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.process import logs
from oura_pipeline.process.imports import without_pandas
from oura_pipeline.settings import Executor, LogFormat, load_settings
from oura_pipeline.sync.fetch import FETCHED_STATES, people_to_fetch


class UnusablePeople(Exception):
    """The configuration of a run does not say for whom it is; the message repeats none of it."""


class PipelineResource(dg.ConfigurableResource[Any]):
    """The pipeline of this process, and the people that a run is for."""

    people: list[str] = Field(
        default=[],
        description="Ids of the people to run for, such as `p-7f3k2m`: see the site's /status or "
        "`oura-pipeline people list`. An empty list means everybody. Do not use names: Dagster "
        "keeps what you type.",
    )
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Part of Oura's rate limit that may be used before this run waits.",
    )
    _pipeline: Pipeline = PrivateAttr()
    _shards: range | None = PrivateAttr(default=None)
    _some: bool | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineResource"]:
        """Open the pipeline for a run and close it afterwards."""
        check_ids(self.people)
        with ExitStack() as stack:
            if context.run:
                if lives_here(context.run):
                    own(context.run.run_id)
                stack.enter_context(_logged(context.run.run_id))
            stack.enter_context(without_pandas())
            self._pipeline = stack.enter_context(open_pipeline(share=self.share))
            stack.enter_context(self._pipeline.warehouse.kept_open())
            yield self

    @property
    def opened(self) -> Pipeline:
        """The pipeline, open while the run lasts."""
        return self._pipeline

    def of_shards(self, shards: range) -> "PipelineResource":
        """Return this pipeline for the people of some shards only."""
        part = self.model_copy()
        part._shards = shards
        return part

    @property
    def is_of_shards(self) -> bool:
        """Whether it is for the people of some shards, which others do not speak of."""
        return self._shards is not None

    def ids(self, usernames: Iterable[str]) -> dict[str, str]:
        """Return the ids of those who are here, and of the shards if there are any, by username."""
        return self._pipeline.accounts.people.ids(usernames, self._shards or ALL_SHARDS)

    def is_for_some(self) -> bool:
        """Return whether the run is not for everybody who is fetched."""
        if self._some is None:
            people = self._pipeline.accounts.people
            everybody = sum(people.counts()[state] for state in FETCHED_STATES)
            chosen = people.usernames_by_id(self.people).values()
            theirs = people.all(FETCHED_STATES, usernames=chosen)
            self._some = bool(self.people) and len(theirs) < everybody
        return self._some

    def selected_people(self) -> list[Person]:
        """Return the people that the run is for, without those who left since it was requested.

        Raises:
            UnusablePeople: none of them is here.
        """
        if not self.people:
            return people_to_fetch(self._pipeline, shards=self._shards)
        usernames = self._pipeline.accounts.people.usernames_by_id(self.people)
        here = [usernames[person_id] for person_id in self.people if person_id in usernames]
        if not here:
            raise UnusablePeople(
                "nobody has any of the ids in `people` (any more): `oura-pipeline people list` "
                "shows those that there are"
            )
        return people_to_fetch(self._pipeline, here)

    def selected_usernames(self) -> list[str]:
        """Return the usernames of the people that the run is for."""
        return [person.username for person in self.selected_people()]


def _logged(run_id: str) -> AbstractContextManager[None]:
    """Log what happens in a run with its id; as text, Dagster's own lines are enough."""
    if load_settings().logs.format is LogFormat.JSON:
        logs.set_up(as_json=True)
    return logs.about(run=run_id)


def lives_here(run: dg.DagsterRun) -> bool:
    """Return whether a run lives in the process in which its steps work."""
    executor = load_settings().workers.executor
    return run.job_name != SHARDS_JOB or executor is Executor.IN_PROCESS


def check_ids(people: list[str]) -> None:
    """Raise UnusablePeople unless all of them look like ids."""
    wrong = sum(not is_id(person) for person in people)
    if wrong:
        raise UnusablePeople(
            f"{wrong} of {len(people)} entries of `people` are no ids such as p-7f3k2m: take them "
            "from the site's /status or from `oura-pipeline people list`. If you typed a name, "
            "delete this run, because Dagster keeps its configuration."
        )
