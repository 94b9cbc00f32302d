"""One document after the other becomes samples: which numbers, under which name, at which time.

What surprises: what the table does not know is only decided when a document has been read to its
end, because two of its fields can ask for one name in Graphite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

from oura_pipeline.catalog.fields import Merge
from oura_pipeline.catalog.kinds import DIGITS
from oura_pipeline.catalog.metrics import (
    COUNT,
    DURATION,
    UNKNOWN_INTERVAL,
    Leaf,
    Tree,
    Vocabulary,
    component,
    path_name,
    sent_at_all,
)
from oura_pipeline.graphite import parse
from oura_pipeline.graphite.aggregate import MICRO, MetricSamples, Value, aligned, usable
from oura_pipeline.graphite.parse import ParsedSeries, Unreadable

Path = tuple[str, ...]


class Place(NamedTuple):
    """Where the numbers of a document go.

    Attributes:
        series: the series in Graphite.
        time: where its plain numbers stand, UTC seconds.
        instant: the same before it was aligned, μs.
        start: the instant at which its digits begin, μs; None: nobody knows.
        split: the sub-series that gets the values as well.
    """

    series: str
    time: int
    instant: int
    start: int | None
    split: str | None = None


class Extractor:
    """Reads the documents of one type and day of one person.

    Attributes:
        reports: how often something could not be sent, by reason and path; never a value.
        samples: the samples of each metric, under its full name.
    """

    def __init__(self, vocabulary: Vocabulary, root: str) -> None:
        """Prepare for documents of a type.

        Args:
            vocabulary: what the table knows of it.
            root: what every metric of the person begins with, with the dot at its end.
        """
        self.reports: Counter[str] = Counter()
        self.samples: dict[str, MetricSamples] = {}
        self._vocabulary = vocabulary
        self._root = root
        self._unknown: list[tuple[str, Path, Value | ParsedSeries]] = []
        self._place: Place
        self._targets: tuple[str, ...]

    def report(self, reason: str, path: Iterable[str]) -> None:
        """Count something that could not be sent."""
        self.reports[f"{reason}: {'.'.join(path)[:200]}"] += 1

    def document(self, document: Mapping[str, Any], place: Place) -> None:
        """Take every number of a document."""
        self._place = place
        self._targets = (f"{self._root}{place.series}.",)
        if place.split:
            self._targets += (f"{self._root}{place.series}.{place.split}.",)
        self._object(document, self._vocabulary.tree, ())
        if self._unknown:
            self._settle_unknown()

    def count(self, place: Place) -> None:
        """Count a document of the day."""
        self._add(f"{self._root}{place.series}.{COUNT}", Merge.SUM, 1, place)

    def duration(self, micros: int, place: Place) -> None:
        """Take the duration of an event."""
        value = parse.seconds(micros)
        self._add(f"{self._root}{place.series}.{DURATION}", Merge.SUM, value, place)

    def _object(self, value: Mapping[str, Any], tree: Tree, path: Path) -> None:
        for key, member in value.items():
            if member is None or member is True or member is False:
                continue
            if key not in tree:
                self._strange(member, (*path, key))
                continue
            known = tree[key]
            if isinstance(known, Leaf):
                if not (known.is_text and type(member) is str):
                    self._known(known, member, (*path, key))
            elif isinstance(known, dict) and isinstance(member, dict):
                self._object(member, known, (*path, key))
            elif known is not None:
                self._strange(member, (*path, key))

    def _known(self, leaf: Leaf, value: object, path: Path) -> None:
        """Take a field that the table knows, in the shape that it should have."""
        field = leaf.field
        if leaf.is_number:
            self._known_number(leaf, value, path)
        elif field.kind.is_spread:
            self._spread(leaf, value, path)
        elif field.kind.item is not None:
            if not isinstance(value, list) or parse.holds_numbers(value):
                self._strange(value, path)
        elif field.codes is not None:
            code = field.codes.get(value) if isinstance(value, str) else None
            if code is None:
                self.report("unknown code", path)
            else:
                self._number(leaf.name, field.merge, code)
        else:
            self._strange(value, path)

    def _known_number(self, leaf: Leaf, value: object, path: Path) -> None:
        if type(value) not in (int, float):
            self._strange(value, path)
            return
        number = usable(value)
        if number is None:
            self.report("no finite number", path)
        elif number != 0 or not leaf.field.zero_is_missing:
            self._number(leaf.name, leaf.field.merge, number)

    def _spread(self, leaf: Leaf, value: object, path: Path) -> None:
        """Take a series or digits."""
        field = leaf.field
        stored = field.interval or UNKNOWN_INTERVAL
        try:
            if field.kind is DIGITS:
                slots = parse.digits(value, self._place.start, stored)
                if None in slots.values:
                    self.report("no digit", path)
            elif isinstance(value, dict):
                slots = parse.series(value)
                self._other_members(value, path)
            else:
                raise Unreadable("no series")
        except Unreadable as error:
            self.report(str(error), path)
        else:
            self._slots(leaf.name, field.merge, slots, stored, path)

    def _strange(self, value: object, path: Path) -> None:
        """Look for numbers in what the table does not know, or knows in another shape."""
        if not sent_at_all(path[-1]):
            return
        if type(value) in (int, float):
            number = usable(value)
            if number is None:
                self.report("no finite number", path)
            else:
                self._remember(path, number)
        elif isinstance(value, list):
            if value:
                self.report("list that is no series", path)
        elif isinstance(value, dict):
            self._strange_object(value, path)

    def _strange_object(self, value: dict[str, Any], path: Path) -> None:
        if not parse.looks_like_series(value):
            for key, member in value.items():
                self._strange(member, (*path, key))
            return
        try:
            self._remember(path, parse.series(value))
        except Unreadable as error:
            self.report(str(error), path)
        self._other_members(value, path)

    def _other_members(self, value: dict[str, Any], path: Path) -> None:
        for key in value.keys() - {"interval", "items", "timestamp"}:
            self._strange(value[key], (*path, key))

    def _remember(self, path: Path, value: Value | ParsedSeries) -> None:
        if all(map(component, path)):
            self._unknown.append((path_name(path), path, value))
        else:
            self.report("name that Graphite cannot store", path)

    def _settle_unknown(self) -> None:
        """Send what is unknown under names that are free; of two, the one spelt like its name."""
        done: set[str] = set()
        by_name = sorted(
            self._unknown, key=lambda one: (one[0], ".".join(one[1]) != one[0], one[1])
        )
        self._unknown = []
        for name, path, value in by_name:
            if name in done or self._vocabulary.is_taken(name, self._place.series):
                self.report("name that is taken", path)
                continue
            done.add(name)
            if isinstance(value, ParsedSeries):
                self._slots(name, Merge.MEAN, value, UNKNOWN_INTERVAL, path)
            else:
                self._number(name, Merge.MEAN, value)

    def _number(self, name: str, merge: Merge, value: Value) -> None:
        for target in self._targets:
            self._add(target + name, merge, value, self._place)

    def _add(self, metric: str, merge: Merge, value: Value, place: Place) -> None:
        samples = self.samples.get(metric)
        if samples is None:
            samples = self.samples[metric] = MetricSamples(merge)
        samples.add(place.time, value, place.instant)

    def _slots(self, name: str, merge: Merge, slots: ParsedSeries, stored: int, path: Path) -> None:
        values, bad = parse.cleaned(slots.values)
        if bad:
            self.report("no finite number", path)
        step = _step(slots.interval, stored)
        end = slots.start + len(values) * slots.interval
        instants = range(slots.start, end, slots.interval)
        if slots.interval == step * MICRO:
            first = aligned(slots.start, step)
            times: Sequence[int] = range(first, first + len(values) * step, step)
        else:
            times = [aligned(instant, step) for instant in instants]
        for target in self._targets:
            self._extend(target + name, merge, times, values, instants)

    def _extend(
        self,
        metric: str,
        merge: Merge,
        times: Sequence[int],
        values: list[Value | None],
        instants: Sequence[int],
    ) -> None:
        there = [value is not None for value in values]
        if any(there):
            samples = self.samples.setdefault(metric, MetricSamples(merge))
            known = (value for value in values if value is not None)
            samples.extend(compress(times, there), known, compress(instants, there))


def _step(interval: int, stored: int) -> int:
    """Seconds to which values `interval` μs apart are aligned.

    Their own interval where Graphite's fits into it, Graphite's otherwise.
    """
    whole, rest = divmod(interval, stored * MICRO)
    return whole * stored if whole and not rest else stored
