"""Which times of which metrics are read back together.

What surprises: graphite-web reads every slot between the first and the last asked time, filled or
not, so a sparse metric (a session every few days, five seconds per slot) is asked for in pieces.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import sub

from oura_pipeline.catalog.metrics import DAY

_GAP = 20_000  # slots
_PIECE = 50_000  # points
_TARGETS = 100
_POINTS = 100_000


@dataclass(frozen=True)
class Piece:
    """A stretch of one metric: the points `begin` to `end` (excluded) of its times."""

    metric: str
    begin: int
    end: int
    first: int
    last: int
    step: int

    @property
    def span(self) -> int:
        """Seconds from its first to its last point."""
        return self.last - self.first


@dataclass
class RenderQuery:
    """Pieces that are read together.

    Attributes:
        pieces: what is read.
        first: the first time of all, UTC seconds.
        last: the last one.
    """

    pieces: list[Piece] = field(default_factory=list)
    first: int = 0
    last: int = 0
    points: int = 0

    def takes(self, piece: Piece) -> bool:
        """Whether reading the piece as well costs less than asking again."""
        if not self.pieces:
            return True
        first, last = min(self.first, piece.first), max(self.last, piece.last)
        shortest = min(piece.span, *(other.span for other in self.pieces))
        return (
            len(self.pieces) < _TARGETS
            and self.points + piece.end - piece.begin <= _POINTS
            and last - first <= 2 * shortest + _GAP * piece.step
            and all(piece.metric != other.metric for other in self.pieces)
        )

    def add(self, piece: Piece) -> None:
        """Read the piece as well."""
        self.first = min(self.first, piece.first) if self.pieces else piece.first
        self.last = max(self.last, piece.last) if self.pieces else piece.last
        self.points += piece.end - piece.begin
        self.pieces.append(piece)


def render_queries(times: Mapping[str, array[int]]) -> Iterator[RenderQuery]:
    """Questions that cover all times (UTC seconds, ascending) of all metrics."""
    pieces = [piece for metric, some in times.items() for piece in _pieces(metric, some)]
    pieces.sort(key=lambda piece: (piece.step, piece.first, piece.metric))
    query = RenderQuery()
    for piece in pieces:
        if not query.takes(piece):
            yield query
            query = RenderQuery()
        query.add(piece)
    if query.pieces:
        yield query


def _pieces(metric: str, times: array[int]) -> Iterator[Piece]:
    gaps = array("q", map(sub, islice(times, 1, None), times))
    step = math.gcd(*gaps) or DAY
    begin = 0
    for end in _ends(gaps, step):
        while begin < end:
            until = min(end, begin + _PIECE)
            yield Piece(metric, begin, until, times[begin], times[until - 1], step)
            begin = until


def _ends(gaps: array[int], step: int) -> Iterable[int]:
    """Where a stretch ends: before each long gap, and at the end."""
    if not gaps or max(gaps) <= _GAP * step:
        return [len(gaps) + 1]
    return [*(i + 1 for i, gap in enumerate(gaps) if gap > _GAP * step), len(gaps) + 1]
