"""`oura-pipeline sync`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta

import click

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands import options, sync_run
from oura_pipeline.commands.console import console
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.fetch import people_to_fetch

DEFAULT_DAYS = 7
_FARTHEST_WEST = timedelta(hours=12)  # behind UTC, where a day begins last


@click.command()
@options.day_option("--from", "first", "First day, YYYY-MM-DD. Default: the last 7 days.")
@options.day_option("--to", "last", "Last day, included. Default: today.")
@options.last_days_option
@options.people_option
@options.types_option
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
    with sync_run.SyncProgressBar(console).shown(len(people) * len(document_types)):
        result = sync_run.run_sync(
            first_day, last_day, usernames=usernames, document_types=document_types
        )
    console.print(sync_run.result_table(result))
    # A failed check is a warning: what it is about has been stored.
    sync_run.print_problems(console, "yellow", sync_run.said_once(result.failed_checks))
    sync_run.print_problems(console, "red", sync_run.said_once(result.failures))
    sys.exit(0 if result.success else 1)


def _latest_day_everywhere() -> date:
    """Return the newest day that has begun everywhere: each person's last N days count from it."""
    return (datetime.now(UTC) - _FARTHEST_WEST).date()
