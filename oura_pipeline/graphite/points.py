"""The points of one person, document type and day: what is pushed, remembered and compared.

What surprises: the digest is that of the doubles carbon will store, so that 61 and 61.0 are the
same, and it does not depend on the order in which metrics were found.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import accumulate, islice
from operator import sub

from oura_pipeline.graphite.aggregate import Point

Index = dict[str, tuple[int, ...]]  # metric: times

_VERSION = 1
_HEADER = struct.Struct("<HI")
_FIRST = struct.Struct("<q")


@dataclass(frozen=True)
class DayPoints:
    """What a day of a person has in Graphite, from documents of one type.

    Attributes:
        username: the person.
        document_type: name of the document type.
        day: Oura's day.
        points: for each metric, under its full name, its points by time: UTC seconds since 1970,
            aligned to the interval at which they are stored, and the value. Empty: the day has
            nothing to send, for instance because its documents are gone.
    """

    username: str
    document_type: str
    day: date
    points: Mapping[str, Sequence[Point]]

    @cached_property
    def count(self) -> int:
        """How many points there are."""
        return sum(map(len, self.points.values()))

    @cached_property
    def digest(self) -> str:
        """Of all metrics, times and values; equal in every process and run."""
        return digest_of(
            (metric, [time for time, _ in points], [value for _, value in points])
            for metric, points in sorted(self.points.items())
        )

    @cached_property
    def index(self) -> bytes:
        """Which metrics have a point at which times, packed: some hundred bytes."""
        return pack({metric: [time for time, _ in self.points[metric]] for metric in self.points})


def digest_of(metrics: Iterable[tuple[str, Sequence[int], Sequence[float]]]) -> str:
    """The digest of metrics in the order of their names, each with its times and values."""
    digest = hashlib.blake2b(digest_size=16)
    for metric, times, values in metrics:
        digest.update(f"{metric} {len(times)} ".encode())
        digest.update(struct.pack(f"<{len(times)}q", *times))
        digest.update(struct.pack(f"<{len(times)}d", *values))
    return digest.hexdigest()


def pack(index: Mapping[str, Sequence[int]]) -> bytes:
    """Metrics and their times in few bytes; the inverse of `unpack`.

    Args:
        index: times in seconds, ascending, for each metric.
    """
    parts = [bytes([_VERSION])]
    for metric in sorted(index):
        times, name = index[metric], metric.encode()
        if not times:
            continue
        parts += [_HEADER.pack(len(name), len(times)), name, _FIRST.pack(times[0])]
        steps = list(map(sub, islice(times, 1, None), times))
        parts.append(struct.pack(f"<{len(steps)}I", *steps))
    return zlib.compress(b"".join(parts))


def unpack(packed: bytes) -> Index:
    """What `pack` was given."""
    data, at, index = zlib.decompress(packed), 1, {}
    if data[0] != _VERSION:
        raise ValueError(f"an index of points has version {data[0]}, not {_VERSION}")
    while at < len(data):
        length, count = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        metric = data[at : at + length].decode()
        at += length
        (first,) = _FIRST.unpack_from(data, at)
        at += _FIRST.size
        steps = struct.unpack_from(f"<{count - 1}I", data, at)
        at += 4 * (count - 1)
        index[metric] = tuple(accumulate(steps, initial=first))
    return index


def union(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Index:
    """The times of both."""
    return {
        metric: tuple(sorted({*one.get(metric, ()), *other.get(metric, ())}))
        for metric in {*one, *other}
    }


def difference(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Index:
    """The times of `one` that `other` does not have; metrics without such times are left out."""
    rest: Index = {}
    for metric, times in one.items():
        there = set(other.get(metric, ()))
        missing = tuple(time for time in times if time not in there)
        if missing:
            rest[metric] = missing
    return rest
