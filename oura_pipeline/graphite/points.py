"""The points of one person, document type and day, their digest and their index of times."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import accumulate, islice
from operator import sub

from oura_pipeline.graphite.aggregate import Point, Points

Index = dict[str, tuple[int, ...]]  # metric: times

_VERSION = 1
_NAME_LENGTH_AND_COUNT = struct.Struct("<HI")
_FIRST_TIME = struct.Struct("<q")


@dataclass(frozen=True)
class DayPoints:
    """The points that a person's documents of one type and day have in Graphite.

    Attributes:
        username: the person.
        document_type: the name of the document type.
        day: Oura's day.
        points: for each metric, under its full name, its points by time: UTC seconds since 1970,
            aligned to the interval at which they are stored, and the value. Empty: the day has
            nothing to send, for instance because its documents are gone.
        skipped: how often something in the documents could not become a point, by reason and
            path; never a value.
        source: a digest of the documents; empty: unknown.
    """

    username: str
    document_type: str
    day: date
    points: Mapping[str, Sequence[Point]]
    skipped: Mapping[str, int] = field(default_factory=dict)
    source: str = ""

    @cached_property
    def count(self) -> int:
        """Return how many points there are."""
        return sum(map(len, self.points.values()))

    @cached_property
    def digest(self) -> str:
        """Return a digest of all metrics, times and values, equal in every process and run."""
        columns = ((metric, Points.of(points)) for metric, points in sorted(self.points.items()))
        return digest_of((metric, points.times, points.values) for metric, points in columns)

    @cached_property
    def index(self) -> bytes:
        """Return which metrics have a point at which times, packed: some hundred bytes."""
        return pack({metric: Points.of(points).times for metric, points in self.points.items()})


def digest_of(metrics: Iterable[tuple[str, Sequence[int], Sequence[float]]]) -> str:
    """Return the digest of metrics, given by name, each with its times and values."""
    digest = hashlib.blake2b(digest_size=16)
    for metric, times, values in metrics:
        count = len(times)
        # As doubles, like whisper stores them: 61 and 61.0 are the same point.
        columns = struct.pack(f"<{count}q{count}d", *times, *values)
        digest.update(f"{metric} {count} ".encode() + columns)
    return digest.hexdigest()


def pack(index: Mapping[str, Sequence[int]]) -> bytes:
    """Pack metrics and their times into few bytes, for `unpack`.

    Args:
        index: times in seconds, ascending, for each metric.
    """
    parts = [bytes([_VERSION])]
    for metric in sorted(index):
        times, name = index[metric], metric.encode()
        if not times:
            continue
        head = _NAME_LENGTH_AND_COUNT.pack(len(name), len(times))
        parts.append(head + name + _FIRST_TIME.pack(times[0]))
        if len(times) > 1:
            # Steps instead of times: they repeat, so that a day by the minute shrinks to a few
            # bytes.
            steps = map(sub, islice(times, 1, None), times)
            parts.append(struct.pack(f"<{len(times) - 1}I", *steps))
    return zlib.compress(b"".join(parts))


def unpack(packed: bytes) -> Index:
    """Return the metrics and times that `pack` was given.

    Raises:
        ValueError: another version packed them.
    """
    data, offset, index = zlib.decompress(packed), 1, {}
    if data[0] != _VERSION:
        raise ValueError(f"an index of points has version {data[0]}, not {_VERSION}")
    while offset < len(data):
        length, count = _NAME_LENGTH_AND_COUNT.unpack_from(data, offset)
        offset += _NAME_LENGTH_AND_COUNT.size
        metric = data[offset : offset + length].decode()
        offset += length
        (first,) = _FIRST_TIME.unpack_from(data, offset)
        offset += _FIRST_TIME.size
        steps = struct.unpack_from(f"<{count - 1}I", data, offset)
        offset += 4 * (count - 1)
        index[metric] = tuple(accumulate(steps, initial=first))
    return index


def union(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Index:
    """Return the times of either index."""
    return {
        metric: tuple(sorted({*one.get(metric, ()), *other.get(metric, ())}))
        for metric in {*one, *other}
    }


def difference(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Index:
    """Return the times of `one` that `other` lacks; metrics without such times are left out."""
    rest: Index = {}
    for metric, times in one.items():
        present = set(other.get(metric, ()))
        missing = tuple(time for time in times if time not in present)
        if missing:
            rest[metric] = missing
    return rest
