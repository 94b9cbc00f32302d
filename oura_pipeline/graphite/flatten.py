"""Documents become points: every number, under its name, at its time, one per interval.

What surprises: what a day sends depends on its neighbours. Where a traveller's activity days
overlap, the later day wins, so the points of a day leave out what a later one says.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.metrics import DAY, Vocabulary, is_event
from oura_pipeline.graphite import parse
from oura_pipeline.graphite.aggregate import MICRO, Point, aligned
from oura_pipeline.graphite.extract import Extractor, Place
from oura_pipeline.graphite.parse import Unreadable
from oura_pipeline.graphite.points import DayPoints

_USERNAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_SOURCE = re.compile(r"[a-z0-9_-]{1,100}")
_EPOCH = date(1970, 1, 1).toordinal()

_Document = dict[str, Any]
_Metrics = dict[str, list[Point]]


@dataclass(frozen=True)
class Flattened:
    """The points of some days, and what could not become a point.

    Attributes:
        days: each asked day that has a document, by day.
        reports: how often something could not be sent, by reason and path; never a value.
    """

    days: list[DayPoints]
    reports: dict[str, int]


def flatten(
    document_type: DocumentType,
    username: str,
    documents: Iterable[tuple[date, bytes]],
    *,
    first_day: date,
    last_day: date,
    prefix: str = "bio",
) -> Flattened:
    """The points of a person's documents of one type.

    Args:
        document_type: the row of the document type.
        username: the person's name in Graphite.
        documents: Oura's day and the JSON of every document from the day before `first_day` to
            the day after `last_day`; the neighbours only decide where a later day wins.
        first_day: the first day that is returned.
        last_day: the last one.
        prefix: the first name of every metric.

    Raises:
        ValueError: the username cannot be a part of a metric's name.
    """
    if not _USERNAME.fullmatch(username):
        raise ValueError(f"{username!r} cannot be a name in Graphite: use a-z, 0-9, _ and -")
    by_day: dict[date, list[bytes]] = defaultdict(list)
    for day, document in documents:
        by_day[day].append(document)
    days: list[tuple[date, _Metrics]] = []
    reports: Counter[str] = Counter()
    vocabulary = Vocabulary(document_type)
    for day in sorted(by_day):
        extractor = Extractor(vocabulary, f"{prefix}.{username}.")
        _read_day(extractor, document_type, day, by_day.pop(day))
        days.append((day, {name: samples.points() for name, samples in extractor.samples.items()}))
        if first_day <= day <= last_day:
            reports.update(extractor.reports)
    _let_later_days_win([metrics for _, metrics in days])
    return Flattened(
        days=[
            DayPoints(
                username, document_type.name, day, {name: metrics[name] for name in sorted(metrics)}
            )
            for day, metrics in days
            if first_day <= day <= last_day
        ],
        reports=dict(sorted(reports.items())),
    )


def _read_day(
    extractor: Extractor, document_type: DocumentType, day: date, raw: Iterable[bytes]
) -> None:
    midnight = (day.toordinal() - _EPOCH) * DAY
    documents = _of_the_day(extractor, document_type, raw)
    main = _main(document_type, documents)
    for document in documents:
        place = _place(extractor, document_type, document, midnight=midnight, main=document is main)
        if place is None:
            continue
        extractor.document(document, place)
        if document_type.ends_at:
            _read_duration(extractor, document_type.ends_at, document, place)
    if document_type.counted:
        at_midnight = Place(
            series=document_type.series, time=midnight, instant=midnight * MICRO, start=None
        )
        for _ in documents:
            extractor.count(at_midnight)


def _of_the_day(
    extractor: Extractor, document_type: DocumentType, raw: Iterable[bytes]
) -> list[_Document]:
    """The documents of a day that count: all, or the newest of those that describe a state."""
    documents = []
    for text in raw:
        try:
            documents.append(parse.decoded(text))
        except Unreadable as error:
            extractor.report(str(error), ("document",))
    if not document_type.newest or len(documents) < 2:
        return documents
    # A tie goes to the last one: Oura lists the oldest first.
    ages = [parse.instant(document.get(document_type.newest)) or 0 for document in documents]
    return [documents[max(range(len(ages)), key=lambda i: (ages[i], i))]]


def _main(document_type: DocumentType, documents: Iterable[_Document]) -> _Document | None:
    """The longest main document of the day; of equals the earliest, then by its id."""
    variants = document_type.variants
    if not variants:
        return None

    def rank(document: _Document) -> tuple[float, float, str]:
        length = document.get(variants.length)
        start = parse.instant(document.get(document_type.starts_at or ""))
        return (
            -length if isinstance(length, (int, float)) else 1,
            float("inf") if start is None else start,
            str(document.get("id")),
        )

    mains = [one for one in documents if one.get(variants.field) == variants.main]
    return min(mains, key=rank, default=None)


def _place(
    extractor: Extractor,
    document_type: DocumentType,
    document: _Document,
    *,
    midnight: int,
    main: bool,
) -> Place | None:
    """Where a document's numbers go; None: nowhere."""
    start = (
        parse.instant(document.get(document_type.starts_at)) if document_type.starts_at else None
    )
    series = _series(extractor, document_type, document, main=main)
    if series is None:
        return None
    if main or not (is_event(document_type) or document_type.variants):
        return Place(series=series, time=midnight, instant=midnight * MICRO, start=start)
    if start is None and _needs_start(document_type):
        extractor.report("no instant", (document_type.starts_at or "",))
        return None
    instant = midnight * MICRO if start is None else start
    return Place(
        series=series,
        time=midnight if start is None else aligned(instant, document_type.interval),
        instant=instant,
        start=start,
        split=_split(extractor, document_type, document),
    )


def _series(
    extractor: Extractor, document_type: DocumentType, document: _Document, *, main: bool
) -> str | None:
    variants = document_type.variants
    if not variants or main:
        return document_type.series
    variant = document.get(variants.field)
    if variant == variants.main or variant in variants.others:
        return variants.other_series
    if variant not in variants.silent:
        extractor.report("unknown kind of document", (variants.field,))
    return None


def _needs_start(document_type: DocumentType) -> bool:
    return any(
        field.name == document_type.starts_at and field.required for field in document_type.fields
    )


def _split(extractor: Extractor, document_type: DocumentType, document: _Document) -> str | None:
    """The sub-series of a document, where it names one that Graphite can store."""
    text = document.get(document_type.split_by) if document_type.split_by else None
    if text is None:
        return None
    if isinstance(text, str) and _SOURCE.fullmatch(text.lower()):
        return text.lower()
    extractor.report("name that Graphite cannot store", (document_type.split_by or "",))
    return None


def _read_duration(extractor: Extractor, ends_at: str, document: _Document, place: Place) -> None:
    end = parse.instant(document.get(ends_at))
    if end is None or place.start is None:
        return
    if end < place.start:
        extractor.report("end before the start", (ends_at,))
    else:
        extractor.duration(end - place.start, place)


def _let_later_days_win(days: list[_Metrics]) -> None:
    """Drop from each day, given by day, the points whose metric and time a later one has too."""
    by_metric: dict[str, list[_Metrics]] = defaultdict(list)
    for metrics in days:
        for name in metrics:
            by_metric[name].append(metrics)
    for name, holders in by_metric.items():
        if len(holders) > 1:
            _drop_overridden(name, holders)


def _drop_overridden(name: str, holders: list[_Metrics]) -> None:
    firsts = [holder[name][0][0] for holder in holders]
    # What the days after each one begin with, at the earliest.
    after = list(accumulate(reversed(firsts), min))[::-1][1:]
    for i, earliest in enumerate(after):
        points = holders[i][name]
        if points[-1][0] < earliest:
            continue
        later = _times_from(name, holders[i + 1 :], earliest, points[-1][0])
        kept = [point for point in points if point[0] not in later]
        if len(kept) == len(points):
            continue
        if kept:
            holders[i][name] = kept
        else:
            del holders[i][name]


def _times_from(
    name: str, holders: Iterable[Mapping[str, list[Point]]], first: int, last: int
) -> set[int]:
    times: set[int] = set()
    for holder in holders:
        points = holder[name]
        if points[0][0] > last:
            continue
        times.update(time for time, _ in points[bisect_left(points, (first,)) :])
    return times
