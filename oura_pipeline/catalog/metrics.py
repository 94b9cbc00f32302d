"""The names of a document type's metrics, and the intervals at which Graphite stores them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from oura_pipeline.catalog.document_types import STORED_TYPES, DocumentType
from oura_pipeline.catalog.fields import Field, walk
from oura_pipeline.catalog.kinds import OBJECT

DAY = 86400  # seconds
# Seconds, for metrics that the table does not know, even of types that come once a day: such a
# metric may be a series. A midnight fits into a minute, a series does not fit into a day.
UNKNOWN_INTERVAL = 60
COUNT = "count"
DURATION = "duration"

# By name, because nested and unknown objects can hold them too.
NOT_SENT = frozenset({"id", "timestamp_unix", "interval", "day_tz", "app_sleep_phase_5_min"})

_COMPONENT = re.compile(r"[a-z0-9_-]{1,100}")
_SHORT = {"contributors": "contrib"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that the table of document types knows.

    Attributes:
        series: the name after the username.
        name: the names after the series, joined by dots.
        interval: seconds between the points that Graphite keeps.
        split: whether sub-series have it as well, between the series and the name.
    """

    series: str
    name: str
    interval: int
    split: bool = False


@dataclass(frozen=True)
class Leaf:
    """A field that may be sent.

    Attributes:
        name: its name in the series.
        field: its row in the table.
        is_number: whether it is a plain number.
        is_text: whether it is a text that is never sent.
    """

    name: str
    field: Field
    is_number: bool
    is_text: bool


Tree = dict[str, "Leaf | Tree | None"]


class Vocabulary:
    """The known fields and metrics of a document type, arranged like its documents."""

    def __init__(self, document_type: DocumentType) -> None:
        self.tree = _tree(document_type.fields, ())
        self.names = frozenset(metric.name for metric in known_metrics(document_type))
        self._taken = taken_by_others(document_type)
        self._split = document_type.split_by is not None

    def is_taken(self, name: str, series: str) -> bool:
        """Return whether a known metric of this type, or of another in the series, has the name."""
        if self._split and name.partition(".")[2] in self.names:
            return True
        return name in self.names or name in self._taken.get(series, ())


def component(key: str) -> str | None:
    """Return the name of a key in Graphite, or None if Graphite could not store it."""
    # A metric is a path of files in Graphite: capitals would be other metrics.
    name = _SHORT.get(key) or key.lower()
    return name if _COMPONENT.fullmatch(name) else None


def sent_at_all(key: str) -> bool:
    """Return whether numbers under this key mean anything on their own."""
    lower = key.lower()
    return lower not in NOT_SENT and not lower.endswith("_id")


def path_name(path: Iterable[str]) -> str:
    """Return the name of a path that consists of usable keys only."""
    return ".".join(_SHORT.get(key) or key.lower() for key in path)


def is_event(document_type: DocumentType) -> bool:
    """Return whether its numbers belong to a time rather than to a day."""
    return document_type.partitioned and not document_type.daily and document_type.variants is None


def known_metrics(document_type: DocumentType) -> tuple[Metric, ...]:
    """Return every metric that the table knows of a document type."""
    scalar = document_type.interval if is_event(document_type) else DAY
    metrics = list(_metrics(document_type, document_type.series, scalar))
    if document_type.variants:
        metrics += _metrics(
            document_type, document_type.variants.other_series, document_type.interval
        )
    if document_type.counted:
        metrics.append(Metric(series=document_type.series, name=COUNT, interval=DAY))
    if document_type.ends_at:
        metrics.append(
            Metric(series=document_type.series, name=DURATION, interval=document_type.interval)
        )
    return tuple(metrics)


def taken_by_others(document_type: DocumentType) -> dict[str, frozenset[str]]:
    """Return, for each series of a type, the names that other types have in it."""
    # `daily_sleep` and `sleep` share a series: an unknown `score` in a night must not overwrite the
    # score of the day.
    mine = {metric.series for metric in known_metrics(document_type)} | {document_type.series}
    others = [
        metric
        for name, metrics in _metrics_of_types().items()
        if name != document_type.name
        for metric in metrics
    ]
    return {
        series: frozenset(metric.name for metric in others if metric.series == series)
        for series in mine
    }


@cache
def _metrics_of_types() -> dict[str, tuple[Metric, ...]]:
    # Once: every person's documents of every type are compared with it.
    return {document_type.name: known_metrics(document_type) for document_type in STORED_TYPES}


def leaves(fields: Iterable[Field]) -> Iterator[tuple[str, Field]]:
    """Yield the name in its series and the row of every field whose numbers are sent."""
    for path, field in walk(fields, lists=False):
        if _is_sent(field):
            yield field.metric or path_name(path), field


def _tree(fields: Iterable[Field], path: tuple[str, ...]) -> Tree:
    """Return the fields by Oura's names; None where a field is known but not sent."""
    tree: Tree = {}
    for field in fields:
        here = (*path, field.name)
        if field.kind is OBJECT:
            tree[field.name] = _tree(field.fields, here)
        elif field.sent and sent_at_all(field.name):
            tree[field.name] = Leaf(
                name=field.metric or path_name(here),
                field=field,
                is_number=field.kind.is_number,
                is_text=field.kind.is_text and field.codes is None,
            )
        else:
            tree[field.name] = None
    return tree


def _metrics(document_type: DocumentType, series: str, scalar: int) -> Iterator[Metric]:
    for name, field in leaves(document_type.fields):
        interval = field.interval or scalar
        yield Metric(
            series=series, name=name, interval=interval, split=bool(document_type.split_by)
        )


def _is_sent(field: Field) -> bool:
    numeric = field.kind.is_number or field.kind.is_spread or field.codes is not None
    return numeric and field.sent and sent_at_all(field.name)
