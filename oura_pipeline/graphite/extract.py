"""Extract the numbers of documents: which, under which metric name, at which time."""

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
from oura_pipeline.catalog.numbers import number_in
from oura_pipeline.graphite import parse
from oura_pipeline.graphite.aggregate import MICRO, MetricSamples, Points, Value, aligned, usable
from oura_pipeline.graphite.parse import ParsedSeries, Unreadable
from oura_pipeline.graphite.rows import RowReader

Path = tuple[str, ...]


class Placement(NamedTuple):
    """The series and time under which a document's numbers are sent.

    Attributes:
        series: the series in Graphite.
        time: of its plain numbers, aligned, UTC seconds since 1970.
        instant: the same before it was aligned, μs.
        start: the instant at which its digits begin, μs; None: unknown.
        end: the instant from which on they mean nothing, μs; None: unknown.
        sub_series: a part of the series that gets the values as well.
    """

    series: str
    time: int
    instant: int
    start: int | None
    end: int | None = None
    sub_series: str | None = None


class Extractor:
    """Collects the numbers in one person's documents of one type and day.

    Attributes:
        skipped: how often something could not be sent, by reason and path; never a value.
    """

    def __init__(self, vocabulary: Vocabulary, root: str) -> None:
        """Prepare for documents of a type.

        Args:
            vocabulary: the fields and metric names that the table has for the type.
            root: the beginning of all of the person's metric names, with the dot at its end.
        """
        self.skipped: Counter[str] = Counter()
        self._samples: dict[str, MetricSamples] = {}
        self._vocabulary = vocabulary
        self._root = root
        self._unknown: list[tuple[str, Path, Value | ParsedSeries]] = []
        self._placement: Placement
        self._stems: tuple[str, ...]

    def points(self) -> dict[str, Points]:
        """Return the points of each metric, by time."""
        return {name: samples.points() for name, samples in self._samples.items()}

    def skip(self, reason: str, path: Iterable[str]) -> None:
        """Count something that cannot be sent."""
        self.skipped[f"{reason}: {'.'.join(path)[:200]}"] += 1

    def add_rows(self, rows: RowReader, raws: Sequence[bytes]) -> bool:
        """Extract every number of all rows of a day, and return whether that was possible."""
        samples = rows.samples(raws)
        self._samples |= samples or {}
        return samples is not None

    def add_document(self, document: Mapping[str, Any], placement: Placement) -> None:
        """Extract every number of a document."""
        self._placement = placement
        self._stems = (f"{self._root}{placement.series}.",)
        if placement.sub_series:
            self._stems += (f"{self._root}{placement.series}.{placement.sub_series}.",)
        self._add_object(document, self._vocabulary.tree, ())
        if self._unknown:
            self._add_unknown()

    def add_count(self, placement: Placement) -> None:
        """Count a document of the day."""
        self._add(f"{self._root}{placement.series}.{COUNT}", Merge.SUM, 1, placement)

    def add_duration(self, micros: int, placement: Placement) -> None:
        """Add the duration of an event."""
        value = parse.seconds(micros)
        self._add(f"{self._root}{placement.series}.{DURATION}", Merge.SUM, value, placement)

    def _add_object(self, value: Mapping[str, Any], tree: Tree, path: Path) -> None:
        for key, member in value.items():
            if member is None or member is True or member is False:
                continue
            if key not in tree:
                self._find_numbers(member, (*path, key))
                continue
            known = tree[key]
            if isinstance(known, Leaf):
                if not (known.is_text and type(member) is str):
                    self._add_field(known, member, (*path, key))
            elif isinstance(known, dict) and isinstance(member, dict):
                self._add_object(member, known, (*path, key))
            elif known is not None:
                self._find_numbers(member, (*path, key))

    def _add_field(self, leaf: Leaf, value: object, path: Path) -> None:
        """Add a known field; where its value has another type, look for numbers in it."""
        field = leaf.field
        if leaf.is_number:
            self._add_known_number(leaf, value, path)
        elif field.kind.is_spread:
            self._add_known_series(leaf, value, path)
        elif field.kind.item is not None:
            if not isinstance(value, list) or parse.holds_numbers(value):
                self._find_numbers(value, path)
        elif field.codes is not None:
            code = field.codes.get(value) if isinstance(value, str) else None
            if code is None:
                self.skip("unknown code", path)
            else:
                self._add_number(leaf.name, field.merge, code)
        else:
            self._find_numbers(value, path)

    def _add_known_number(self, leaf: Leaf, value: object, path: Path) -> None:
        if isinstance(value, str):
            value = number_in(value)
            if value is None:
                self.skip("no number", path)
                return
        # Not `isinstance`: True is an int.
        if type(value) not in (int, float):
            self._find_numbers(value, path)
            return
        number = usable(value)
        if number is None:
            self.skip("no finite number", path)
        elif number not in leaf.field.missing:
            self._add_number(leaf.name, leaf.field.merge, number)

    def _add_known_series(self, leaf: Leaf, value: object, path: Path) -> None:
        field = leaf.field
        stored = field.interval or UNKNOWN_INTERVAL
        try:
            if field.kind is DIGITS:
                placed = self._placement
                series = parse.digits(value, placed.start, stored).until(placed.end)
                if None in series.values:
                    self.skip("no digit", path)
            elif isinstance(value, dict):
                series = parse.series(value).without(field.missing)
                self._find_other_members(value, path)
            else:
                raise Unreadable("no series")
        except Unreadable as error:
            self.skip(str(error), path)
        else:
            self._add_series(leaf.name, field.merge, series, stored, path)

    def _find_numbers(self, value: object, path: Path) -> None:
        """Look for numbers in a value that the table does not know, or knows with another type."""
        if not sent_at_all(path[-1]):
            return
        if type(value) in (int, float):
            number = usable(value)
            if number is None:
                self.skip("no finite number", path)
            else:
                self._remember(path, number)
        elif isinstance(value, list):
            if value:
                self.skip("list that is no series", path)
        elif isinstance(value, dict):
            self._find_numbers_in_object(value, path)

    def _find_numbers_in_object(self, value: dict[str, Any], path: Path) -> None:
        if not parse.looks_like_series(value):
            for key, member in value.items():
                self._find_numbers(member, (*path, key))
            return
        try:
            self._remember(path, parse.series(value))
        except Unreadable as error:
            self.skip(str(error), path)
        self._find_other_members(value, path)

    def _find_other_members(self, value: dict[str, Any], path: Path) -> None:
        for key in value.keys() - {"interval", "items", "timestamp"}:
            self._find_numbers(value[key], (*path, key))

    def _remember(self, path: Path, value: Value | ParsedSeries) -> None:
        if all(map(component, path)):
            self._unknown.append((path_name(path), path, value))
        else:
            self.skip("name that Graphite cannot store", path)

    def _add_unknown(self) -> None:
        """Add what the table does not know, under names that are free."""
        # Only at the end of a document, as two of its fields can have one name (`Pulse`, `pulse`).
        # The field that is spelled like the name wins: the order of keys must not decide.
        in_order = sorted(
            self._unknown, key=lambda found: (found[0], ".".join(found[1]) != found[0], found[1])
        )
        self._unknown = []
        added: set[str] = set()
        for name, path, value in in_order:
            if name in added or self._vocabulary.is_taken(name, self._placement.series):
                self.skip("name that is taken", path)
                continue
            added.add(name)
            if isinstance(value, ParsedSeries):
                self._add_series(name, Merge.MEAN, value, UNKNOWN_INTERVAL, path)
            else:
                self._add_number(name, Merge.MEAN, value)

    def _add_number(self, name: str, merge: Merge, value: Value) -> None:
        for stem in self._stems:
            self._add(stem + name, merge, value, self._placement)

    def _add(self, metric: str, merge: Merge, value: Value, placement: Placement) -> None:
        # Not `setdefault`: this runs once per heart beat, and would make samples for each.
        samples = self._samples.get(metric)
        if samples is None:
            samples = self._samples[metric] = MetricSamples(merge)
        samples.add(placement.time, value, placement.instant)

    def _add_series(
        self, name: str, merge: Merge, series: ParsedSeries, stored: int, path: Path
    ) -> None:
        values, bad = parse.clean(series.values)
        if bad:
            self.skip("no finite number", path)
        end = series.start + len(values) * series.interval
        instants: Sequence[int] = range(series.start, end, series.interval)
        times = _aligned_times(series, instants, stored)
        numbers = [value for value in values if value is not None]
        if not numbers:
            return
        if len(numbers) < len(values):
            present = [value is not None for value in values]
            times, instants = list(compress(times, present)), list(compress(instants, present))
        for stem in self._stems:
            samples = self._samples.setdefault(stem + name, MetricSamples(merge))
            samples.extend(times, numbers, instants)


def _aligned_times(series: ParsedSeries, instants: Sequence[int], stored: int) -> Sequence[int]:
    """Return the times of values, in seconds, aligned to Graphite's interval of `stored` seconds.

    Values that are a multiple of it apart keep their own interval.
    """
    whole, rest = divmod(series.interval, stored * MICRO)
    step = whole * stored if whole and not rest else stored
    if series.interval == step * MICRO:
        first = aligned(series.start, step)
        return range(first, first + len(instants) * step, step)
    return [aligned(instant, step) for instant in instants]
