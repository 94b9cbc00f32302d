"""`oura-pipeline sync`."""

from __future__ import annotations

import sys
from datetime import date, timedelta

import click
from rich.markup import escape

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands.console import console
from oura_pipeline.commands.options import (
    day_option,
    last_days_option,
    people_option,
    types_option,
)
from oura_pipeline.commands.sync_run import (
    SyncProgressBar,
    SyncResult,
    check_range,
    last_partition,
    result_table,
    run_sync,
)
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.fetch import people_to_fetch

DEFAULT_DAYS = 7


@click.command()
@day_option("--from", "first", "First day, YYYY-MM-DD. Default: the last 7 days.")
@day_option("--to", "last", "Last day, included. Default: today.")
@last_days_option
@people_option
@types_option
def sync(
    first: date | None,
    last: date | None,
    count: int | None,
    usernames: tuple[str, ...],
    document_types: list[DocumentType],
) -> None:
    """Fetch, store and push documents now.

    It is a Dagster run in this process; Dagster's UI shows it like every other run.
    """
    if count and (first or last):
        raise click.UsageError("use --last without --from and --to")
    last_day = last or last_partition()
    first_day = first or last_day - timedelta(days=(count or DEFAULT_DAYS) - 1)
    check_range(first_day, last_day)
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline, usernames)
    if not people:
        raise click.ClickException(
            "nobody has signed in yet: open the site and sign in, or use `oura-pipeline people add`"
        )
    with SyncProgressBar(console).shown(len(people) * len(document_types)):
        result = run_sync(first_day, last_day, usernames=usernames, document_types=document_types)
    _print(result)
    sys.exit(0 if result.success else 1)


def _print(result: SyncResult) -> None:
    console.print(result_table(result))
    problems = [
        f"[yellow]{check}[/yellow]: {escape(description)}"
        for check, description in result.failed_checks.items()
    ]
    problems += [f"[red]{step}[/red]: {escape(reason)}" for step, reason in result.failures.items()]
    for problem in problems:
        console.print(problem, highlight=False, soft_wrap=True)
