"""Turn a person's documents into the points that Graphite stores."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import accumulate
from typing import Any

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.metrics import DAY, Vocabulary, is_event
from oura_pipeline.catalog.parts import Part, StoredDay, StoredDocument
from oura_pipeline.graphite import parse
from oura_pipeline.graphite.aggregate import MICRO, Points, aligned
from oura_pipeline.graphite.extract import Extractor, Placement
from oura_pipeline.graphite.parse import Unreadable
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.graphite.rows import RowReader, comes_in_rows, sub_series

_USERNAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_EPOCH = date(1970, 1, 1).toordinal()

_Document = dict[str, Any]
_Metrics = dict[str, Points]


def flatten(
    document_type: DocumentType,
    username: str,
    documents: Iterable[StoredDocument],
    *,
    first_day: date,
    last_day: date,
    prefix: str = "bio",
) -> list[DayPoints]:
    """Return the points of a person's documents of one type.

    Args:
        document_type: the type of all documents.
        username: the person's name in Graphite.
        documents: all from the day before `first_day` to the day after `last_day`. The two
            neighbouring days only decide which points a later day overrides.
        first_day: the first day to return.
        last_day: the last day to return.
        prefix: the first component of every metric name.

    Returns:
        Every day of the range that has a document, in order.

    Raises:
        ValueError: the username cannot be part of a metric name.
    """
    by_day: dict[date, list[StoredDocument]] = defaultdict(list)
    for stored in documents:
        by_day[stored.day].append(stored)
    days = {
        day: StoredDay([one.raw for one in of_day], [one.part for one in of_day])
        for day, of_day in by_day.items()
    }
    return flatten_days(
        document_type, username, days, first_day=first_day, last_day=last_day, prefix=prefix
    )


def flatten_days(
    document_type: DocumentType,
    username: str,
    stored: Mapping[date, StoredDay],
    *,
    first_day: date,
    last_day: date,
    prefix: str = "bio",
) -> list[DayPoints]:
    """Do what `flatten` does, of documents that come day by day in any order."""
    if not _USERNAME.fullmatch(username):
        raise ValueError(f"{username!r} cannot be a name in Graphite: use a-z, 0-9, _ and -")
    vocabulary, root = Vocabulary(document_type), f"{prefix}.{username}."
    rows = RowReader(document_type, vocabulary, root) if comes_in_rows(document_type) else None
    days: list[tuple[date, _Metrics, dict[str, int]]] = []
    for day in sorted(stored):
        extractor = Extractor(vocabulary, root)
        if rows is None or not extractor.add_rows(rows, stored[day].raws):
            _extract_day(extractor, document_type, day, stored[day])
        days.append((day, extractor.points(), dict(sorted(extractor.skipped.items()))))
    _let_later_days_win([metrics for _, metrics, _ in days])
    return [
        DayPoints(username, document_type.name, day, dict(sorted(metrics.items())), skipped)
        for day, metrics, skipped in days
        if first_day <= day <= last_day
    ]


def _extract_day(
    extractor: Extractor,
    document_type: DocumentType,
    day: date,
    stored: StoredDay,
) -> None:
    midnight = (day.toordinal() - _EPOCH) * DAY
    documents = _relevant_documents(extractor, document_type, stored)
    for document, part in documents:
        placement = _placement(extractor, document_type, document, part, midnight=midnight)
        if placement is None:
            continue
        extractor.add_document(document, placement)
        if document_type.ends_at:
            _extract_duration(extractor, document_type.ends_at, document, placement)
    if document_type.counted:
        at_midnight = Placement(
            series=document_type.series, time=midnight, instant=midnight * MICRO, start=None
        )
        for _ in documents:
            extractor.add_count(at_midnight)


def _relevant_documents(
    extractor: Extractor, document_type: DocumentType, stored: StoredDay
) -> list[tuple[_Document, Part | None]]:
    """Decode the documents of a day: all, or the newest where they describe a state."""
    documents = []
    for raw, part in zip(stored.raws, stored.parts, strict=True):
        try:
            documents.append((parse.decode(raw), part))
        except Unreadable as error:
            extractor.skip(str(error), ("document",))
    if not document_type.newest or len(documents) < 2:
        return documents
    # Of equally old documents the last one counts: Oura lists the oldest first.
    ages = [parse.instant(one.get(document_type.newest)) or 0 for one, _ in documents]
    return [documents[max(range(len(ages)), key=lambda i: (ages[i], i))]]


def _placement(
    extractor: Extractor,
    document_type: DocumentType,
    document: _Document,
    part: Part | None,
    *,
    midnight: int,
) -> Placement | None:
    """Return under which name and time a document's numbers are sent; None: they are not."""
    starts_at = document_type.starts_at
    start = parse.instant(document.get(starts_at)) if starts_at else None
    series = _series(extractor, document_type, document, part)
    if series is None:
        return None
    end = _end(document_type, document)
    if part is Part.MAIN or not (is_event(document_type) or document_type.variants):
        # A day's values stand at 00:00 UTC in whatever zone it was spent: a dashboard of several
        # people can then line their days up.
        return Placement(series, midnight, midnight * MICRO, start, end)
    if start is None and _requires_start(document_type):
        extractor.skip("no instant", (starts_at or "",))
        return None
    instant = midnight * MICRO if start is None else start
    return Placement(
        series=series,
        time=midnight if start is None else aligned(instant, document_type.interval),
        instant=instant,
        start=start,
        end=end,
        sub_series=_sub_series(extractor, document_type, document),
    )


def _series(
    extractor: Extractor, document_type: DocumentType, document: _Document, part: Part | None
) -> str | None:
    variants = document_type.variants
    if not variants:
        return document_type.series
    known = {variants.main, *variants.others, *variants.silent}
    variant = document.get(variants.field)
    # A list cannot even be looked for.
    if not isinstance(variant, str) or variant not in known:
        extractor.skip("unknown kind of document", (variants.field,))
    # Of documents that overlap in time only one has a part.
    series = {Part.MAIN: document_type.series, Part.OTHER: variants.other_series}
    return series.get(part) if part else None


def _end(document_type: DocumentType, document: _Document) -> int | None:
    variants = document_type.variants
    return parse.instant(document.get(variants.ends_at)) if variants else None


def _requires_start(document_type: DocumentType) -> bool:
    return any(
        field.name == document_type.starts_at and field.required for field in document_type.fields
    )


def _sub_series(
    extractor: Extractor, document_type: DocumentType, document: _Document
) -> str | None:
    text = document.get(document_type.split_by) if document_type.split_by else None
    if text is None:
        return None
    name = sub_series(text) if isinstance(text, str) else None
    if name:
        return name
    extractor.skip("name that Graphite cannot store", (document_type.split_by or "",))
    return None


def _extract_duration(
    extractor: Extractor, ends_at: str, document: _Document, placement: Placement
) -> None:
    end = parse.instant(document.get(ends_at))
    if end is None or placement.start is None:
        return
    if end < placement.start:
        extractor.skip("end before the start", (ends_at,))
    else:
        extractor.add_duration(end - placement.start, placement)


def _let_later_days_win(days: list[_Metrics]) -> None:
    """Drop, from days in order, the points whose metric and time a later day has too.

    Oura's activity day lasts from 04:00 to 04:00 on the person's clock, so the days of somebody
    who travels east overlap.
    """
    by_metric: dict[str, list[_Metrics]] = defaultdict(list)
    for metrics in days:
        for name in metrics:
            by_metric[name].append(metrics)
    for name, days_of_metric in by_metric.items():
        if len(days_of_metric) > 1:
            _drop_overridden(name, days_of_metric)


def _drop_overridden(name: str, days: list[_Metrics]) -> None:
    first_times = [metrics[name].times[0] for metrics in days]
    # The earliest time at which any of the days after each one has a point. Nearly always it lies
    # behind the day's last point, and nothing has to be compared.
    earliest_after = list(accumulate(reversed(first_times), min))[::-1][1:]
    for i, earliest in enumerate(earliest_after):
        points = days[i][name]
        last = points.times[-1]
        if last < earliest:
            continue
        later = _times_between(name, days[i + 1 :], earliest, last)
        kept = [point for point in points if point[0] not in later]
        if kept:
            days[i][name] = Points.of(kept)
        else:
            del days[i][name]


def _times_between(name: str, days: Iterable[_Metrics], first: int, last: int) -> set[int]:
    times: set[int] = set()
    for metrics in days:
        of_day = metrics[name].times
        if of_day[0] <= last:
            times.update(of_day[bisect_left(of_day, first) :])
    return times
