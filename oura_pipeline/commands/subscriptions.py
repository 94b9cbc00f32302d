"""`oura-pipeline subscriptions`: the webhook subscriptions of this application at Oura."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import click
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands.console import console, print_lines, table_with
from oura_pipeline.commands.options import fetched_types_option
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.subscription_plan import Pair, Plan, plan, points_here, required
from oura_pipeline.sync.subscriptions import (
    MaintainResult,
    apply,
    fetch_remote,
    group_by_reason,
    not_ready,
)


@click.group()
def subscriptions() -> None:
    """Manage webhook subscriptions at Oura.

    With OURA_PUBLIC_URL set, Dagster creates and renews them by itself.
    """


@subscriptions.command("list")
def list_subscriptions() -> None:
    """List webhook subscriptions at Oura."""
    with open_pipeline() as pipeline:
        console.print(_table(pipeline))


@subscriptions.command("renew")
@fetched_types_option
def renew(document_types: list[DocumentType]) -> None:
    """Renew subscriptions for another 90 days."""
    names = {document_type.webhook for document_type in document_types}
    _carry_out(lambda _, rows: Plan(renew=[row for row in rows if row.data_type in names]))


@subscriptions.command("create")
def create() -> None:
    """Create missing webhook subscriptions.

    The site must be running: Oura calls it to verify each subscription.
    """
    settings = load_settings()
    if reason := not_ready(settings):
        raise click.ClickException(reason)
    now, here = datetime.now(UTC), settings.site.webhook_url

    def missing(pairs: frozenset[Pair], rows: Sequence[Subscription]) -> Plan:
        return Plan(create=plan(pairs, rows, callback_url=here, now=now).create)

    with open_pipeline(settings) as pipeline:
        done = apply(pipeline, missing)
    # Oura allows one subscription per data type and event, wherever it points.
    blocked = missing(done.required, done.remote).create
    if blocked and not done.failed:
        names = ", ".join(" ".join(pair) for pair in blocked)
        done.failed.append(
            f"{names}: Oura has one already that points elsewhere or is not listed yet; see "
            "`subscriptions list`, and `subscriptions delete --elsewhere` deletes it"
        )
    _report(done)


@subscriptions.command("delete")
@click.option("--elsewhere", is_flag=True, help="Only those that do not point to this site.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(elsewhere: bool, yes: bool) -> None:
    """Delete webhook subscriptions.

    Dagster's sensor subscription_expiry, where it is on, creates the required ones again.
    """
    here = load_settings().site.webhook_url
    if elsewhere and not here:
        raise click.ClickException(
            "set OURA_PUBLIC_URL: without it every subscription is elsewhere"
        )
    # Those elsewhere bring this site nothing; without the others it gets no events.
    if not (elsewhere or yes):
        click.confirm("Delete all webhook subscriptions of this application?", abort=True)
    _carry_out(
        lambda _, rows: Plan(
            delete=[row for row in rows if not (elsewhere and points_here(row, here))]
        )
    )


def _table(pipeline: Pipeline) -> Table:
    now, here = datetime.now(UTC), pipeline.settings.site.webhook_url
    pairs = required(pipeline.accounts.people.granted())
    # Few lines and no edge: addresses are long and get what is left of the width.
    table = table_with(box=SIMPLE, show_edge=False, title_justify="left", caption_justify="left")
    table.add_column("data type", no_wrap=True)
    table.add_column("event", no_wrap=True)
    table.add_column("expires in days", justify="right", max_width=9)
    table.add_column("callback", overflow="fold")
    table.add_column("note", no_wrap=True)
    rows = fetch_remote(pipeline)
    for row in rows:
        ours = points_here(row, here)
        table.add_row(
            row.data_type,
            row.event_type,
            _days(row, now),
            "here" if ours else escape(row.callback_url),
            _note(row, pairs, ours=ours),
        )
    # Also pairs whose subscription points elsewhere: Oura would refuse a second one.
    missing = len(plan(pairs, rows, callback_url=here, now=now).create)
    table.title = f"here: {here or 'nowhere, there is no OURA_PUBLIC_URL'}"
    table.caption = f"{len(rows)} at Oura, {len(pairs)} wanted, {missing} missing"
    return table


def _carry_out(planned: Callable[[frozenset[Pair], Sequence[Subscription]], Plan]) -> None:
    """Change subscriptions at Oura, print what was done, and exit."""
    with open_pipeline() as pipeline:
        done = apply(pipeline, planned)
    _report(done)


def _report(done: MaintainResult) -> None:
    """Print what was done and what failed, and exit."""
    print_lines(*_summary(done))
    sys.exit(1 if done.failed or done.skipped else 0)


def _summary(done: MaintainResult) -> list[str]:
    if done.skipped:
        return [done.skipped]
    counts = {"created": done.created, "renewed": done.renewed, "deleted": done.deleted}
    work = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing done"
    first = f"{work[0].upper()}{work[1:]}; there are {len(done.remote)} now."
    return [first, *group_by_reason(done.failed)]


def _days(row: Subscription, now: datetime) -> str:
    if row.expires_at is None:
        return "not known"
    return f"{(row.expires_at - now) / timedelta(days=1):.1f}"


def _note(row: Subscription, pairs: frozenset[Pair], *, ours: bool) -> str:
    if not ours:
        return "points elsewhere"
    return "" if (row.data_type, row.event_type) in pairs else "not wanted"
