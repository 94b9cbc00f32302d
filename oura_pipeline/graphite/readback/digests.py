"""Reads whole days back and compares their digests: nothing but the ledger is needed for it.

What surprises: the values that were sent are not looked up again. The ledger knows at which times
each metric has a point, and the digest of the day; if what Graphite has at those times gives the
same digest, every value is there and equal.
"""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from oura_pipeline.graphite.points import Index, digest_of, unpack
from oura_pipeline.graphite.readback.queries import RenderQuery, render_queries
from oura_pipeline.graphite.readback.render import RenderClient, StoredSeries
from oura_pipeline.ledger import Push

_POINTS_AT_ONCE = 1_000_000
_QUERIES_AT_ONCE = 2  # graphite-web usually has more than one worker


def verify_twice(rows: Sequence[Push], render: RenderClient, *, pause: float) -> list[Push]:
    """Those of the days that Graphite has completely and exactly, and has again after a pause.

    Args:
        rows: the ledger's rows of days that were sent.
        render: reads values back.
        pause: seconds between two readings of a day.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    if not rows:
        return []
    # What came last is read last: it may not be readable yet.
    waiting = sorted(rows, key=lambda row: row.at)
    began = time.monotonic()
    first = whole(waiting, render)
    if len(first) < len(waiting):
        time.sleep(pause)
        began = time.monotonic()
        seen = {(row.document_type, row.username, row.day) for row in first}
        first += whole(
            [row for row in waiting if (row.document_type, row.username, row.day) not in seen],
            render,
        )
    # Both readings take the same way through the days: what the first one took counts as pause.
    time.sleep(max(0.0, pause - (time.monotonic() - began)))
    return whole(first, render)


def whole(rows: Sequence[Push], render: RenderClient) -> list[Push]:
    """Those of the days that Graphite has completely and exactly.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    return [row for some in _chunks(rows) for row in _whole(some, render)]


def _whole(rows: Sequence[Push], render: RenderClient) -> Iterator[Push]:
    indexes = [unpack(row.index) for row in rows]
    read = _read(indexes, render)
    for row, index in zip(rows, indexes, strict=True):
        values = {metric: _values(read[metric], times) for metric, times in sorted(index.items())}
        complete = {metric: some for metric, some in values.items() if some is not None}
        if len(complete) == len(values) and row.digest == digest_of(
            (metric, index[metric], some) for metric, some in complete.items()
        ):
            yield row


def _read(indexes: Sequence[Index], render: RenderClient) -> dict[str, list[StoredSeries]]:
    """What Graphite has of every metric around the times in the indexes."""
    times: dict[str, list[int]] = defaultdict(list)
    for index in indexes:
        for metric, some in index.items():
            times[metric].extend(some)
    every = list(
        render_queries({metric: array("q", sorted(some)) for metric, some in times.items()})
    )

    def ask(query: RenderQuery) -> dict[str, StoredSeries]:
        names = [piece.metric for piece in query.pieces]
        return render.slots(names, query.first, query.last)

    read: dict[str, list[StoredSeries]] = defaultdict(list)
    with ThreadPoolExecutor(_QUERIES_AT_ONCE) as pool:
        for answer in pool.map(ask, every):
            for metric, slots in answer.items():
                read[metric].append(slots)
    return read


def _values(read: Sequence[StoredSeries], times: Sequence[int]) -> list[float] | None:
    """The values at these times, which may lie in more than one stretch; None: one is missing."""
    for slots in read:
        if values := slots.at(times):
            return values
    found: list[float] = []
    for at in times:
        one = next((value for slots in read if (value := slots.at([at]))), None)
        if one is None:
            return None
        found += one
    return found


def _chunks(rows: Sequence[Push]) -> Iterator[list[Push]]:
    chunk: list[Push] = []
    points = 0
    for row in rows:
        chunk.append(row)
        points += row.points
        if points >= _POINTS_AT_ONCE:
            yield chunk
            chunk, points = [], 0
    if chunk:
        yield chunk
