"""The samples of a metric on one day, merged to one value per interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import compress, count, islice
from operator import le, lt, ne
from typing import overload

from oura_pipeline.catalog.fields import Merge

Value = int | float
Point = tuple[int, Value]  # UTC seconds since 1970, aligned; value

MICRO = 1_000_000  # microseconds in a second
_EXACT = 2**53  # whisper stores doubles, which hold every integer up to here


class Points(Sequence[Point]):
    """The points of a metric in two columns, as a tuple for each takes longer than the rest."""

    __slots__ = ("times", "values")

    def __init__(self, times: Sequence[int], values: Sequence[Value]) -> None:
        self.times, self.values = times, values

    @classmethod
    def of(cls, points: Sequence[Point]) -> Points:
        """Return points as columns."""
        if isinstance(points, cls):
            return points
        return cls([time for time, _ in points], [value for _, value in points])

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Point]:
        return zip(self.times, self.values, strict=True)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Points: ...
    def __getitem__(self, index: int | slice) -> Point | Points:
        if isinstance(index, slice):
            return Points(self.times[index], self.values[index])
        return self.times[index], self.values[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return repr(list(self))


class MetricSamples:
    """Values of a metric, the times to which they are aligned (s), and their instants (μs)."""

    # Three lists instead of a list of samples: a day of heart rate has a thousand.
    __slots__ = ("_instants", "_merge", "_times", "_values")

    def __init__(self, merge: Merge) -> None:
        self._merge = merge
        self._times: list[int] = []
        self._values: list[Value] = []
        self._instants: list[int] = []

    def add(self, time: int, value: Value, instant: int) -> None:
        """Add a value."""
        self._times.append(time)
        self._values.append(value)
        if self._merge is Merge.LAST:
            self._instants.append(instant)

    def extend(
        self, times: Iterable[int], values: Iterable[Value], instants: Iterable[int]
    ) -> None:
        """Add values."""
        self._times.extend(times)
        self._values.extend(values)
        if self._merge is Merge.LAST:
            self._instants.extend(instants)

    def points(self) -> Points:
        """Return one value per time, by time.

        A value that is alone at its time stays what it was, an integer too; a mean is a float.
        """
        # Strictly ascending: there is nothing to sort or merge. True of nearly every series.
        if all(map(lt, self._times, islice(self._times, 1, None))):
            return Points(self._times, self._values)
        if self._merge is not Merge.LAST and all(
            map(le, self._times, islice(self._times, 1, None))
        ):
            return self._merged_runs()
        groups: dict[int, list[Value]] = {}
        for time, value in self._in_order():
            groups.setdefault(time, []).append(value)
        times = sorted(groups)
        return Points(times, [self._merged(groups[time]) for time in times])

    def _merged_runs(self) -> Points:
        """Return one value per time, where equal times follow each other."""
        times, values = self._times, self._values
        begins = [0, *compress(count(1), map(ne, times, islice(times, 1, None)))]
        runs = zip(begins, [*begins[1:], len(times)], strict=True)
        return Points(
            [times[begin] for begin in begins],
            [
                values[begin] if end == begin + 1 else self._merged(values[begin:end])
                for begin, end in runs
            ],
        )

    def _in_order(self) -> Iterable[Point]:
        if self._merge is not Merge.LAST:
            return zip(self._times, self._values, strict=True)
        order = sorted(range(len(self._times)), key=self._instants.__getitem__)
        return ((self._times[i], self._values[i]) for i in order)

    def _merged(self, values: Sequence[Value]) -> Value:
        if len(values) == 1 or self._merge is Merge.LAST:
            return values[-1]
        return _sum(values) if self._merge is Merge.SUM else _mean(values)


def usable(value: object) -> Value | None:
    """Return a number as carbon can store it; None: it is no finite number."""
    # Not `isinstance`: True is an int.
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is not int:
        return None
    if -_EXACT <= value <= _EXACT:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def all_usable(values: Sequence[Value]) -> bool:
    """Return whether carbon can store each of these integers and floats as it is."""
    try:
        finite = all(map(math.isfinite, values))
    except OverflowError:
        return False
    return finite and (not values or max(map(abs, values)) <= _EXACT)


def aligned(instant: int, interval: int) -> int:
    """Return the start, in seconds, of the interval (seconds) that holds an instant (μs)."""
    return instant // (interval * MICRO) * interval


def all_aligned(instants: Iterable[int], interval: int) -> list[int]:
    """Return the starts, in seconds, of the intervals (seconds) that hold instants (μs)."""
    micros = interval * MICRO
    return [instant // micros * interval for instant in instants]


def _mean(values: Sequence[Value]) -> float:
    try:
        # `fsum` is exact whatever the order, so equal documents have equal digests.
        return math.fsum(values) / len(values)
    except OverflowError:
        # Exact, and between the lowest and the highest: a mean of doubles is always one.
        return float(sum(map(Fraction, values)) / len(values))


def _sum(values: Sequence[Value]) -> Value:
    if all(type(value) is int for value in values):
        return sum(values)
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf  # `drop_invalid` reports it
