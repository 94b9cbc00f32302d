"""The published copy, with the fetch ledger and the offsets from the accounts database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.days import batched_by_weight
from oura_pipeline.ledger import OffsetSum
from oura_pipeline.oura.offsets import Observation
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.publishing import Published
from oura_pipeline.warehouse.warehouse import Warehouse

OVERLAP = timedelta(hours=1)  # between receiving Oura's answer and recording it
AT_ONCE = 100_000  # rows of the ledger in memory
PAIRS_AT_ONCE = 400  # the parameters of one question to SQLite are limited
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def publish(pipeline: Pipeline) -> Published:
    """Update the ledgers and publish a new copy; who has the old one open keeps reading it.

    Raises:
        WarehouseError: the warehouse is busy or cannot be read; the old copy stays.
    """
    began = time.perf_counter()
    update_fetches(pipeline.accounts, pipeline.warehouse)
    update_offsets(pipeline.accounts, pipeline.warehouse)
    copy = pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)
    return replace(copy, seconds=time.perf_counter() - began)


def update_fetches(accounts: Accounts, warehouse: Warehouse) -> None:
    """Make `oura.fetches` equal to the ledger of the accounts, without those who left."""
    with warehouse.ledgers() as ledgers:
        stored = ledgers.fetch_sums()
    current = accounts.fetches.sums()
    if stored == current:
        return
    # Sums per person and document type tell what differs. First only newer rows are read; where the
    # sums still differ after that, rows were deleted or written late, and all of them are read.
    if stored:
        newest = max(found.newest for found in stored.values())
        rows = accounts.fetches.published(after=newest - OVERLAP)
        with warehouse.ledgers() as ledgers:
            ledgers.replace_fetches(stored.keys() - current.keys(), [])
            ledgers.merge_fetches(rows)
            stored = ledgers.fetch_sums()
    differing = {pair: found for pair, found in current.items() if stored.get(pair) != found}
    for some in batched_by_weight(
        sorted(differing.items()),
        lambda pair_and_sum: pair_and_sum[1].rows,
        heaviest=AT_ONCE,
        longest=PAIRS_AT_ONCE,
    ):
        pairs = [pair for pair, _ in some]
        rows = accounts.fetches.published(pairs=pairs)
        with warehouse.ledgers() as ledgers:
            ledgers.replace_fetches(pairs, rows)


def update_offsets(accounts: Accounts, warehouse: Warehouse) -> None:
    """Make `oura.offsets` equal to what the accounts know, without those who left."""
    with warehouse.ledgers() as ledgers:
        stored = ledgers.observed()
    current = accounts.offsets.sums()
    left = stored.keys() - current.keys()
    changed = sorted(name for name, found in current.items() if stored.get(name) != found)
    if not (left or changed):
        return
    learned = [_learned(accounts, username, stored.get(username)) for username in changed]
    with warehouse.ledgers() as ledgers:
        ledgers.replace_offsets(
            left | {one.username for one in learned if one.anew},
            [row for one in learned for row in one.rows],
            {one.username: one.observed for one in learned if one.observed},
        )


def changes(observations: Sequence[Observation]) -> list[tuple[datetime, int]]:
    """Return when the offset changes, from the nearest observations: instant, seconds from UTC."""
    # Of two that are equally near the earlier one counts, so the change is just after the middle.
    return [
        (earlier + (later - earlier) // 2 + INSTANT, _seconds(offset))
        for (earlier, before), (later, offset) in pairwise(observations)
        if before != offset
    ]


@dataclass(frozen=True, kw_only=True)
class _Learned:
    """The change of one person's offsets.

    Attributes:
        username: whose.
        anew: whether all their rows are replaced.
        rows: the new ones: username, since, seconds ahead of UTC.
        observed: the checksum of the observations behind all rows; None: there are none.
    """

    username: str
    anew: bool
    rows: list[tuple[str, datetime, int]]
    observed: OffsetSum | None


def _learned(accounts: Accounts, username: str, known: OffsetSum | None) -> _Learned:
    """Return what is newer than what is known; everything, where older observations changed."""
    if known and accounts.offsets.sum_until(username, known.newest) != known:
        known = None
    observations = accounts.offsets.find(username, known and known.newest)
    rows = [(username, since, seconds) for since, seconds in changes(observations)]
    if not known:
        rows = [(username, BEGINNING, _seconds(offset)) for _, offset in observations[:1]] + rows
    observed = _sum(observations[1:] if known else observations, known)
    return _Learned(username=username, anew=not known, rows=rows, observed=observed)


def _sum(observations: Sequence[Observation], known: OffsetSum | None) -> OffsetSum | None:
    """Return the checksum of these observations and those that were known before."""
    if not observations:
        return known
    return OffsetSum(
        (known.observations if known else 0) + len(observations),
        observations[-1][0],
        (known.seconds if known else 0) + sum(_seconds(offset) for _, offset in observations),
    )


def _seconds(offset: timedelta) -> int:
    return offset // timedelta(seconds=1)
