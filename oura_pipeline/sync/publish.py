"""The published copy, with the fetch ledger from the accounts database."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.days import batched
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.ledgers import Ledgers
from oura_pipeline.warehouse.publishing import Published

OVERLAP = timedelta(hours=1)  # between receiving Oura's answer and recording it
AT_ONCE = 100_000  # rows of the ledger in memory
PAIRS_AT_ONCE = 400  # the parameters of one question to SQLite are limited


def publish(pipeline: Pipeline) -> Published:
    """Update the ledger of fetches and publish a new copy; whoever has the old one keeps it.

    Raises:
        WarehouseError: the warehouse is busy or cannot be read; the old copy stays.
    """
    began = time.perf_counter()
    copy = pipeline.warehouse.publish(
        pipeline.settings.storage.analytics_path,
        lambda ledgers: update_ledgers(pipeline.accounts, ledgers),
    )
    return replace(copy, seconds=time.perf_counter() - began)


def update_ledgers(accounts: Accounts, ledgers: Ledgers) -> bool:
    """Make the ledgers of the warehouse equal to those of the accounts; return whether any was not.

    Of participants only what compliance takes is brought: no consent, and no shift of dates.
    """
    changed = update_fetches(accounts, ledgers)
    participants = [
        (
            *(one.study, one.username, one.code, one.arm, one.first_day, one.last_day),
            *(one.withdrawn_on, one.state),
        )
        for one in accounts.studies.everybody()
    ]
    return ledgers.replace_participants(participants) or changed


def update_fetches(accounts: Accounts, ledgers: Ledgers) -> bool:
    """Make `oura.fetches` equal to the ledger of the accounts, without those who left.

    Returns:
        False: it was equal already.
    """
    # Sums per person and document type tell what differs. First only newer rows are read; where the
    # sums still differ after that, rows were deleted or written late, and all of them are read.
    ledgers.expect(batched(accounts.fetches.sums(), AT_ONCE))
    if not ledgers.differ():
        return False
    if newest := ledgers.newest_fetch():
        ledgers.forget_unexpected()
        for rows in batched(accounts.fetches.published(after=newest - OVERLAP), AT_ONCE):
            ledgers.merge_fetches(rows)
    for pairs in ledgers.differing(longest=PAIRS_AT_ONCE, heaviest=AT_ONCE):
        ledgers.replace_fetches(pairs, list(accounts.fetches.published(pairs=pairs)))
    return True
