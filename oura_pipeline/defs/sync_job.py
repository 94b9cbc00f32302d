"""The job that syncs everything for a range of days: what the assets do, in one op."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from traceback import format_tb

import dagster as dg
from pydantic import Field

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.defs.asset_events import AssetEvent, report
from oura_pipeline.defs.checks import check_documents, of_everybody
from oura_pipeline.defs.graphite_assets import (
    check_arrival,
    point_events,
    push_points,
    read_back,
)
from oura_pipeline.defs.oura_assets import (
    RETRIES,
    document_events,
    fail_if_nobody_landed,
    fetching,
    priority,
)
from oura_pipeline.defs.partitions import RETRIES_TAG, daily_partitions, first_and_last_day
from oura_pipeline.defs.person_ids import nameless, withheld
from oura_pipeline.defs.published import publication
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_requests import JOB, OP
from oura_pipeline.process import interrupts
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline.sync.fetch_ahead import FetchAhead, fetching_ahead

DEFAULT_DAYS = 7
RECORD_EVERY = 1.0  # seconds
READ_BACK, CHECKED, PUBLISHED = "read back", "checks", "published"


class UnusableDays(Exception):
    """The configuration of a run does not say for which days it is."""


class UnknownTypes(Exception):
    """The configuration of a run names document types that there are not."""


class SyncConfig(dg.Config):
    """For which days and document types a run is."""

    first_day: str = Field(
        default="", description="YYYY-MM-DD. Default: six days before the last one."
    )
    last_day: str = Field(
        default="", description="YYYY-MM-DD, included. Default: the newest that has begun anywhere."
    )
    document_types: list[str] = Field(
        default=[], description="Names, such as `daily_sleep`. An empty list means all."
    )
    publish: bool = Field(default=True, description="Whether to publish a copy afterwards.")

    def days(self) -> list[date]:
        """Return the days.

        Raises:
            UnusableDays: these are none, or have no partition.
        """
        earliest, newest = first_and_last_day(daily_partitions())
        try:
            last = date.fromisoformat(self.last_day) if self.last_day else newest
            default = max(earliest, last - timedelta(days=DEFAULT_DAYS - 1))
            first = date.fromisoformat(self.first_day) if self.first_day else default
        except ValueError as error:
            raise UnusableDays(f"{error}: write days as YYYY-MM-DD") from None
        if not earliest <= first <= last <= newest:
            raise UnusableDays(
                f"{first} to {last} is not a range of days between {earliest}, where history "
                f"begins, and {newest}, the newest day"
            )
        return days_between(first, last)

    def chosen(self, document_types: Sequence[DocumentType]) -> list[DocumentType]:
        """Return those of the document types, the last ones whose days follow from the others.

        Raises:
            UnknownTypes: there are none of these names.
        """
        by_name = {document_type.name: document_type for document_type in document_types}
        names = self.document_types or list(by_name)
        if unknown := set(names) - by_name.keys():
            raise UnknownTypes(
                f"no document type is called {', '.join(sorted(unknown))}: there are "
                f"{', '.join(sorted(by_name))}"
            )
        return sorted((by_name[name] for name in names), key=lambda one: -int(priority(one)))


@dataclass
class Sync:
    """What is done of a run, by document type."""

    context: dg.OpExecutionContext
    pipeline: PipelineResource
    days: Sequence[date]
    fetched: set[str] = field(default_factory=set)
    pushed: set[str] = field(default_factory=set)
    evaluations: list[dg.AssetCheckEvaluation] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    _unrecorded: list[AssetEvent] = field(default_factory=list)
    _recorded_at: float = field(default_factory=time.monotonic)

    def sync(self, document_types: Sequence[DocumentType]) -> None:
        """Fetch, land and push; what failed and may work later is tried again after the others."""
        left, delay = list(document_types), float(RETRIES.delay or 0)
        fetch = partial(fetching, self.context, self.pipeline, self.days)
        for attempt in range(RETRIES.max_retries + 1):
            if attempt:
                self.record()
                self.tell_retry(left, attempt, delay)
                interrupts.sleep(delay)
                delay *= 2
            unfetched = [one for one in left if one.name not in self.fetched]
            with fetching_ahead(fetch, unfetched) as ahead:
                left = [one for one in left if not self._attempt(one, ahead)]
            if not left:
                return

    def tell_retry(self, left: Sequence[DocumentType], attempt: int, delay: float) -> None:
        """Say in the log what is tried again, and in the list of runs how often."""
        names = ", ".join(one.name for one in left)
        self.context.log.warning(
            f"In {delay:.0f} s again, attempt {attempt + 1} of {RETRIES.max_retries + 1}: {names}"
        )
        self.context.instance.add_run_tags(self.context.run_id, {RETRIES_TAG: str(attempt)})

    def _attempt(self, document_type: DocumentType, ahead: FetchAhead) -> bool:
        """Return whether it need not be tried again."""
        error = self._try(document_type.name, partial(self._fetch_and_push, document_type, ahead))
        return error is None or (isinstance(error, dg.Failure) and not error.allow_retries)

    def _fetch_and_push(self, document_type: DocumentType, ahead: FetchAhead) -> None:
        name = document_type.name
        if name not in self.fetched:
            if not ahead.is_fetched(document_type):
                self.record()  # which takes no time while Oura is waited for
            with ahead.documents(document_type) as documents:
                self.tell_landed(document_type, documents.land())
            self.fetched.add(name)
        pushed = push_points(self.context, self.pipeline, document_type, self.days)
        self.report(list(point_events(document_type, pushed)))
        self.pushed.add(name)

    def tell_landed(self, document_type: DocumentType, fetched: FetchResult) -> None:
        """Report what landed of a type.

        Raises:
            Failure: it failed for everybody.
        """
        fail_if_nobody_landed(document_type, fetched, self.pipeline)
        self.report(list(document_events(document_type, fetched)))

    def report(self, events: Sequence[AssetEvent]) -> None:
        """Record events under the run, now or together with those that soon follow.

        Two databases are opened, written to the disk and closed for each recording: for a type of
        one person that takes longer than to land it.
        """
        self._unrecorded += events
        if time.monotonic() - self._recorded_at >= RECORD_EVERY:
            self.record()

    def record(self) -> None:
        """Record what has been reported and is not yet recorded; what fails stays to be."""
        report(self.context, self._unrecorded)
        self._unrecorded = []
        self._recorded_at = time.monotonic()

    def check(self, document_types: Sequence[DocumentType]) -> None:
        """Evaluate the checks, also of what failed for everybody, and read back what was sent."""
        for document_type in document_types:
            name = document_type.name
            if name in self.fetched or isinstance(self.failures.get(name), dg.Failure):
                self._try(f"{name} checks", partial(self._check_documents, document_type))
        pushed = [one for one in document_types if one.name in self.pushed]
        # Once for all: a Graphite that does not answer is waited for once.
        if pushed and not self._try(READ_BACK, self._read_back):
            for document_type in pushed:
                self._try(
                    f"{document_type.name} arrival", partial(self._check_arrival, document_type)
                )
        self._try(CHECKED, lambda: self.report(self.evaluations))

    def _check_documents(self, document_type: DocumentType) -> None:
        found = check_documents(self.pipeline, document_type, self._days_of(document_type))
        self.evaluations += of_everybody(found, for_some=self.pipeline.is_for_some())

    def _read_back(self) -> None:
        read_back(self.context, self.pipeline, self.days)

    def _check_arrival(self, document_type: DocumentType) -> None:
        found = check_arrival(self.pipeline, document_type, self._days_of(document_type))
        self.evaluations += of_everybody(found, for_some=self.pipeline.is_for_some())

    def _days_of(self, document_type: DocumentType) -> Sequence[date] | None:
        return self.days if document_type.partitioned else None

    def publish(self) -> None:
        """Publish a copy, whatever failed."""
        self._try(PUBLISHED, lambda: self.report([publication(self.pipeline)]))

    def raise_failures(self) -> None:
        """Raise Failure if something failed, with the reason of each."""
        raise_failures({name: reason(error) for name, error in self.failures.items()})

    def _try(self, name: str, work: Callable[[], None]) -> Exception | None:
        interrupts.check()
        try:
            work()
        except Exception as error:
            failure = self.failures[name] = withheld(error)
            # Of what was not foreseen Dagster keeps where it was raised.
            raised_at = format_tb(error.__traceback__) if failure is not error else []
            self.context.log.error("\n".join([f"{name}: {reason(failure)}", *raised_at]))
            return failure
        self.failures.pop(name, None)
        return None


def raise_failures(reasons: Mapping[str, str]) -> None:
    """Raise Failure if something failed, with the reason of each."""
    if reasons:
        text = "\n".join(f"{name}: {why}" for name, why in reasons.items())
        raise dg.Failure(text, metadata=reasons, allow_retries=False)


def reason(error: Exception) -> str:
    """Return why something failed, in words for people."""
    return (error.description if isinstance(error, dg.Failure) else None) or str(error)


def sync_job(document_types: Sequence[DocumentType]) -> dg.JobDefinition:
    """Return the job that syncs these document types, or some of them."""

    @dg.op(name=OP, description="Fetches, lands and pushes documents, checks and publishes them.")
    @nameless
    def sync_documents(
        context: dg.OpExecutionContext, config: SyncConfig, pipeline: PipelineResource
    ) -> None:
        chosen = config.chosen(document_types)
        work = Sync(context, pipeline, config.days())
        try:
            work.sync(chosen)
            work.check(chosen)
            if config.publish:
                work.publish()
        finally:
            work.record()
        work.raise_failures()

    @dg.job(
        name=JOB,
        description="Fetches, lands and pushes everything for a range of days.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        sync_documents()

    return job
