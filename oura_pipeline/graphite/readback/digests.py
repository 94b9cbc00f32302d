"""Verify whole days by their digests.

The ledger knows at which times each metric has a point, and the digest of the day. If the values
that Graphite has at those times give the same digest, every value is there and equal; the documents
are not needed for it.
"""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from oura_pipeline.days import batched_by_weight
from oura_pipeline.graphite.points import Index, digest_of, unpack
from oura_pipeline.graphite.readback.queries import RenderQuery, render_queries
from oura_pipeline.graphite.readback.render import RenderClient, StoredSeries
from oura_pipeline.ledger import Push
from oura_pipeline.process import interrupts

_POINTS_PER_BATCH, _DAYS_PER_BATCH = 1_000_000, 100_000
_PARALLEL_QUERIES = 2  # graphite-web usually has more than one worker


def verify_twice(
    rows: Sequence[Push],
    render: RenderClient,
    *,
    pause: float,
    seen: Callable[[int], object] = lambda points: None,
) -> list[Push]:
    """Return the days that Graphite has completely and exactly, now and again after a pause.

    Args:
        rows: the ledger's rows of days that were sent.
        render: reads values back.
        pause: seconds between two readings of a day.
        seen: called with the number of points of each day that a reading found.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    if not rows or not render.whisper:
        return []
    # What was sent last is read last: it may not be readable yet.
    waiting = sorted(rows, key=lambda row: row.at)
    began = time.monotonic()
    first = verify(waiting, render, seen)
    if len(first) < len(waiting):
        interrupts.sleep(pause)
        began = time.monotonic()
        found = {(row.document_type, row.username, row.day) for row in first}
        first += verify(
            [row for row in waiting if (row.document_type, row.username, row.day) not in found],
            render,
            seen,
        )
    # Both readings go through the days in the same order, so the time that the first one took
    # counts as pause.
    interrupts.sleep(max(0.0, pause - (time.monotonic() - began)))
    return verify(first, render, seen)


def verify(
    rows: Sequence[Push],
    render: RenderClient,
    seen: Callable[[int], object] = lambda points: None,
) -> list[Push]:
    """Return the days that Graphite has completely and exactly.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    batches = batched_by_weight(
        rows, lambda row: row.points, heaviest=_POINTS_PER_BATCH, longest=_DAYS_PER_BATCH
    )
    verified = []
    for batch in batches:
        for row in _verify_batch(batch, render):
            verified.append(row)
            seen(row.points)
    return verified


def _verify_batch(rows: Sequence[Push], render: RenderClient) -> Iterator[Push]:
    indexes = [unpack(row.index) for row in rows]
    stored = _read(indexes, render)
    for row, index in zip(rows, indexes, strict=True):
        values = {metric: _values(stored[metric], index[metric]) for metric in sorted(index)}
        complete = {metric: found for metric, found in values.items() if found is not None}
        if len(complete) == len(values) and row.digest == digest_of(
            (metric, index[metric], found) for metric, found in complete.items()
        ):
            yield row


def _read(indexes: Sequence[Index], render: RenderClient) -> dict[str, list[StoredSeries]]:
    """Return what Graphite has of every metric around the times in the indexes."""
    times: dict[str, list[int]] = defaultdict(list)
    for index in indexes:
        for metric, metric_times in index.items():
            times[metric].extend(metric_times)
    queries = list(render_queries({metric: array("q", sorted(times[metric])) for metric in times}))

    def ask(query: RenderQuery) -> dict[str, StoredSeries]:
        names = [stretch.metric for stretch in query.stretches]
        return render.stored_series(names, query.first, query.last)

    stored: dict[str, list[StoredSeries]] = defaultdict(list)
    with ThreadPoolExecutor(_PARALLEL_QUERIES) as pool:
        for answer in pool.map(ask, queries):
            for metric, series in answer.items():
                stored[metric].append(series)
    return stored


def _values(stored: Sequence[StoredSeries], times: Sequence[int]) -> list[float] | None:
    """Return the values at these times, which may be in several series; None: one is missing."""
    for series in stored:
        if values := series.at(times):
            return values
    found: list[float] = []
    for at in times:
        value = next((values for series in stored if (values := series.at([at]))), None)
        if value is None:
            return None
        found += value
    return found
