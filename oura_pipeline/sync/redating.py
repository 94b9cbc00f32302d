"""Days whose rows moved because offsets were learned, in the ledgers of the accounts database."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.graphite.points import pack
from oura_pipeline.ledger import FetchStatus, Push, PushState
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.sync.push import PUSH_ENDS_WITHIN


def record_redated(pipeline: Pipeline, document_type: DocumentType, now: datetime) -> None:
    """Record the days that lost or got rows, and have them pushed again.

    The warehouse keeps them until then: what a crash leaves is recorded after the next landing.
    """
    # Under the lock of the landing, or the counts could be older than those of another run. Whoever
    # holds it for long lands such rows, and records these days afterwards.
    with (
        suppress(AccountsBusy),
        pipeline.accounts.lock(f"land {document_type.name}"),
        pipeline.warehouse.redated(document_type) as days,
    ):
        usernames = {username for username, _ in days}
        quarantined = pipeline.warehouse.quarantined(usernames, document_type)
        # What is set aside is not absent.
        aside = {(document.username, document.day) for document in quarantined}
        pipeline.accounts.fetches.correct(
            document_type.name,
            {
                key: (
                    FetchStatus.LANDED if count.documents or key in aside else FetchStatus.EMPTY,
                    count.documents,
                    count.changed,
                )
                for key, count in days.items()
            },
        )
        pipeline.accounts.pushes.record(_pending(pipeline, document_type, days, now))


def _pending(
    pipeline: Pipeline,
    document_type: DocumentType,
    days: Collection[tuple[str, date]],
    now: datetime,
) -> list[Push]:
    """Return the pushes of people who were pushed on one of these days, as left half done."""
    found = pipeline.accounts.pushes.find(
        document_type.name,
        usernames={username for username, _ in days},
        first_day=min((day for _, day in days), default=None),
        last_day=max((day for _, day in days), default=None),
    )
    pushed = {(row.username, row.day): row for row in found}
    known = {row.username for row in found}
    return [
        replace(
            pushed.get((username, day)) or _nothing(document_type, username, day, now),
            state=PushState.PENDING,
            # No push under way: whoever pushes next takes it.
            at=now - PUSH_ENDS_WITHIN,
        )
        for username, day in days
        if username in known
    ]


def _nothing(document_type: DocumentType, username: str, day: date, now: datetime) -> Push:
    return Push(
        username=username,
        document_type=document_type.name,
        day=day,
        points=0,
        digest="",
        state=PushState.PENDING,
        index=pack({}),
        at=now,
    )
