"""`oura-pipeline graphite …`: send points later, send them again, prepare carbon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import httpx
from rich.table import Table

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.graphite.ingest import ingest
from oura_pipeline.graphite.metric_names import child_names
from oura_pipeline.graphite.points import unpack
from oura_pipeline.graphite.removal import stored_metrics
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline.ledger import Withdrawn
from oura_pipeline.pipeline import RENDER_SECONDS, graphite_sender, open_accounts, open_pipeline
from oura_pipeline.settings import Protocol, load_settings
from oura_pipeline.sync.fetch import people_to_fetch
from oura_pipeline.sync.push import confirm_sent, push_documents

NEAR = timedelta(days=3)  # no document reaches further into other days


def ingest_file(path: Path) -> str:
    """Send a file of lines to carbon; says how many, and which lines could not be sent."""
    settings = load_settings()
    if settings.graphite.protocol is Protocol.FILE:
        raise click.ClickException("set GRAPHITE_HOST to say where the points shall go")
    try:
        done = ingest(path, graphite_sender(settings), now=datetime.now(UTC))
    except GraphiteUnavailable as error:
        raise click.ClickException(str(error)) from None
    lines = [f"Sent {done.points:,} points to {settings.graphite.host}:{settings.graphite.port}."]
    if done.bad:
        lines.append(f"{done.bad:,} lines were not sent:")
        lines += [f"  line {number}: {reason}" for number, reason in done.examples]
    return "\n".join(lines)


def replay(
    first_day: date, last_day: date, usernames: Sequence[str], types: Sequence[DocumentType]
) -> Iterator[str]:
    """Push again what DuckDB holds of these days, and read it back; a line per document type."""
    if first_day > last_day:
        raise click.UsageError(f"--from {first_day} is after --to {last_day}")
    days = days_between(first_day, last_day)
    with open_pipeline() as pipeline:
        try:
            people = [person.username for person in people_to_fetch(pipeline, usernames)]
            for document_type in types:
                asked = days if document_type.partitioned else None
                done = push_documents(pipeline, document_type, people, asked, even_unchanged=True)
                yield f"{document_type.name}: {done.sent:,} points sent"
            arrival = confirm_sent(pipeline, people, days)
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        except GraphiteUnavailable as error:
            raise click.ClickException(str(error)) from None
    if arrival is not None:
        yield arrival.message or f"{arrival.points:,} points read back, twice."


def write_schemas(folder: Path) -> list[Path]:
    """Write carbon's two files; says which."""
    prefix = load_settings().graphite.prefix
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        folder / "storage-schemas.conf": storage_schemas(prefix),
        folder / "storage-aggregation.conf": storage_aggregation(prefix),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def withdrawn_table() -> Table:
    """Points that Graphite still has although Oura took them back, a row per metric and day."""
    drawn = Table(header_style="bold")
    for heading in ("metric", "day", "points", "first", "last", "noticed"):
        drawn.add_column(heading)
    with open_accounts(load_settings()) as accounts:
        for row in accounts.pushes.withdrawn():
            times = _still_withdrawn(accounts, row)
            if not times:
                continue
            drawn.add_row(
                row.metric,
                str(row.day),
                str(len(times)),
                _at(times[0]),
                _at(times[-1]),
                f"{row.at:%Y-%m-%d %H:%M} UTC",
            )
    return drawn


def orphans() -> list[str]:
    """The commands that delete what Graphite holds of people who are not here (any more).

    Raises:
        ClickException: no render URL is set, or nobody answers there.
    """
    settings = load_settings()
    if not settings.graphite.render_url:
        raise click.ClickException("set GRAPHITE_RENDER_URL: only graphite-web knows what it has")
    try:
        with httpx.Client(timeout=RENDER_SECONDS) as http:
            found = child_names(http, settings.graphite.render_url, settings.graphite.prefix)
    except GraphiteUnavailable as error:
        raise click.ClickException(str(error)) from None
    with open_accounts(settings) as accounts:
        here = {person.username for person in accounts.people.all()}
    return [stored_metrics(settings.graphite.prefix, name).delete for name in sorted(found - here)]


def _still_withdrawn(accounts: Accounts, row: Withdrawn) -> list[int]:
    """The times at which Oura has no value again: a value may have come back."""
    near = accounts.pushes.find(
        row.document_type,
        usernames=[row.username],
        first_day=row.day - NEAR,
        last_day=row.day + NEAR,
    )
    there = {time for push in near for time in unpack(push.index).get(row.metric, ())}
    return [time for time in row.times if time not in there]


def _at(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
