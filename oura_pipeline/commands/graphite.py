"""`oura-pipeline graphite`: points that were or will be in Graphite."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import httpx

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands.console import console, print_lines, table_with
from oura_pipeline.commands.options import check_order, day_option, people_option, types_option
from oura_pipeline.days import days_between
from oura_pipeline.graphite.ingest import ingest
from oura_pipeline.graphite.metric_names import child_names
from oura_pipeline.graphite.points import unpack
from oura_pipeline.graphite.removal import stored_metrics
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline.graphite.validate import is_name
from oura_pipeline.ledger import Withdrawn
from oura_pipeline.oura.http import tls
from oura_pipeline.pipeline import RENDER_SECONDS, graphite_sender, open_accounts, open_pipeline
from oura_pipeline.settings import Protocol, load_settings
from oura_pipeline.sync.fetch import people_to_fetch
from oura_pipeline.sync.push import confirm_sent, push_documents

NEAR = timedelta(days=3)  # no document reaches further into other days


@click.group()
def graphite() -> None:
    """Send, resend and check points in Graphite."""


@graphite.command("ingest")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def ingest_file(path: Path) -> None:
    """Send a file of points to Graphite.

    Without a Graphite, points are written to `graphite.log` in the data folder. Once GRAPHITE_HOST
    is set, this command sends such a file. Lines that are not of somebody here are left out.
    """
    settings = load_settings()
    if settings.graphite.protocol is Protocol.FILE:
        raise click.ClickException("set GRAPHITE_HOST to the host that takes the points")
    with open_accounts(settings) as accounts:
        here = {p.username for p in accounts.people.all() if p.state is not PersonState.RETIRED}
    done = ingest(
        path,
        graphite_sender(settings),
        prefix=settings.graphite.prefix,
        usernames=here,
        now=datetime.now(UTC),
    )
    print_lines(
        f"Sent {done.points:,} points to {settings.graphite.host}:{settings.graphite.port}."
    )
    if done.bad:
        print_lines(
            f"{done.bad:,} lines were not sent:",
            *(f"  line {number}: {reason}" for number, reason in done.examples),
        )


@graphite.command("replay")
@day_option("--from", "first", "First day, YYYY-MM-DD.", required=True)
@day_option("--to", "last", "Last day, included.", required=True)
@people_option
@types_option
def replay(
    first: date, last: date, usernames: tuple[str, ...], document_types: list[DocumentType]
) -> None:
    """Push stored documents again.

    All points of these days are sent, whatever was sent before, and read back where
    GRAPHITE_RENDER_URL is set.
    """
    check_order(first, last)
    days = days_between(first, last)
    with open_pipeline() as pipeline:
        people = [person.username for person in people_to_fetch(pipeline, usernames)]
        for document_type in document_types:
            chosen = days if document_type.partitioned else None  # None: the newest documents
            done = push_documents(pipeline, document_type, people, chosen, even_unchanged=True)
            print_lines(f"{document_type.name}: {done.sent:,} points sent")
        report = confirm_sent(pipeline, people, days)
    if report is not None:
        print_lines(report.message or f"{report.points:,} points read back, twice.")


@graphite.command("schemas")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write to.",
)
def schemas(into: Path) -> None:
    """Write carbon's storage configuration.

    The files are storage-schemas.conf and storage-aggregation.conf.
    """
    prefix = load_settings().graphite.prefix
    into.mkdir(parents=True, exist_ok=True)
    for name, text_for in (("schemas", storage_schemas), ("aggregation", storage_aggregation)):
        path = into / f"storage-{name}.conf"
        path.write_text(text_for(prefix), encoding="utf-8")
        path.chmod(0o644)  # carbon runs under another account, and nothing in it is secret
        print_lines(f"Wrote {path}")


@graphite.command("orphans")
def orphans() -> None:
    """Show how to delete former people's metrics.

    A username of somebody who left can be taken again once this finds no metrics of theirs.
    Graphite cannot delete metrics over the network: the commands have to be run on its machine.
    """
    settings = load_settings()
    if not settings.graphite.render_url:
        raise click.ClickException("set GRAPHITE_RENDER_URL: graphite-web lists the metrics")
    with httpx.Client(verify=tls(), timeout=RENDER_SECONDS) as http:
        stored = child_names(http, settings.graphite.render_url, settings.graphite.prefix)
    with open_accounts(settings) as accounts:
        known = {person.username for person in accounts.people.all()}
        freed = accounts.removal.release(stored)
    for name in sorted(stored - known):
        # Not through rich, which would break a long command into lines.
        click.echo(_deletion(settings.graphite.prefix, name))
    if stored <= known:
        console.print("Graphite holds no metrics of people who are not here.")
    else:
        console.print("Run this where Graphite stores its files; <whisper> is the folder of these.")
    if freed:
        console.print(f"Usernames of people who left that can be taken again: {freed}.")


def _deletion(prefix: str, name: str) -> str:
    """Return the command that deletes somebody's metrics."""
    metrics = stored_metrics(prefix, name)
    if is_name(metrics.metrics):
        return metrics.delete
    # Whoever reaches carbon chooses names: a shell might do what they say, or `..` delete all.
    return f"# {name!a} was not sent from here: look at it yourself before you delete it"


@graphite.command("withdrawn")
def withdrawn() -> None:
    """List points that Oura has withdrawn.

    Graphite cannot delete single points, so it still shows them.
    """
    table = table_with("metric", "day", "points", "first", "last", "noticed")
    with open_accounts(load_settings()) as accounts:
        for row in accounts.pushes.withdrawn():
            if times := _still_withdrawn(accounts, row):
                table.add_row(
                    row.metric,
                    str(row.day),
                    str(len(times)),
                    _instant(times[0]),
                    _instant(times[-1]),
                    f"{row.at:%Y-%m-%d %H:%M} UTC",
                )
    console.print(table)


def _still_withdrawn(accounts: Accounts, row: Withdrawn) -> list[int]:
    # Oura may have given a value for the same time again, in a document of another day too.
    first, last, usernames = row.day - NEAR, row.day + NEAR, [row.username]
    near = accounts.pushes.find(
        row.document_type, usernames=usernames, first_day=first, last_day=last
    )
    present = {time for push in near for time in unpack(push.index).get(row.metric, ())}
    return [time for time in row.times if time not in present]


def _instant(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
