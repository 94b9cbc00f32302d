"""The queries that cover a range of days: as few as Oura allows, and none too narrow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.catalog.document_types import Ask, DocumentType
from oura_pipeline.days import reach

# Whether `end_date` belongs to the range differs by collection: some take it as midnight UTC. So
# every query is wider than what is wanted of it, and documents are kept by their own day.
WIDER = timedelta(days=2)
EDGE = timedelta(seconds=1)  # Oura does not document whether `end_datetime` belongs to the range
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class DateRangeQuery:
    """One range to ask Oura for.

    Attributes:
        parameters: of the URL.
        first: the first instant that belongs to this query, for queries about instants.
        end: the first instant that no longer belongs to it.
        max_pages: more pages than that are a loop.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    first: datetime = _BEGINNING
    end: datetime = _END
    max_pages: int = 1000

    def owns(self, instant: datetime) -> bool:
        """Return whether an instant belongs to this query, and so to no other one."""
        return self.first <= instant < self.end


def date_range_queries(
    document_type: DocumentType, first_day: date, last_day: date
) -> list[DateRangeQuery]:
    """Return the queries for the days from the first to the last, both included.

    Raises:
        ValueError: the first day comes after the last one, or the type has no ranges.
    """
    if first_day > last_day:
        raise ValueError(f"the first day {first_day} comes after the last one {last_day}")
    if document_type.ask is Ask.DAYS and document_type.max_days is None:
        return [_by_days(first_day, last_day)]
    if document_type.ask is Ask.INSTANTS:
        return _by_instants(first_day, last_day, document_type.max_days)
    raise ValueError(f"{document_type.name} cannot be requested by date range")


def _by_days(first_day: date, last_day: date) -> DateRangeQuery:
    first, last = first_day - WIDER, last_day + WIDER
    return DateRangeQuery(
        parameters={"start_date": first.isoformat(), "end_date": last.isoformat()},
        max_pages=100 + 10 * (last - first).days,
    )


def _by_instants(first_day: date, last_day: date, max_days: int | None) -> list[DateRangeQuery]:
    first, end = reach(first_day, last_day)
    count = 1 if max_days is None else math.ceil((end - first) / timedelta(max_days))
    # Equal spans that touch, without overlap: no document is taken twice, although every query asks
    # for a second more at either end.
    bounds = [_whole(first + (end - first) * part / count) for part in range(count + 1)]
    return [
        DateRangeQuery(
            parameters={
                "start_datetime": _rfc3339(bounds[part] - EDGE),
                "end_datetime": _rfc3339(bounds[part + 1] + EDGE),
            },
            first=bounds[part] if part else _BEGINNING,
            end=bounds[part + 1] if part + 1 < count else _END,
            max_pages=100 + 200 * math.ceil((end - first) / timedelta(days=1) / count),
        )
        for part in range(count)
    ]


def _whole(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _rfc3339(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")  # a plus sign would have to be escaped
