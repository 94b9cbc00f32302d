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

from oura_pipeline.graphite.points import DayPoints, unpack
from oura_pipeline.graphite.questions import Question, questions
from oura_pipeline.graphite.render import Render, Values
from oura_pipeline.graphite.samples import Point
from oura_pipeline.ledger import Push

_POINTS_AT_ONCE = 400_000
_QUESTIONS_AT_ONCE = 2  # graphite-web usually has more than one worker


def seen_twice(rows: Sequence[Push], render: Render, *, pause: float) -> list[Push]:
    """Those of the days that Graphite has completely and exactly, and has again after a pause.

    Args:
        rows: the ledger's rows of days that were sent.
        render: reads values back.
        pause: seconds between two readings.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    if not rows:
        return []
    # What came last is read last: it may not be readable yet.
    waiting = sorted(rows, key=lambda row: row.at)
    first = whole(waiting, render)
    if len(first) < len(waiting):
        time.sleep(pause)
        seen = {(row.document_type, row.username, row.day) for row in first}
        first += whole(
            [row for row in waiting if (row.document_type, row.username, row.day) not in seen],
            render,
        )
    time.sleep(pause)
    return whole(first, render)


def whole(rows: Sequence[Push], render: Render) -> list[Push]:
    """Those of the days that Graphite has completely and exactly.

    Raises:
        GraphiteUnavailable: graphite-web did not answer.
    """
    return [row for some in _chunks(rows) for row in _whole(some, render)]


def _whole(rows: Sequence[Push], render: Render) -> Iterator[Push]:
    times: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for owner, row in enumerate(rows):
        for metric, some in unpack(row.index).items():
            times[metric].extend((at, owner) for at in some)
    for slots in times.values():
        slots.sort()
    read: list[dict[str, list[Point]]] = [defaultdict(list) for _ in rows]
    wanted = {metric: array("q", [at for at, _ in slots]) for metric, slots in times.items()}
    for question, answer in _asked(list(questions(wanted)), render):
        for piece in question.pieces:
            got = answer.get(piece.metric, {})
            for at, owner in times[piece.metric][piece.begin : piece.end]:
                if at in got:
                    read[owner][piece.metric].append((at, got[at]))
    for row, points in zip(rows, read, strict=True):
        if DayPoints(row.username, row.document_type, row.day, points).digest == row.digest:
            yield row


def _asked(
    every: Sequence[Question], render: Render
) -> Iterator[tuple[Question, dict[str, Values]]]:
    def ask(question: Question) -> dict[str, Values]:
        names = [piece.metric for piece in question.pieces]
        return render.values(names, question.first, question.last)

    with ThreadPoolExecutor(_QUESTIONS_AT_ONCE) as pool:
        yield from zip(every, pool.map(ask, every), strict=True)


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
