"""Days whose rows moved because offsets were learned, in the ledgers of the accounts database."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.ledger import FetchStatus, PersonDay
from oura_pipeline.pipeline import Pipeline


def record_redated(pipeline: Pipeline, document_type: DocumentType, now: datetime) -> None:
    """Record the days that lost or got rows, and have them pushed again.

    The warehouse keeps them until then: what a crash leaves is recorded after the next landing.
    """
    # Under the lock of the landing, or the counts could be older than those of another run. Whoever
    # holds it for long lands such rows, and records these days afterwards.
    with (
        suppress(AccountsBusy),
        pipeline.landing(document_type),
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
        moved = [
            PersonDay(username=username, document_type=document_type.name, day=day)
            for username, day in days
        ]
        pipeline.accounts.waiting.add(moved, at=now, own_turn=False)
