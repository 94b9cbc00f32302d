"""`oura-pipeline sync`."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta

import click

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands import options, sync_run
from oura_pipeline.commands.console import console, progress_console
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.fetch import people_to_fetch

DEFAULT_DAYS = 7
_FARTHEST_WEST = timedelta(hours=12)  # behind UTC, where a day begins last


@click.command()
@options.day_option("--from", "first", "First day, YYYY-MM-DD. Default: the last 7 days.")
@options.day_option("--to", "last", "Last day, included. Default: today.")
@options.last_days_option
@options.people_option
@options.fetched_types_option
@options.json_option("Print what was done as one JSON object.")
@click.option("--quiet", is_flag=True, help="Print only what went wrong.")
def sync(
    *,
    first: date | None,
    last: date | None,
    count: int | None,
    usernames: tuple[str, ...],
    document_types: list[DocumentType],
    as_json: bool,
    quiet: bool,
) -> None:
    """Fetch, store and push documents now.

    It is a Dagster run in this process; Dagster's UI shows it like every other run.
    """
    newest = last or _latest_day_everywhere()
    counted_from = options.last_days(count, newest, first, last)
    first_day = first or counted_from or newest - timedelta(days=DEFAULT_DAYS - 1)
    last_day = last or sync_run.last_partition()
    sync_run.check_range(first_day, last_day)
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline, usernames)
    if not people:
        raise click.ClickException(
            "nobody has signed in yet: open the site and sign in, or use `oura-pipeline people add`"
        )
    bar = sync_run.SyncProgressBar(progress_console)
    with nullcontext() if quiet else bar.shown(len(people) * len(document_types)):
        result = sync_run.run_sync(
            first_day, last_day, usernames=usernames, document_types=document_types
        )
    if as_json:
        click.echo(json.dumps(_described(result, first_day, last_day)))
    else:
        _print(result, quiet=quiet)
    sys.exit(0 if result.success else 1)


def _print(result: sync_run.SyncResult, *, quiet: bool) -> None:
    if not quiet:
        console.print(sync_run.result_table(result))
    # A failed check is a warning: what it is about has been stored.
    sync_run.print_problems(console, "yellow", sync_run.said_once(result.failed_checks))
    sync_run.print_problems(console, "red", sync_run.said_once(result.failures))


def _described(result: sync_run.SyncResult, first_day: date, last_day: date) -> dict[str, object]:
    return {
        "success": result.success,
        "first_day": str(first_day),
        "last_day": str(last_day),
        "document_types": sync_run.counts_by_type(result),
        "failed_checks": result.failed_checks,
        "failures": result.failures,
    }


def _latest_day_everywhere() -> date:
    """Return the newest day that has begun everywhere: each person's last N days count from it."""
    return (datetime.now(UTC) - _FARTHEST_WEST).date()
