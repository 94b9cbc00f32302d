"""The points of documents in the warehouse, flattened in bounded pieces where they changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb

import oura_pipeline
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.parts import StoredDay
from oura_pipeline.days import ONE_DAY, batched, batched_by_weight, days_between
from oura_pipeline.graphite.flatten import flatten_days
from oura_pipeline.graphite.points import DayPoints
from oura_pipeline.ledger import Push
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.warehouse.reading import DayDigest, PersonAndDay

_REACH_OF_SLEEPS = 3  # days
_BYTES_PER_READ = 8 * 2**20  # of JSON
_DAYS_PER_READ = 5000  # of all people
_DAYS_PER_BLIND_READ = 100  # of all people, of which it is not known how large they are
_DAYS_AT_ONCE = 92  # of one person, whose points are in memory together
_DAYS_PER_LOOK = 50_000  # of all people


@dataclass(frozen=True)
class ChangedDays:
    """What a look at some people's days has found.

    Attributes:
        days: whose points may have changed since they were pushed, by person and day; also days
            that had points and have no documents any more.
        settled: the rows of the ledger of the other days.
        digests: of what the warehouse has, by username and day; None: nobody looked.
    """

    days: Sequence[PersonAndDay]
    settled: Sequence[Push] = ()
    digests: Mapping[PersonAndDay, DayDigest] | None = None


class Flattener:
    """Flattens the documents of one type as the warehouse has them."""

    def __init__(self, pipeline: Pipeline, document_type: DocumentType) -> None:
        self._pipeline, self._type = pipeline, document_type
        # How many days before and after a day its documents can change the points. Of sleeps that
        # overlap only one counts. When that changes, the one that takes its place stands on
        # another day at times, and has perhaps never been pushed.
        self._reach = _REACH_OF_SLEEPS if document_type.variants else 1

    def changed(
        self,
        usernames: Sequence[str],
        days: Sequence[date],
        is_settled: Callable[[Push], bool],
    ) -> Iterator[ChangedDays]:
        """Yield which days have to be flattened, of some people at a time.

        Args:
            usernames: whose days.
            days: consecutive days; those around them are looked at, too, as far as a change
                reaches.
            is_settled: whether points need not be sent again while they stay the same.
        """
        for people in batched(usernames, max(1, _DAYS_PER_LOOK // len(days))):
            if self._type.partitioned:
                yield self._changed(people, days, is_settled)
            else:
                # A state counts for the day on which it is sent.
                yield ChangedDays([(username, days[-1]) for username in people])

    def points(
        self, days: Sequence[PersonAndDay], digests: Mapping[PersonAndDay, DayDigest] | None = None
    ) -> Iterator[DayPoints]:
        """Yield the points of each of these days, given by person and day.

        Args:
            days: of a type without days the last one of each person counts.
            digests: what `changed` found; None: nobody looked.
        """
        if not self._type.partitioned:
            days = list(dict(days).items())
        sizes = digests or {}
        for piece in batched_by_weight(
            days,
            lambda key: sizes[key].size if key in sizes else 0,
            heaviest=_BYTES_PER_READ,
            longest=_DAYS_PER_BLIND_READ if digests is None else _DAYS_PER_READ,
        ):
            stored = self._stored(piece)
            for username, theirs in groupby(piece, itemgetter(0)):
                for some in batched((day for _, day in theirs), _DAYS_AT_ONCE):
                    yield from self._flattened(username, some, stored)

    def _changed(
        self, usernames: Sequence[str], days: Sequence[date], is_settled: Callable[[Push], bool]
    ) -> ChangedDays:
        around = days_between(days[0] - self._reach * ONE_DAY, days[-1] + self._reach * ONE_DAY)
        found = self._pipeline.accounts.pushes.find(
            self._type.name, usernames=usernames, first_day=around[0], last_day=around[-1]
        )
        everything = [(username, day) for username in usernames for day in around]
        if not found and len(everything) <= _DAYS_PER_BLIND_READ:
            # Nothing was pushed, and little is to be read: a look would take as long as that.
            return ChangedDays([key for key in everything if self._concerns(key[1], days, None)])
        pushed = {(row.username, row.day): row for row in found}
        digests = self._pipeline.warehouse.day_digests(self._type, self._near(everything))
        changed: list[PersonAndDay] = []
        settled: list[Push] = []
        for key in everything:
            row = pushed.get(key)
            if not (row or key in digests) or not self._concerns(key[1], days, row):
                continue
            if row and row.source == self._source(key, digests) and is_settled(row):
                settled.append(row)
            else:
                changed.append(key)
        return ChangedDays(changed, settled, digests)

    def _concerns(self, day: date, days: Sequence[date], row: Push | None) -> bool:
        """Return whether a day is one of these, or a neighbour that is pushed with them."""
        # Where a traveller's days overlap the later one wins, so a day that changes can change the
        # points of its neighbours. They are pushed too, if they ever were.
        return days[0] <= day <= days[-1] or row is not None or self._type.variants is not None

    def _flattened(
        self, username: str, days: Sequence[date], stored: Mapping[PersonAndDay, StoredDay]
    ) -> Iterator[DayPoints]:
        # The days after them decide which points a later day overrides.
        needed = {day + n * ONE_DAY for day in days for n in range(self._reach + 1)}
        flattened = flatten_days(
            self._type,
            username,
            {day: stored[username, day] for day in needed if (username, day) in stored},
            first_day=days[0],
            last_day=days[-1],
            prefix=self._pipeline.settings.graphite.prefix,
        )
        by_day = {points.day: points for points in flattened}
        for day in days:
            points = by_day.get(day) or DayPoints(username, self._type.name, day, {})
            yield replace(points, source=self._source((username, day), stored))

    def _stored(self, days: Sequence[PersonAndDay]) -> dict[PersonAndDay, StoredDay]:
        """Return the documents of days and of those around them."""
        warehouse = self._pipeline.warehouse
        if self._type.partitioned:
            return warehouse.stored_days(self._type, self._near(days))
        found = warehouse.documents_of(self._type, [who for who, _ in days], date.min, date.max)
        return {
            (who, day): StoredDay([one.raw for one in found[who]], [None] * len(found[who]))
            for who, day in days
            if found[who]
        }

    def _near(self, days: Collection[PersonAndDay]) -> Collection[PersonAndDay]:
        """Return these days and those whose documents can change their points."""
        reach = range(-self._reach, self._reach + 1)
        return {(username, day + n * ONE_DAY): None for username, day in days for n in reach}

    def _source(
        self, key: PersonAndDay, known: Mapping[PersonAndDay, DayDigest | StoredDay]
    ) -> str:
        """Return a digest of all that the points of a day depend on; empty: it is not known."""
        if not self._type.partitioned:
            return ""
        prefix = self._pipeline.settings.graphite.prefix
        near = (known[day].digest if day in known else "" for day in self._near([key]))
        parts = "\n".join([_version(), prefix, key[0], *near])
        return blake2b(parts.encode(), digest_size=16).hexdigest()


@cache
def _version() -> str:
    """Return a digest of the code that makes points of documents."""
    digest = blake2b(duckdb.__version__.encode())  # whose digests differ by version
    package = Path(oura_pipeline.__file__).parent
    for module in sorted([*package.glob("catalog/*.py"), *package.glob("graphite/*.py")]):
        digest.update(module.read_bytes())
    return digest.hexdigest()
