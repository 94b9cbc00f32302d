"""`oura-pipeline subscriptions …`: what Oura tells us of by webhook, shown and changed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.subscriptions import (
    MaintainResult,
    Pair,
    Plan,
    apply,
    fetch_remote,
    group_by_reason,
    plan,
    points_here,
    required,
)


def table(pipeline: Pipeline) -> Table:
    """What Oura has now, a row each."""
    now, here = datetime.now(UTC), pipeline.settings.site.webhook_url
    pairs = required(pipeline.accounts.people.all())
    drawn = Table(
        header_style="bold",
        box=SIMPLE,
        show_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    drawn.add_column("data type", no_wrap=True)
    drawn.add_column("event", no_wrap=True)
    drawn.add_column("expires in days", justify="right", max_width=9)
    drawn.add_column("callback", overflow="fold")
    drawn.add_column("note", no_wrap=True)
    rows = fetch_remote(pipeline)
    for row in rows:
        ours = points_here(row, here)
        drawn.add_row(
            row.data_type,
            row.event_type,
            _days(row, now),
            "here" if ours else escape(row.callback_url),
            _note(row, pairs, ours=ours),
        )
    missing = len(plan(pairs, rows, callback_url=here, now=now).create)
    drawn.title = f"here: {here or 'nowhere, there is no OURA_PUBLIC_URL'}"
    drawn.caption = f"{len(rows)} at Oura, {len(pairs)} wanted, {missing} missing"
    return drawn


def renew(pipeline: Pipeline, document_types: Iterable[DocumentType]) -> MaintainResult:
    """Let those of these document types live for another 90 days or so."""
    names = {document_type.webhook for document_type in document_types}
    return apply(
        pipeline, lambda _, rows: Plan(renew=[row for row in rows if row.data_type in names])
    )


def create(pipeline: Pipeline) -> MaintainResult:
    """Make what is missing, and touch nothing else."""
    now, here = datetime.now(UTC), pipeline.settings.site.webhook_url

    def missing(pairs: frozenset[Pair], rows: Sequence[Subscription]) -> Plan:
        return Plan(create=plan(pairs, rows, callback_url=here, now=now).create)

    done = apply(pipeline, missing)
    left = missing(done.required, done.remote).create
    if left and not done.failed:
        names = ", ".join(" ".join(pair) for pair in left)
        done.failed.append(
            f"{names}: Oura has one already that points elsewhere or is not listed yet; "
            "`subscriptions list` shows it, `subscriptions delete --elsewhere` ends it"
        )
    return done


def delete(pipeline: Pipeline, *, elsewhere: bool) -> MaintainResult:
    """End all of this application's, or those that point elsewhere."""
    here = pipeline.settings.site.webhook_url
    return apply(
        pipeline,
        lambda _, rows: Plan(
            delete=[row for row in rows if not (elsewhere and points_here(row, here))]
        ),
    )


def told(done: MaintainResult) -> list[str]:
    """What was done, and what did not work."""
    if done.skipped:
        return [done.skipped]
    counts = {"made": done.created, "renewed": done.renewed, "ended": done.deleted}
    work = ", ".join(f"{many} {what}" for what, many in counts.items() if many) or "nothing done"
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
