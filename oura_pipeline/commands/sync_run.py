"""Dagster's job `sync` run in this process, with a progress bar and a summary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any
from uuid import uuid4

import click
from dagster import AssetMaterialization, DagsterInstance, DagsterRun, ExecuteInProcessResult
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.commands.console import print_markup, table_with
from oura_pipeline.commands.options import check_order
from oura_pipeline.defs.asset_events import AssetEvent, told_of_reports
from oura_pipeline.defs.checks import EVERY_PERSON
from oura_pipeline.defs.oura_assets import ROW_COUNTS
from oura_pipeline.defs.partitions import DAYS_TAG, daily_partitions, day_span, first_and_last_day
from oura_pipeline.defs.person_ids import with_usernames
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_owners import fail_ownerless, own
from oura_pipeline.defs.run_requests import sync_config
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.defs.sync_job import sync_job
from oura_pipeline.defs.tidy_job import tidy_if_due
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.process import interrupts
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.progress import progress
from oura_pipeline.sync.storage_failures import storage_failure_in


@dataclass(kw_only=True)
class SyncResult:
    """The outcome of a sync.

    Attributes:
        success: whether every asset was materialized.
        counts: per asset key, the sums of its partitions' metadata.
        failures: per failed step, why.
        failed_checks: per check that did not pass, what it says.
    """

    success: bool = False
    counts: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    failed_checks: dict[str, str] = field(default_factory=dict)

    def add(self, event: AssetEvent) -> None:
        """Count what was reported of an asset or a check."""
        if isinstance(event, AssetMaterialization):
            counts = self.counts.setdefault(tuple(event.asset_key.path), {})
            for name, entry in event.metadata.items():
                name = "rows" if name in ROW_COUNTS else name
                value = entry.value
                if isinstance(value, int | float):
                    per_run = name in COUNTED_PER_RUN
                    counts[name] = value if per_run else counts.get(name, 0) + value
        elif not event.passed:
            name = f"{event.asset_key.to_user_string()} {event.check_name}"
            self.failed_checks[name] = event.description or ""


# These are recorded on each partition of a run, but counted for the run as a whole.
COUNTED_PER_RUN = ("requests", "pages", "seconds", "points_sent", "points_withdrawn")


def last_partition() -> date:
    """Return the newest day that has begun anywhere on Earth."""
    _, last = first_and_last_day(daily_partitions())
    return last


def check_range(first_day: date, last_day: date) -> None:
    """Raise UsageError for days in the wrong order, ClickException for days without a partition."""
    first, last = first_and_last_day(daily_partitions())
    check_order(first_day, last_day)
    if first_day < first:
        raise click.ClickException(
            f"{first_day} is before {first}, where OURA_HISTORY_START lets history begin"
        )
    if last_day > last:
        raise click.ClickException(
            f"{last_day} has not begun anywhere yet; the newest day is {last}"
        )


def run_sync(
    first_day: date,
    last_day: date,
    *,
    usernames: Sequence[str] = (),
    document_types: Sequence[DocumentType] = DOCUMENT_TYPES,
) -> SyncResult:
    """Run the assets of these document types for a range of days, both included."""
    with open_accounts(load_settings()) as accounts:
        # Dagster knows people by id only; their names come back when the result is shown.
        ids = [accounts.people.get(username).id for username in usernames]
        usernames_by_id = accounts.people.usernames_by_id()
    run_id, summary = str(uuid4()), SyncResult()
    # Its terminal is for the progress bar.
    with project_instance(captures_output=False) as instance:
        with _cancelled_when_interrupted(instance, run_id), told_of_reports(summary.add):
            fail_ownerless(instance)
            own(run_id)
            # Not that of the code location: its assets take a fifth of a second to make.
            result = sync_job(DOCUMENT_TYPES).execute_in_process(
                instance=instance,
                resources={"pipeline": PipelineResource()},
                run_id=run_id,
                tags={DAYS_TAG: day_span(first_day, last_day)},
                run_config=sync_config(
                    first_day,
                    last_day,
                    people=ids,
                    document_types=[document_type.name for document_type in document_types],
                )
                # Dagster's log would run through the bar; what failed is printed afterwards.
                | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
            interrupts.check()
        tidy_if_due(instance)
        _complete(summary, result, usernames_by_id)
        return summary


@contextmanager
def _cancelled_when_interrupted(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Have the run cancelled in Dagster's records when this process is told to end."""

    def report(how: Callable[[DagsterRun], object]) -> None:
        run = instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            how(run)

    with interrupts.interruptible(
        # Dagster counts an interrupted run as failed unless somebody asked for its end.
        requested=lambda: report(instance.report_run_canceling),
        abandoned=lambda: report(instance.report_run_canceled),
    ):
        try:
            yield
        finally:
            run = instance.get_run_by_id(run_id) if interrupts.is_stopping() else None
            if run and run.is_failure:  # it was not there yet when its end was asked for
                instance.report_run_canceled(run)


def _complete(
    summary: SyncResult, result: ExecuteInProcessResult, usernames_by_id: Mapping[str, str]
) -> None:
    summary.success = result.success
    for name, description in summary.failed_checks.items():
        summary.failed_checks[name] = with_usernames(description, usernames_by_id)
    for failed in result.all_events:
        if failed.is_step_failure:
            for name, reason in failure_reasons(failed.step_failure_data).items():
                summary.failures[name] = with_usernames(reason, usernames_by_id)
    for name in summary.failures:  # which say already that nobody landed
        summary.failed_checks.pop(f"oura/{name} {EVERY_PERSON}", None)
    if not (result.success or summary.failures):
        summary.failures["run"] = failed_run_reason(result)


def failed_run_reason(result: ExecuteInProcessResult) -> str:
    """Return why a run failed none of whose steps did: it could not go on recording itself."""
    errors = [
        error
        for event in result.all_events
        if event.is_failure and (error := getattr(event.event_specific_data, "error", None))
    ]
    texts = [text for error in errors for text in _chain_of_texts(error)]
    known = (storage_failure_in(text) for text in texts)
    first_lines = (text.strip().partition("\n")[0] for text in texts)
    return next(
        (text for text in (*known, *first_lines) if text),
        "Dagster recorded no reason; run it again, and look at the disk's free space",
    )


def _chain_of_texts(error: Any) -> Iterator[str]:
    while error is not None:
        yield str(error.message)
        error = error.cause or error.context


def failure_reasons(data: object) -> dict[str, str]:
    """Return what failed in a run, by document type, and why."""
    failure = getattr(data, "user_failure_data", None)
    if failure and failure.metadata:
        return {name: str(entry.value) for name, entry in failure.metadata.items()}
    if failure and failure.description:
        return {"run": failure.description}
    error = getattr(data, "error", None)
    if error is None:
        return {"run": "unknown; see Dagster's UI for details"}
    known = map(storage_failure_in, _chain_of_texts(error))
    if text := next(filter(None, known), None):
        return {"run": text}
    # Dagster wraps what a step raised, and keeps an error as text: `module.Class: message`.
    message = str((error.cause or error).message).strip().partition("\n")[0]
    return {"run": message.partition(": ")[2] or message}


class SyncProgressBar:
    """A progress bar of people × document types, with rows and points, within 80 columns."""

    def __init__(self, console: Console) -> None:
        self._lock = Lock()  # people are fetched in several threads
        self._rows = self._points = self._read_back = 0
        self._progress = Progress(
            TextColumn("{task.description:24}"),
            BarColumn(bar_width=None),  # what the others leave
            TextColumn("{task.completed}/{task.fields[fetches]}"),
            TextColumn("{task.fields[rows]:,} rows"),
            TextColumn("{task.fields[points]:,} {task.fields[place]}"),
            TimeElapsedColumn(),
            console=console,
            expand=True,
            transient=True,  # the table of the result takes its place
        )
        self._task: TaskID = self._progress.add_task(
            "Starting", total=1, fetches=0, **self._numbers()
        )

    @contextmanager
    def shown(self, total: int) -> Iterator[None]:
        """Show the bar while the block runs; `total` is the number of people × document types."""
        # One more than is fetched: the clock would stop, with landing and reading back to come.
        self._progress.update(self._task, total=total + 1, fetches=total)
        # A context variable, which the assets' steps see because they run in this process.
        token = progress.set(self)
        try:
            with self._progress:
                yield
        finally:
            progress.reset(token)

    def started(self, document_type: str) -> None:
        self._progress.update(self._task, description=document_type)

    def page(self, document_type: str, username: str, documents: int) -> None:
        with self._lock:
            self._rows += documents
        self._progress.update(self._task, **self._numbers())

    def person_done(self, document_type: str, username: str) -> None:
        self._progress.advance(self._task)

    def pushed(self, document_type: str, points: int) -> None:
        with self._lock:
            self._points += points
        self._progress.update(self._task, description=document_type, **self._numbers())

    def read_back(self, points: int) -> None:
        self._read_back += points
        self._progress.update(
            self._task,
            description="Reading back, twice",
            rows=self._rows,
            points=self._read_back,
            place="read",
        )

    def _numbers(self) -> dict[str, Any]:
        return {"rows": self._rows, "points": self._points, "place": "points"}


def counts_by_type(result: SyncResult) -> dict[str, dict[str, int]]:
    """Return per document type what was stored and what was sent."""
    found = {}
    for document_type in DOCUMENT_TYPES:
        documents = result.counts.get(("oura", document_type.name), {})
        points = result.counts.get(("graphite", document_type.name), {})
        if documents or points:
            found[document_type.name] = {
                **{name: int(documents.get(key, 0)) for name, key in _OF_DOCUMENTS.items()},
                **{name: int(points.get(key, 0)) for name, key in _OF_POINTS.items()},
            }
    return found


# What the counts are called, and the metadata that holds them.
_OF_DOCUMENTS = {"rows": "rows", "changed": "changed_rows", "requests": "requests"}
_OF_POINTS = {"points": "points", "sent": "points_sent"}


def result_table(result: SyncResult) -> Table:
    """Return a table with a row per document type: what was stored, what was sent."""
    table = table_with(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("document type", no_wrap=True)
    for heading in (*_OF_DOCUMENTS, *_OF_POINTS):
        table.add_column(heading, justify="right", no_wrap=True)
    totals = dict.fromkeys((*_OF_DOCUMENTS, *_OF_POINTS), 0)
    for document_type, counts in counts_by_type(result).items():
        totals = {name: total + counts[name] for name, total in totals.items()}
        table.add_row(document_type, *_texts(counts))
    table.add_section()
    table.add_row("all", *_texts(totals), style="bold")
    return table


def said_once(problems: Mapping[str, str]) -> dict[str, str]:
    """Return problems, with what several document types say alike under one name."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, text in problems.items():
        where = _DOCUMENT_TYPE.search(name)
        for line in text.splitlines():
            kind = (_DOCUMENT_TYPE.sub("", name), _plain(line, where and where["type"]))
            alike.setdefault(kind, []).append((name, line))
    said: dict[str, list[str]] = {}
    for (check, plain), lines in alike.items():
        together = " of ".join(filter(None, (check.strip(), f"{len(lines)} document types")))
        for name, line in lines if len(lines) == 1 else [(together, plain)]:
            said.setdefault(name, []).append(line)
    return {name: "\n".join(lines) for name, lines in said.items()}


_DOCUMENT_TYPE = re.compile(r"^(?:\w+?/)?(?P<type>\w+)")
_DAYS = re.compile(r" \(\d{4}-\d\d-\d\d(?: to \d{4}-\d\d-\d\d)?\)$")


def _plain(line: str, document_type: str | None) -> str:
    """Return a line without the document type at its beginning and the days at its end."""
    return _DAYS.sub("", line.removeprefix(f"{document_type} "))


def print_problems(out: Console, colour: str, problems: Mapping[str, str]) -> None:
    """Print what failed, and why."""
    for name, reason in problems.items():
        # A reason may quote brackets, as of a list, which are no markup.
        print_markup(f"[{colour}]{name}[/{colour}]: {escape(reason)}", out)


def _texts(counts: Mapping[str, int]) -> list[str]:
    return [f"{count:,}" for count in counts.values()]
